"""Look-ups go to a real streaming replica, and the number on file is asked from its primary."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import count
from math import isinf

import psycopg
import pytest
from sqlalchemy import Engine, event, func, select
from structlog.testing import capture_logs

from handlers.ports import LedgerDown
from smsgw import responder, runtime, settings
from smsgw.app import create_app
from smsgw.carriers.carrier import IncomingSms
from smsgw.cli import doctor
from smsgw.ledger.batch_ledger import BatchLedger
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.ledger.replica import Replica
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import dispatch
from smsgw.operations import jobs
from smsgw.runtime import Runtime
from smsgw.storage import engines, migrations
from smsgw.storage.tables.messages import replies
from tests.conftest import ABSENT, P1, P1_NKP, P2_NKP, Clock, on_sqlite
from tests.support.batches import together
from tests.support.commands import forked
from tests.support.conversation import say, set_number_on_file
from tests.support.servers import Postgres, Standby, postgres_programs
from tests.support.waiting import eventually

LIMIT = 2.0  # seconds
TRUSTED = 3.0  # seconds behind, as 60 are elsewhere
ANOTHERS = "+6281299990000"
references = count()


class Pair:
    """Runs a primary and its replica."""

    def __init__(self) -> None:
        programs = postgres_programs()
        if programs is None:
            pytest.skip(ABSENT)
        self.primary = Postgres(programs)
        owner = engines.engine(self.primary.url)
        migrations.upgrade(owner, "ledger")
        load(owner, reference_folder())
        owner.dispose()
        self.primary_says("CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader")
        self.primary_says(f"UPDATE participants SET phone = '{P1}' WHERE nkp = '{P1_NKP}'")
        self.replica = Standby(programs, self.primary)

    def primary_says(self, statement: str) -> object:
        return _one(self.primary, statement)

    def replica_says(self, statement: str) -> object:
        return _one(self.replica, statement)

    def write(self) -> None:
        """Commits something, and returns once the replica holds it, or has received it."""
        self.primary_says("UPDATE contacts SET hours = hours")
        at = self.primary_says("SELECT pg_current_wal_insert_lsn()")
        has = f"SELECT pg_last_wal_receive_lsn() >= '{at}'"
        if not self.replica_says("SELECT pg_is_wal_replay_paused()"):
            has += f" AND pg_last_wal_replay_lsn() >= '{at}'"
        eventually(lambda: self.replica_says(has))

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.replica_says("SELECT pg_wal_replay_pause()")
        state = "SELECT pg_get_wal_replay_pause_state()"
        eventually(lambda: self.replica_says(state) == "paused")
        try:
            yield
        finally:
            self.replica_says("SELECT pg_wal_replay_resume()")

    def stop(self) -> None:
        self.replica.stop()
        self.primary.stop()


def _one(server: Postgres, statement: str) -> object:
    with psycopg.connect(server.address, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.stop()


@pytest.fixture
def ledger(pair: Pair) -> Iterator[SqlLedger]:
    primary, replica = (
        engines.engine(each.url, limit=LIMIT) for each in (pair.primary, pair.replica)
    )
    made = SqlLedger(primary, replica=Replica(replica, trusted=TRUSTED))
    yield made
    made.close()


@pytest.fixture
def served(rt: Runtime, ledger: SqlLedger, pair: Pair) -> Iterator[Runtime]:
    """Returns a service whose ledger is the pair."""
    yield replace(rt, ledger=ledger)
    set_number_on_file(replace(rt, ledger=ledger), P1_NKP, P1)
    pair.write()


def known_to_be_current(ledger: SqlLedger, pair: Pair) -> Replica:
    """Looks until the replica is known to hold what its primary wrote, as traffic does."""
    replica = ledger.replica
    assert replica is not None
    pair.write()
    eventually(lambda: replica.measure().lag < TRUSTED / 3)
    return replica


@contextmanager
def asked(ledger: SqlLedger) -> Iterator[Counter[str]]:
    """Counts the statements of each server, without those that measure the lag."""
    counted: Counter[str] = Counter()

    def listen(name: str, engine: Engine) -> Callable[[], None]:
        def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
            counted.update([name] if "pg_is_in_recovery" not in statement else ["measured"])

        event.listen(engine, "before_cursor_execute", note)
        return partial(event.remove, engine, "before_cursor_execute", note)

    assert ledger.replica is not None
    ends = listen("primary", ledger.engine), listen("replica", ledger.replica.engine)
    yield counted
    for end in ends:
        end()


def test_look_ups_go_to_the_replica_and_the_number_on_file_to_the_primary(
    ledger: SqlLedger,
) -> None:
    with asked(ledger) as counted:
        assert ledger.balance(P1_NKP, date.max)
        assert ledger.claims(P1_NKP) is not None
        assert ledger.offices()
        assert (counted["primary"], counted["replica"]) == (0, 3)
        person = ledger.participant(P1_NKP)
        assert person is not None
        assert person.nik is not None
        assert ledger.participants_of(person.nik)
        assert (counted["primary"], counted["replica"]) == (2, 3)


def test_a_batch_takes_no_more_statements_than_without_a_replica(ledger: SqlLedger) -> None:
    wanted = {P1_NKP, P2_NKP}
    with asked(ledger) as counted:
        names = ("participant", "balance", "last_contribution")
        fetched = BatchLedger(ledger, dict.fromkeys(names, wanted))
        assert fetched.balance(P1_NKP, date.max)
        assert fetched.participant(P1_NKP)
    assert (counted["primary"], counted["replica"]) == (1, 2)


def test_the_lag_is_measured_once_a_second_and_not_once_a_message(ledger: SqlLedger) -> None:
    started = time.monotonic()
    with asked(ledger) as counted:
        for _ in range(200):
            assert ledger.balance(P1_NKP, date.max)
    assert 1 <= counted["measured"] <= 1 + (time.monotonic() - started)


def test_a_replica_of_an_idle_primary_is_not_behind(ledger: SqlLedger, pair: Pair) -> None:
    replica = known_to_be_current(ledger, pair)
    time.sleep(TRUSTED)
    last_commit = pair.replica_says(
        "SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float"
    )
    assert float(str(last_commit)) >= TRUSTED
    eventually(lambda: replica.measure().lag < TRUSTED / 2)


def test_who_may_not_see_what_was_written_takes_the_last_commit(pair: Pair) -> None:
    url = pair.replica.url.replace("postgres@", "reader@")
    replica = Replica(engines.engine(url), trusted=0.5)
    pair.write()
    time.sleep(0.6)
    standing = [replica.measure() for _ in range(2)][-1]
    assert standing.is_hidden
    assert not standing.is_trusted
    assert "GRANT pg_read_all_stats" in str(doctor.replica_fault(replica))
    replica.engine.dispose()


def test_a_replica_that_does_not_replay_is_behind(ledger: SqlLedger, pair: Pair) -> None:
    replica = known_to_be_current(ledger, pair)
    with pair.paused():
        pair.write()
        eventually(lambda: replica.measure().lag > TRUSTED)
        assert not replica.is_trusted()
        assert "it is behind (" in str(doctor.replica_fault(replica))
    eventually(lambda: replica.measure().is_trusted)
    assert doctor.replica_fault(replica) is None


@on_sqlite
@pytest.mark.parametrize("is_batch", [True, False])
def test_a_number_that_has_changed_opens_nothing_from_a_stale_replica(
    served: Runtime, pair: Pair, is_batch: bool
) -> None:
    known_to_be_current(served.ledger, pair)
    with pair.paused():
        set_number_on_file(served, P1_NKP, ANOTHERS)
        stale = pair.replica_says(f"SELECT phone FROM participants WHERE nkp = '{P1_NKP}'")
        assert stale == P1
        sms = IncomingSms("simulator", f"replica-{next(references)}", P1, "2757", "SALDO")
        if is_batch:
            (made,) = together(served, [partial(responder.respond, served, sms)])
            answer = made.result()
        else:
            answer = say(served, P1, f"SALDO {P1_NKP}")
    assert answer is not None
    assert answer.reply is not None
    assert answer.verdict.outcome == "not_registered"
    assert "Rp" not in answer.reply.text


@on_sqlite
def test_a_reply_is_not_sent_if_the_number_has_changed_since(served: Runtime, pair: Pair) -> None:
    known_to_be_current(served.ledger, pair)
    answer = say(served, P1, "SALDO")
    assert answer.reply is not None
    assert "Rp" in answer.reply.text
    with pair.paused():
        set_number_on_file(served, P1_NKP, ANOTHERS)
        dispatch.drain(served, "simulator", "2757")
    assert states(served) == {"refused": 1}


def states(rt: Runtime) -> dict[str, int]:
    with rt.reading() as tx:
        by = select(replies.c.state, func.count()).group_by(replies.c.state)
        return dict(tx.connection.execute(by).all())


@on_sqlite
def test_without_a_primary_numbers_are_believed_until_the_replica_is_too_old(
    served: Runtime, pair: Pair, clock: Clock
) -> None:
    known_to_be_current(served.ledger, pair)
    pair.primary.kill()
    try:
        began = time.monotonic()
        with capture_logs() as logged:
            answer = say(served, P1, "SALDO")
        assert answer.verdict.outcome == "answered"
        assert "away" in {each.get("kind") for each in logged}
        time.sleep(max(0.0, began + TRUSTED - time.monotonic()))
        clock.moves(minutes=2)  # not a repeat, and not a reply that was made just now
        assert say(served, P1, "SALDO JHT").verdict.outcome == "unavailable"
        assert served.ledger.balance(P1_NKP, date.max)
        with pytest.raises(LedgerDown):
            served.ledger.participant(P1_NKP)
        dispatch.drain(served, "simulator", "2757")
        assert states(served)["queued"] == 1
    finally:
        pair.primary.start()
    back = SqlLedger(served.ledger.engine, replica=served.ledger.replica)
    (late,) = jobs.give_deferred_answers(replace(served, ledger=back))
    assert late.verdict.outcome == "answered"


def test_a_primary_that_is_back_is_noticed_although_the_replica_answers(
    ledger: SqlLedger, pair: Pair
) -> None:
    now = [0.0]
    assert ledger.replica is not None
    apart = SqlLedger(ledger.engine, lambda: now[0], replica=ledger.replica)
    known_to_be_current(ledger, pair)
    pair.primary.kill()
    try:
        assert BatchLedger(apart, {"participant": {P1_NKP}}).participant(P1_NKP)
    finally:
        pair.primary.start()
    known_to_be_current(ledger, pair)
    with asked(apart) as counted:
        assert BatchLedger(apart, {"participant": {P1_NKP}}).participant(P1_NKP)
        assert (counted["primary"], counted["replica"]) == (0, 1)
        now[0] += 3.0
        assert BatchLedger(apart, {"participant": {P1_NKP}}).participant(P1_NKP)
        assert (counted["primary"], counted["replica"]) == (1, 1)


@pytest.mark.parametrize("is_frozen", [True, False])
def test_the_primary_answers_for_a_replica_that_is_away(
    ledger: SqlLedger, pair: Pair, is_frozen: bool
) -> None:
    assert ledger.balance(P1_NKP, date.max)
    assert ledger.replica is not None
    (pair.replica.freeze if is_frozen else pair.replica.kill)()
    try:
        fetched = BatchLedger(ledger, {"balance": {P1_NKP}, "last_contribution": {P1_NKP}})
        assert fetched.balance(P1_NKP, date.max)
        with asked(ledger) as counted:
            assert ledger.balance(P1_NKP, date.max)
            assert ledger.claims(P1_NKP) is not None
        assert counted == {"primary": 2}
        assert ledger.failures.counts() == {("replica", "away"): 1}
        assert ledger.check() == []
        if not is_frozen:
            assert "it cannot be used" in str(doctor.replica_fault(ledger.replica))
    finally:
        (pair.replica.thaw if is_frozen else pair.replica.start)()


def test_a_look_up_that_the_replica_cancelled_is_answered(ledger: SqlLedger, pair: Pair) -> None:
    assert ledger.replica is not None

    def cancelled(_c: object, cursor: psycopg.Cursor, *_: object) -> None:
        cursor.connection.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    event.listen(ledger.replica.engine, "before_cursor_execute", cancelled)
    with asked(ledger) as counted:
        assert ledger.balance(P1_NKP, date.max)
    assert counted["primary"] == 1


@on_sqlite
def test_its_lag_is_reported(served: Runtime, pair: Pair) -> None:
    known_to_be_current(served.ledger, pair)
    name = "smsgw_ledger_replica_lag_seconds "
    with create_app(served).test_client() as client:
        assert float(client.get("/metrics").text.split(f"\n{name}")[1].split("\n")[0]) < 30
        served.redis.flushdb()
    alone = replace(served, ledger=SqlLedger(served.ledger.engine))
    with create_app(alone).test_client() as client:
        assert name not in client.get("/metrics").text


@on_sqlite
def test_the_setting_names_the_replica_and_the_doctor_looks_at_it(
    rt: Runtime, environ: dict[str, str], pair: Pair
) -> None:
    both = {"LEDGER_URL": pair.primary.url, "LEDGER_REPLICA_URL": pair.replica.url}
    made = runtime.build(settings.load(environ | both))
    with asked(made.ledger) as counted:
        assert made.ledger.balance(P1_NKP, date.max)
    assert (counted["primary"], counted["replica"]) == (0, 1)
    made.close()
    assert "ok   ledger's replica" in forked(environ | both, "doctor").stdout
    assert "replica" not in forked(environ, "doctor").stdout


def test_a_server_that_follows_nobody_is_never_trusted(pair: Pair) -> None:
    """So it is with a replica that was promoted."""
    alone = Replica(engines.engine(pair.primary.url))
    standing = [alone.measure() for _ in range(2)][-1]
    assert not standing.follows
    assert isinf(standing.lag)
    assert not alone.is_trusted()
    assert "it follows no primary" in str(doctor.replica_fault(alone))
    alone.engine.dispose()
