"""Sends messages from phones, and reads what the databases hold after them."""

from dataclasses import replace
from itertools import count

from sqlalchemy import func, select

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging.answer import Answer
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.ledger import participants
from smsgw.storage.tables.security import audit

_references = count()


def say(rt: Runtime, sender: str, text: str, **more: str) -> Answer:
    reference = more.pop("ref", f"ref-{next(_references)}")
    answer = responder.respond(
        rt, IncomingSms("simulator", reference, sender, "2757", text, **more)
    )
    assert answer is not None
    return answer


def count_rows(rt: Runtime, table: object) -> int:
    with rt.reading() as tx:
        return tx.connection.execute(select(func.count()).select_from(table)).scalar_one()


def set_number_on_file(rt: Runtime, nkp: str, phone: str | None) -> None:
    with rt.ledger.engine.begin() as connection:
        connection.execute(
            participants.update().where(participants.c.nkp == nkp).values(phone=phone)
        )


def with_ledger_down(rt: Runtime) -> Runtime:
    """Returns the same service with its ledger unavailable."""
    return replace(rt, ledger=SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db")))


def audit_entries(rt: Runtime) -> list[tuple[str, str | None]]:
    """Returns (act, detail) of each row of the audit log."""
    with rt.reading() as tx:
        rows = select(audit.c.act, audit.c.detail).order_by(audit.c.id)
        return [tuple(row) for row in tx.connection.execute(rows)]
