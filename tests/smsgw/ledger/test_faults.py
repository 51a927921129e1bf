"""A ledger that is away, one that is slow and one that refuses are told apart."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Connection
from structlog.testing import capture_logs

from handlers.ports import LedgerDown, LookUpFailed, LookUpWaits
from smsgw.ledger.circuit_breaker import Circuit
from smsgw.ledger.faults import FAILURES, Failures, FaultKind, LookUpFault
from smsgw.ledger.sql_ledger import AT_ONCE, SqlLedger
from smsgw.storage import engines
from tests.support import foreign_ledger
from tests.support.waiting import eventually

LIMIT, SHORT = 20.0, 0.4  # seconds; a look-up that is well takes a few thousandths
NKP = foreign_ledger.nkp(0)


@pytest.fixture
def owner(postgres_url: str) -> Iterator[Connection]:
    engine = engines.engine(postgres_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        foreign_ledger.make(connection)
        connection.exec_driver_sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA theirs TO reader")
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA theirs TO reader")
        yield connection
        connection.exec_driver_sql("DROP OWNED BY reader; DROP ROLE reader")
        connection.exec_driver_sql("DROP SCHEMA core CASCADE; DROP SCHEMA theirs CASCADE")
    engine.dispose()


def ledger_of(url: str, limit: float = LIMIT) -> SqlLedger:
    engine = engines.engine(url, limit=limit)
    return SqlLedger(engine.execution_options(schema_translate_map={None: "theirs"}))


def fault(ledger: SqlLedger) -> LookUpFault:
    with pytest.raises(LedgerDown):
        ledger.balance(NKP, date.max)
    (found, *_) = ledger.check()
    ledger.engine.dispose()
    return found


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ("REVOKE SELECT ON theirs.balances FROM reader", "42501", "permission denied"),
        ("REVOKE USAGE ON SCHEMA theirs FROM reader", "42501", "permission denied"),
        ("DROP VIEW theirs.balances", "42P01", "does not exist"),
        ("ALTER VIEW theirs.balances RENAME COLUMN nkp TO kpj", "42703", "does not exist"),
        ("ALTER SCHEMA theirs RENAME TO moved", "42P01", "does not exist"),
    ],
)
def test_a_refusal_is_named_without_personal_data(
    owner: Connection, postgres_url: str, change: str, code: str, message: str
) -> None:
    ledger = ledger_of(postgres_url.replace("postgres@", "reader@"))
    assert ledger.balance(NKP, date.max)
    owner.exec_driver_sql(change)
    try:
        found = fault(ledger)
    finally:
        if "RENAME TO" in change:
            owner.exec_driver_sql("ALTER SCHEMA moved RENAME TO theirs")
    assert (found.kind, found.code, found.is_whole) == (FaultKind.REFUSED, code, False)
    assert message in str(found)
    assert NKP not in str(found)


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("postgres@", "nobody_such@", FaultKind.REFUSED),
        ("@/empty", "@/no_such_empty", FaultKind.REFUSED),
        ("host=", "host=/nonexistent", FaultKind.AWAY),
    ],
)
def test_a_refused_login_is_not_an_unavailable_server(
    owner: Connection, postgres_url: str, right: str, wrong: str, kind: FaultKind
) -> None:
    found = fault(ledger_of(postgres_url.replace(right, wrong)))
    assert (found.name, found.kind, found.is_whole) == ("connecting", kind, True)


def test_an_embedded_ledger_without_a_table_refuses(tmp_path: Path) -> None:
    ledger = SqlLedger(engines.engine(f"sqlite:///{tmp_path}/none.db"))
    with pytest.raises(LookUpFailed):
        ledger.balance(NKP, date.max)
    names = {each.name for each in ledger.check()}
    assert {"balance", "claims", "contacts"} <= names
    assert "ping" not in names
    nowhere = SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db"))
    assert fault(nowhere).kind is FaultKind.AWAY


def test_a_fault_is_over_once_the_look_up_works(owner: Connection, postgres_url: str) -> None:
    now = [0.0]
    engine = engines.engine(postgres_url, limit=LIMIT)
    views = engine.execution_options(schema_translate_map={None: "theirs"})
    ledger = SqlLedger(views, lambda: now[0])
    owner.exec_driver_sql("ALTER VIEW theirs.balances RENAME TO hidden")
    with pytest.raises(LookUpFailed):
        ledger.balance(NKP, date.max)
    assert [each.name for each in ledger.check()] == ["balance"]
    owner.exec_driver_sql("ALTER VIEW theirs.hidden RENAME TO balances")
    assert ledger.balance(NKP, date.max)
    now[0] += 11
    assert ledger.check() == []
    ledger.close()


def test_a_slow_look_up_leaves_connections_for_others(owner: Connection, postgres_url: str) -> None:
    ledger = ledger_of(postgres_url)
    assert ledger.participant(NKP)

    def ask(index: int) -> bool:
        with suppress(LookUpFailed):
            return ledger.claims(foreign_ledger.nkp(index % 5)) is not None
        return False

    def waiting() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return int(owner.exec_driver_sql(query).scalar_one())

    with ThreadPoolExecutor(30) as pool, owner.engine.begin() as holder:
        holder.exec_driver_sql("LOCK TABLE core.klaim")
        slow = [pool.submit(ask, index) for index in range(30)]
        eventually(lambda: waiting() == AT_ONCE)
        assert ledger.participant(NKP)
        assert waiting() == AT_ONCE  # as before: nobody's time was over
        holder.rollback()
        assert sum(each.result() for each in slow) >= AT_ONCE
    ledger.engine.dispose()


def test_a_slow_key_is_skipped_alone() -> None:
    now = [0.0]
    circuit = Circuit(lambda: now[0])
    circuit.record_failure("one")
    assert (circuit.may_pass("one"), circuit.may_pass("two")) == (False, True)
    circuit.record_success()
    circuit.record_failure("one")
    assert circuit.may_pass("two")
    circuit.record_failure("two")
    assert not any(circuit.may_pass(key) for key in ("one", "two", "three"))
    now[0] = 3.0
    assert [circuit.may_pass(key) for key in ("three", "four")] == [True, False]
    circuit.record_success()
    assert all(circuit.may_pass(key) for key in ("one", "two", "three"))


def test_skipped_look_ups_are_reported_separately(owner: Connection, postgres_url: str) -> None:
    ledger = ledger_of(postgres_url, SHORT)
    owner.exec_driver_sql(
        "DROP VIEW theirs.programs; CREATE VIEW theirs.programs AS SELECT kpj AS nkp, program,"
        " NULL::date AS until FROM core.iuran WHERE pg_sleep(5) IS NOT NULL"
    )
    with pytest.raises(LookUpFailed) as raised:
        ledger.programs(NKP)
    assert not isinstance(raised.value, LookUpWaits)
    with pytest.raises(LookUpWaits):
        ledger.programs(NKP)
    ledger.engine.dispose()


def test_failures_are_counted_over_processes_and_logged_once_a_minute(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    found = LookUpFault("balance", FaultKind.REFUSED, "UndefinedColumn", "42703")
    with capture_logs() as logged:
        here, there = Failures(redis), Failures(redis)
        for failures in (here, here, there):
            failures.add(found)
    assert here.counts() == there.counts() == {("balance", "refused"): 3}
    assert [each["log_level"] for each in logged] == ["error", "error"]
    redis.delete(FAILURES)
    redis.close()
