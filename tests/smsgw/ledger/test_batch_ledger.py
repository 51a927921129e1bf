"""What several messages look up is read at once; anything else is said not to be there."""

from datetime import date

import psycopg
import pytest
from sqlalchemy import delete, event, insert, text

from handlers import HANDLERS, looks_up
from handlers.ports import LedgerDown
from smsgw.ledger.batch_ledger import BatchLedger, NotFetched
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.ledger.statements import LOOK_UPS
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.ledger import balances, programs
from tests.conftest import P1_NKP, P2_NKP
from tests.support import foreign_ledger

NOBODY = "10000000001"
ALL = {name: {P1_NKP, P2_NKP, NOBODY} for name in ("participant", "balance", "last_contribution")}


def test_it_says_what_the_ledger_says(rt: Runtime) -> None:
    fetched = BatchLedger(rt.ledger, ALL)
    for nkp in ALL["balance"]:
        assert fetched.participant(nkp) == rt.ledger.participant(nkp)
        assert fetched.balance(nkp, rt.today) == rt.ledger.balance(nkp, rt.today)
        assert fetched.last_contribution(nkp) == rt.ledger.last_contribution(nkp)
    assert fetched.participant(P1_NKP) is not None
    assert fetched.participant(NOBODY) is None


def test_handlers_declare_only_look_ups_by_nkp() -> None:
    fields = ((), ("year",), ("number",))
    declared = {
        (name, each) for name in HANDLERS for some in fields for each in looks_up(name, some)
    }
    assert {name for name, _ in declared} >= {
        "saldo",
        "iuran",
        "status",
        "ya",
        "jp",
        "data",
        "klaim",
    }
    by_nkp = {name for name, each in LOOK_UPS.items() if "nkp" in each.compile().params}
    assert {(name, each) for name, each in declared if each not in by_nkp} == set()


def test_the_newest_balance_is_told_apart(rt: Runtime) -> None:
    with rt.ledger.engine.begin() as ledger:
        old = [
            {"nkp": P1_NKP, "as_of": date(2020, month, 1), "total": month} for month in range(1, 13)
        ]
        ledger.execute(insert(balances), old)
    fetched = BatchLedger(rt.ledger, ALL)
    assert fetched.balance(P1_NKP, rt.today) == rt.ledger.balance(P1_NKP, rt.today)


def test_a_programme_that_stands_in_many_rows_is_told_once_and_in_order(rt: Runtime) -> None:
    """A foreign ledger may have a row for each month."""
    since = [date(2020, month, 1) for month in range(1, 13)]
    names = ("JP", "JHT", "JKM")
    with rt.ledger.engine.begin() as ledger:
        ledger.execute(delete(programs))
        rows = [
            {"nkp": nkp, "program": each, "since": day}
            for nkp in (P1_NKP, P2_NKP)
            for each in names
            for day in since
        ]
        ledger.execute(insert(programs), rows)
        ended = {"nkp": P1_NKP, "program": "JKP", "since": since[0], "until": since[-1]}
        ledger.execute(insert(programs), ended)
    fetched = BatchLedger(rt.ledger, {"programs": {P1_NKP, P2_NKP, NOBODY}})
    assert fetched.programs(P1_NKP) == rt.ledger.programs(P1_NKP) == sorted(names)
    assert fetched.programs(P2_NKP) == rt.ledger.programs(P2_NKP) == sorted(names)
    assert fetched.programs(NOBODY) == rt.ledger.programs(NOBODY) == []


def test_what_was_not_fetched_is_not_nobody(rt: Runtime) -> None:
    fetched = BatchLedger(rt.ledger, {"participant": {P1_NKP}})
    with pytest.raises(NotFetched):
        fetched.participant(P2_NKP)
    with pytest.raises(NotFetched):
        fetched.balance(P1_NKP, rt.today)
    with pytest.raises(NotFetched):
        fetched.participants_of("3171010101900001")


def test_what_is_the_same_for_all_is_read_as_ever(rt: Runtime) -> None:
    fetched = BatchLedger(rt.ledger, {})
    assert fetched.contact("call_centre") == rt.ledger.contact("call_centre")
    assert fetched.offices() == rt.ledger.offices()


def test_a_ledger_that_is_away_fetches_nothing_and_is_left_alone() -> None:
    away = SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db"))
    with pytest.raises(NotFetched):
        BatchLedger(away, ALL).participant(P1_NKP)
    asked = []
    event.listen(away.engine, "do_connect", lambda *_: asked.append(1))
    BatchLedger(away, ALL)
    assert not asked


def test_a_ledger_that_was_away_is_tried_by_one_message_alone() -> None:
    now, asked = [0.0], []
    away = SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db"), lambda: now[0])
    BatchLedger(away, {"participant": {P1_NKP}})
    now[0] += 4.0
    event.listen(away.engine, "do_connect", lambda *_: asked.append(1))
    BatchLedger(away, {"balance": {P1_NKP}})
    assert not asked
    with pytest.raises(LedgerDown):
        away.balance(P1_NKP, date.max)
    assert asked


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_takes_too_long_for_many_is_asked_for_each(rt: Runtime) -> None:
    def sleeps(_c: object, cursor: psycopg.Cursor, *_: object) -> None:
        cursor.connection.execute("SELECT pg_sleep(1)")

    event.listen(rt.ledger.engine, "before_cursor_execute", sleeps)
    fetched = BatchLedger(rt.ledger, {"participant": {P1_NKP}})
    event.remove(rt.ledger.engine, "before_cursor_execute", sleeps)
    with pytest.raises(NotFetched):
        fetched.participant(P1_NKP)
    assert rt.ledger.participant(P1_NKP)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_look_up_that_is_refused_leaves_the_others_to_be_read_for_all(rt: Runtime) -> None:
    """All are asked for in one trip, which shows only that one of them fails."""
    asked: list[str] = []
    with rt.ledger.engine.begin() as ledger:
        ledger.execute(text("ALTER TABLE contributions RENAME TO hidden"))
    event.listen(rt.ledger.engine, "before_cursor_execute", lambda *them: asked.append(them[2]))
    try:
        fetched, again = BatchLedger(rt.ledger, ALL), BatchLedger(rt.ledger, ALL)
    finally:
        with rt.ledger.engine.begin() as ledger:
            ledger.execute(text("ALTER TABLE hidden RENAME TO contributions"))
    for each in (fetched, again):
        assert each.participant(P1_NKP) == rt.ledger.participant(P1_NKP)
        with pytest.raises(NotFetched):
            each.last_contribution(P1_NKP)
    assert len([each for each in asked if "ALTER" not in each and "ANY" in each]) == 1 + 3 + 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_where_an_nkp_is_a_number_there_it_is_found_all_the_same(
    rt: Runtime, database_url: str
) -> None:
    columns = "nkp::bigint AS nkp, nik, name, birth_date, phone, email, category, status"
    more = "status_since, status_reason, employer, emergency_name, emergency_phone"
    with rt.ledger.engine.begin() as ledger:
        ledger.execute(text("CREATE SCHEMA IF NOT EXISTS numbers"))
        ledger.execute(text("DROP VIEW IF EXISTS numbers.participants"))
        view = f"CREATE VIEW numbers.participants AS SELECT {columns}, {more} FROM participants"
        ledger.execute(text(view))
    theirs = engines.engine(foreign_ledger.address(database_url, "numbers", "public"))
    found = BatchLedger(SqlLedger(theirs), {"participant": {P1_NKP}}).participant(P1_NKP)
    theirs.dispose()
    assert found is not None
    assert found.nkp == P1_NKP
