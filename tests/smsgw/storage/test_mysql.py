"""A ledger in MySQL or MariaDB has the same limits as one in PostgreSQL, and is never written."""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from handlers.ports import LedgerDown, LookUpFailed
from smsgw import settings
from smsgw.ledger import faults
from smsgw.ledger.csv_import import reference_folder
from smsgw.ledger.faults import FaultKind
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.storage import deadlines, engines
from smsgw.variables import SettingsError
from tests.conftest import P1_NKP
from tests.support.commands import smsgw
from tests.support.mariadb import MariaDb

LIMIT, LONGER = 1.0, 30.0
SOON = 10.0  # long after LIMIT, as on a loaded machine, and long before LONGER


@pytest.fixture
def engine(mariadb: MariaDb) -> Iterator[Engine]:
    made = engines.engine(mariadb.url("core", "reader"), LIMIT)
    yield made
    made.dispose()


def failed(engine: Engine, statement: str) -> faults.LookUpFault:
    with engine.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text(statement))
    return faults.of("balance", raised.value)


def given_up(work: Callable[[], object]) -> float:
    """Returns after how many seconds it gave up."""
    started = time.monotonic()
    with pytest.raises(DBAPIError):
        work()
    return time.monotonic() - started


def ask(engine: Engine, statement: str = "SELECT 1") -> object:
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar()


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"])
def test_each_form_of_the_address_is_taken(mariadb: MariaDb, scheme: str) -> None:
    url = mariadb.url("core", "reader", scheme)
    assert settings.load({"LEDGER_URL": url}).ledger_url == url
    engine = engines.engine(url, LIMIT)
    assert "MariaDB" in str(ask(engine, "SELECT version()"))
    engine.dispose()


def test_without_its_driver_the_setting_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)  # as where it is not installed
    with pytest.raises(SettingsError, match=r"LEDGER_URL: needs .* requirements/mysql\.lock"):
        settings.load({"LEDGER_URL": "mariadb://reader@ledger.internal/core"})


def test_the_server_ends_a_slow_statement(engine: Engine) -> None:
    started = time.monotonic()
    # It ends a SLEEP by itself early, so that the statement has to work.
    slow = failed(
        engine, f"SELECT count(*) FROM {', '.join(f'orang {each}' for each in 'abcdefgh')}"
    )
    assert LIMIT * 0.9 < time.monotonic() - started < SOON
    assert (slow.kind, slow.code, slow.is_whole) == (FaultKind.SLOW, "70100", False)
    assert ask(engine) == 1


def test_a_frozen_server_times_out(mariadb: MariaDb, engine: Engine) -> None:
    patient = engines.engine(mariadb.url("core", "reader"), LONGER)
    ask(engine)
    ask(patient)
    mariadb.freeze()
    try:
        assert LIMIT * 0.9 < given_up(lambda: ask(engine)) < SOON
        assert given_up(lambda: ask(engine)) < SOON  # which has to connect
        with deadlines.within(0.2):
            assert given_up(lambda: ask(patient)) < SOON
    finally:
        mariadb.thaw()
        patient.dispose()
    assert ask(engine) == 1
    with deadlines.patient(9), engine.connect() as connection:
        connection.execute(text("SET max_statement_time = 9"))
        assert connection.execute(text(f"SELECT sleep({2 * LIMIT})")).scalar() == 0


@pytest.mark.parametrize(
    ("statement", "code", "detail"),
    [
        ("SELECT nothing FROM orang", "42S22", "Unknown column"),
        ("SELECT * FROM nowhere", "42S02", "doesn't exist"),
        ("SELECT * FROM mysql.db", "42000", "denied"),
        ("SELECT '081234567890' FROM", "42000", None),
    ],
)
def test_a_refusal_is_told_without_values(
    engine: Engine, statement: str, code: str, detail: str | None
) -> None:
    refused = failed(engine, statement)
    assert (refused.kind, refused.code) == (FaultKind.REFUSED, code)
    assert (refused.detail or "").find(detail or "") >= 0
    assert "0812" not in str(refused)


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("reader@", "nobody_such@", FaultKind.REFUSED),
        ("@/core", "@/nowhere", FaultKind.REFUSED),
        ("unix_socket=", "unix_socket=/nonexistent", FaultKind.AWAY),
    ],
)
def test_a_refused_login_is_not_an_unavailable_server(
    mariadb: MariaDb, right: str, wrong: str, kind: FaultKind
) -> None:
    ledger = SqlLedger(engines.engine(mariadb.url("core", "reader").replace(right, wrong), LIMIT))
    with pytest.raises(LedgerDown):
        ledger.participant(P1_NKP)
    (found,) = ledger.check()
    assert (found.name, found.kind) == ("connecting", kind)
    ledger.engine.dispose()


def test_a_look_up_is_one_trip_and_survives_a_lost_connection(
    mariadb: MariaDb, engine: Engine
) -> None:
    ledger = SqlLedger(engine)
    assert ledger.participant(P1_NKP)
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *them: sent.append(them[2]))
    with mariadb.connect() as admin, admin.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        before = int(cursor.fetchone()[1])
        assert ledger.participant(P1_NKP)
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        assert int(cursor.fetchone()[1]) - before == len(sent) + 1 == 2
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = 'reader'")
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")
    assert ledger.participant(P1_NKP)


def test_a_view_that_is_gone_refuses_and_leaves_others(mariadb: MariaDb, engine: Engine) -> None:
    ledger = SqlLedger(engine)
    with mariadb.connect() as admin, admin.cursor() as cursor:
        cursor.execute("RENAME TABLE core.klaim TO core.hidden")
        try:
            with pytest.raises(LookUpFailed):
                ledger.claims(P1_NKP)
            assert ledger.participant(P1_NKP)
        finally:
            cursor.execute("RENAME TABLE core.hidden TO core.klaim")
    assert ledger.claims(P1_NKP)


@pytest.mark.parametrize("offset", ["+00:00", "+07:00"])
def test_a_timestamp_comes_with_the_servers_offset(
    mariadb: MariaDb, engine: Engine, offset: str
) -> None:
    with mariadb.connect() as admin, admin.cursor() as cursor:
        cursor.execute("SET GLOBAL time_zone = %s", (offset,))
        try:
            filed = ask(engine, "SELECT filed_on FROM claims LIMIT 1")
        finally:
            cursor.execute("SET GLOBAL time_zone = 'SYSTEM'")
    assert isinstance(filed, datetime)
    assert (
        filed.isoformat()
        == {
            "+00:00": "2025-09-01T18:00:00+00:00",
            "+07:00": "2025-09-02T01:00:00+07:00",
        }[offset]
    )
    assert ask(engine, "SELECT timestamp('1990-08-17 00:00:00')") == datetime(1990, 8, 17)  # noqa: DTZ001
    assert filed.utcoffset() in {timedelta(0), timedelta(hours=7)}


def test_it_is_never_migrated_or_filled(mariadb: MariaDb, tmp_path: Path) -> None:
    url = mariadb.url("core", "reader")
    assert smsgw(tmp_path, "migrate", LEDGER_URL=url).returncode == 0
    for command in (
        ("migrate", "--ledger"),
        ("ledger", "load", str(reference_folder())),
        ("ledger", "make", "--participants", "3"),
    ):
        done = smsgw(tmp_path, *command, LEDGER_URL=url)
        assert done.returncode == 1
        assert "in PostgreSQL or SQLite only" in done.stderr
        assert "docs/ledger.md" in done.stderr
    decoys = smsgw(tmp_path, "ledger", "decoys", "--count", "5", LEDGER_URL=url)
    assert decoys.stdout.startswith("5 decoys\n"), decoys.stderr
