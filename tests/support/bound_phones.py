"""Binds many phones, each to a participant of its own."""

from sqlalchemy import insert

from smsgw.registry import bindings, phone_state
from smsgw.runtime import Runtime
from smsgw.storage.tables.ledger import balances, contributions, participants


def number(index: int) -> str:
    return f"+62812345{index:05}"


def nkp(index: int) -> str:
    return str(19_100_000_000 + index)


def bind_many(rt: Runtime, many: int) -> None:
    day = rt.today
    with rt.ledger.engine.begin() as ledger:
        people = [
            {"nkp": nkp(i), "phone": number(i), "name": "Ani", "status": "AKTIF"}
            for i in range(many)
        ]
        ledger.execute(insert(participants), people)
        held = [{"nkp": nkp(i), "as_of": day, "total": 1_000_000 + i} for i in range(many)]
        ledger.execute(insert(balances), held)
        paid = [{"nkp": nkp(i), "month": day.replace(day=1), "jht": 1} for i in range(many)]
        ledger.execute(insert(contributions), paid)
    with rt.writing() as tx:
        for i in range(many):
            known = phone_state.bump_version(tx, phone_state.read(tx, number(i)))
            bindings.bind(tx, known, nkp(i), consent="in a test", on_file=number(i))
