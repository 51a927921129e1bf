"""Tests a ledger that does not answer, in every way in which it may not."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path
from threading import get_ident

import pytest
from sqlalchemy import event

from handlers import city_names
from handlers.ports import LedgerDown
from smsgw.ledger.circuit_breaker import Circuit
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.storage import engines, migrations
from tests.conftest import ABSENT, P1_NKP
from tests.support.servers import Postgres, postgres_programs
from tests.support.waiting import eventually

THREADS = 8
LEDGERS = Path(__file__).parents[2] / "transcripts" / "ledgers"


def refused(ledger: SqlLedger) -> float:
    """Returns after how many seconds we give up."""
    started = time.monotonic()
    with pytest.raises(LedgerDown):
        ledger.participant(P1_NKP)
    return time.monotonic() - started


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Starts a server of its own, to be frozen."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip(ABSENT)
    made = Postgres(programs)
    owner = engines.engine(made.url)
    migrations.upgrade(owner, "ledger")
    load(owner, reference_folder())
    owner.dispose()
    yield made
    made.stop()


@pytest.mark.parametrize("knows_it", [True, False])
def test_a_frozen_server_times_out(server: Postgres, knows_it: bool) -> None:
    """It says nothing, however long one waits; for who is patient that is longer."""
    now = [0.0]
    ledgers = [
        SqlLedger(engines.engine(server.url, limit=limit), clock=lambda: now[0]) for limit in (1, 4)
    ]
    if knows_it:  # a connection is open; else one has to be made, for which libpq takes 2 s
        assert all(each.balance(P1_NKP, date.max) for each in ledgers)
    server.freeze()
    try:
        with ThreadPoolExecutor(2) as pool:
            waited, longer = pool.map(refused, ledgers)
        assert 0.9 < waited < longer
        # From then on nobody waits; of three tries a loaded machine delays one or two.
        assert min(refused(ledgers[0]) for _ in range(3)) < waited / 2
    finally:
        server.thaw()
    now[0] = 10.0
    for each in ledgers:
        assert each.balance(P1_NKP, date.max)
        each.engine.dispose()


def test_many_look_ups_time_out_together(server: Postgres) -> None:
    ledger = SqlLedger(engines.engine(server.url, limit=1))
    asked: Counter[int] = Counter()
    for name in ("do_connect", "before_cursor_execute"):
        event.listen(ledger.engine, name, lambda *_: asked.update([get_ident()]))
    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(lambda _: ledger.balance(P1_NKP, date.max), range(16)))
        asked.clear()
        server.freeze()
        try:
            waited = list(pool.map(lambda _: refused(ledger), range(5 * THREADS)))
        finally:
            server.thaw()
    assert set(asked.values()) == {1}  # of five times that each thread would have asked
    assert max(waited) < THREADS  # one after the other, the last would wait for so long
    ledger.engine.dispose()


def test_a_statement_that_is_quick_is_left_alone(server: Postgres) -> None:
    """That holds however many follow each other, and however long nothing is asked then."""
    engine = engines.engine(server.url, limit=1.5)
    with engine.connect() as connection:
        for _ in range(8):
            assert connection.exec_driver_sql("SELECT pg_sleep(0.2)").all()
        time.sleep(1.6)
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    engine.dispose()


def test_an_unavailable_ledger_is_not_asked_again() -> None:
    now = [0.0]
    ledger = SqlLedger(engines.engine("sqlite:////nonexistent/l.db"), clock=lambda: now[0])
    asked: list[object] = []
    event.listen(ledger.engine, "do_connect", lambda *given: asked.append(given[0]))
    for seconds, tries in ((0.0, 1), (1.0, 1), (2.9, 1), (3.1, 2), (4.0, 2), (6.2, 3)):
        now[0] = seconds
        with pytest.raises(LedgerDown):
            ledger.balance(P1_NKP, date.max)
        assert len(asked) == tries
    ledger.engine.dispose()


def test_what_was_never_read_is_not_empty() -> None:
    ledger = SqlLedger(engines.engine("sqlite:////nonexistent/l.db"))
    for _ in range(2):
        with pytest.raises(LedgerDown):
            ledger.offices()
    assert ledger.contact("call_centre") is None


def test_one_look_up_probes_while_others_fail_fast() -> None:
    now = [0.0]
    circuit = Circuit(lambda: now[0])
    assert circuit.may_pass()
    circuit.record_failure()
    assert not circuit.may_pass()
    now[0] = 3.0
    assert [circuit.may_pass() for _ in range(3)] == [True, False, False]
    assert not circuit.is_closed
    circuit.record_success()
    assert circuit.may_pass()
    assert circuit.is_closed


def test_a_slow_ledger_counts_as_unavailable(postgres_url: str) -> None:
    owner = engines.engine(postgres_url)
    migrations.downgrade(owner, "ledger", "base")
    migrations.upgrade(owner, "ledger")
    now = [0.0]
    ledger = SqlLedger(engines.engine(postgres_url, limit=0.2), clock=lambda: now[0])
    with owner.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE participants IN ACCESS EXCLUSIVE MODE")
        assert refused(ledger) >= 0.2  # which would wait for the lock until it is given back

    def answers() -> bool:
        now[0] += 10
        with suppress(LedgerDown):  # a fifth of a second is not much
            return ledger.participant("19012345678") is None
        return False

    eventually(answers)
    ledger.engine.dispose()
    owner.dispose()


def test_a_dropped_connection_is_not_an_unavailable_ledger(postgres_url: str) -> None:
    owner = engines.engine(postgres_url)
    migrations.upgrade(owner, "ledger")
    load(owner, reference_folder())
    ledger = SqlLedger(engines.engine(postgres_url, limit=2))
    assert ledger.balance("19012345678", date.max)
    with owner.connect() as connection:
        ended = connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).all()
        assert ended
        assert ledger.balance("19012345678", date.max)
    ledger.engine.dispose()
    owner.dispose()


def test_offices_are_read_by_one_statement_a_minute_however_many_there_are(tmp_path: Path) -> None:
    engine = engines.engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    migrations.upgrade(engine, "ledger")
    load(engine, LEDGERS / "offices-of-500")
    now, statements = [0.0], []
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    ledger = SqlLedger(engine, clock=lambda: now[0])
    for written in ("BANDUNG", "JAKBAR", "Surabya", "ATLANTIS") * 5:
        city_names.find(ledger.offices(), written)
    assert sum(each.startswith("SELECT") for each in statements) == 1
    now[0] = 61.0
    assert len(ledger.offices()) > 500
    assert sum(each.startswith("SELECT") for each in statements) == 2
    engine.dispose()
