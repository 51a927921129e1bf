"""Two clocks that run at the same instant do each thing once, and neither fails."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Event

import pytest
from sqlalchemy import Column, Connection, func, select, text, update

from smsgw import runtime, settings
from smsgw.backoffice import ledger_changes
from smsgw.backoffice.ledger_changes import LedgerChange
from smsgw.ledger import reference_tables
from smsgw.messaging import hourly_counts, leases
from smsgw.messaging.hourly_counts import Tallies, hour_of
from smsgw.operations import audit_chain
from smsgw.operations.clock import run, sweep
from smsgw.operations.retention import Retention
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.counts import tallies
from smsgw.storage.tables.messages import attempts, messages, replies
from smsgw.storage.tables.security import audit as audit_rows
from smsgw.storage.tables.security import audit_head
from tests.conftest import Clock, on_sqlite
from tests.support.sender_ids import SENDER_ID, receive
from tests.support.waiting import LONGEST, eventually

MESSAGES, ROUNDS = 12, 8


@pytest.fixture
def other(rt: Runtime, environ: dict[str, str], clock: Clock) -> Iterator[Runtime]:
    """Returns the runtime of a second process."""
    made = runtime.build(settings.load(environ), now=clock)
    yield made
    made.close()


def together(*works: Callable[[], object]) -> None:
    """Does works at the same instant. Raises what any of them raises."""
    gate = Barrier(len(works))

    def work(each: Callable[[], object]) -> object:
        gate.wait(LONGEST)
        return each()

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work, each) for each in works]:
            done.result()


def count(rt: Runtime, column: Column[object], *where: object) -> int:
    with rt.reading() as tx:
        return int(tx.connection.execute(select(func.count(column)).where(*where)).scalar_one())


def note_resent(rt: Runtime) -> None:
    with rt.writing() as tx:
        audit.note(tx, Act.RESENT, "shell:ani")


@on_sqlite
def test_the_clock_makes_planned_changes(rt: Runtime) -> None:
    stopping = Event()
    engine = rt.ledger.engine
    before = reference_tables.rows(engine, "contacts")[0]
    change = LedgerChange(before, replace(before, fields={**before.fields, "hours": "24 jam"}))
    ledger_changes.plan(rt, change, rt.today, "operator:ani")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, rt, stopping)
        try:
            eventually(lambda: reference_tables.rows(engine, "contacts")[0] != before)
        finally:
            stopping.set()
        running.result()


def test_each_row_of_the_audit_log_is_sealed_once(rt: Runtime, other: Runtime) -> None:
    for number in range(ROUNDS):
        with rt.writing() as tx:
            for _ in range(20):
                audit.note(tx, Act.RESENT, "shell:ani", detail=f"reply {number}")
        together(lambda: audit_chain.seal(rt), lambda: audit_chain.seal(other))
    audit_chain.seal(rt)  # what the first one left to the second
    with rt.reading() as tx:
        verified = audit_chain.verify(tx)
        numbers = tx.connection.execute(select(audit_rows.c.number).order_by(audit_rows.c.number))
        assert numbers.scalars().all() == list(range(1, 20 * ROUNDS + 1))
    assert (verified.findings, verified.unsealed) == ([], [])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_clock_does_not_wait_for_another_that_seals(rt: Runtime, other: Runtime) -> None:
    note_resent(rt)
    audit_chain.seal(rt)
    note_resent(rt)
    with rt.writing() as sealing:
        sealing.connection.execute(select(audit_head).with_for_update())
        assert audit_chain.seal(other) is None
    sealed = audit_chain.seal(other)
    assert sealed is not None
    assert sealed.number == 2


def test_each_message_is_counted_once(rt: Runtime, other: Runtime, clock: Clock) -> None:
    counting = Tallies(rt), Tallies(other)
    for number in range(1, ROUNDS + 1):
        receive(rt, clock, 2)
        clock.moves(minutes=20)
        together(*(each.step for each in counting))
        with rt.reading() as tx:
            counted = select(func.sum(tallies.c.messages)).where(tallies.c.carrier != "")
            assert tx.connection.execute(counted).scalar_one() == 2 * number


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_clock_leaves_an_hour_to_another_that_counts_it(
    rt: Runtime, other: Runtime, clock: Clock
) -> None:
    receive(rt, clock, 2)
    hour = hour_of(clock.now)
    with rt.writing() as tx:
        assert hourly_counts.count(tx, hour)
    receive(rt, clock, 1)
    with rt.writing() as tx:
        assert hourly_counts.count(tx, hour)
        assert Tallies(other).step() == 1  # the hour before
    assert count(rt, tallies.c.hour, tallies.c.carrier != "", tallies.c.messages == 3) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_changes_while_its_hour_is_counted_is_counted_again(
    rt: Runtime, other: Runtime, clock: Clock
) -> None:
    def change() -> None:
        with other.writing() as tx:
            tx.connection.execute(update(messages).values(outcome="unknown"))
            hourly_counts.changed(tx, received)

    receive(rt, clock, 1)
    received = clock.now
    clock.moves(hours=3)
    Tallies(rt).step()
    with ThreadPoolExecutor(1) as pool:
        with rt.writing() as tx, rt.service.connect() as watching:
            hourly_counts.count(tx, hour_of(received))
            changing = pool.submit(change)
            eventually(lambda: waiting(watching) == 1)
        changing.result()
    Tallies(rt).step()
    assert count(rt, tallies.c.hour, tallies.c.outcome == "unknown") == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_hour_that_is_marked_already_is_not_counted_while_another_change_is_under_way(
    rt: Runtime, other: Runtime, clock: Clock
) -> None:
    receive(rt, clock, 1)
    received = clock.now
    clock.moves(hours=3)
    Tallies(rt).step()
    with rt.writing() as tx:
        hourly_counts.changed(tx, received)
    with rt.writing() as changing:
        changing.connection.execute(update(messages).values(outcome="unknown"))
        hourly_counts.changed(changing, received)
        with other.writing() as tx:
            hourly_counts.changed(tx, received)  # does not wait
        Tallies(other).step()
    Tallies(rt).step()
    assert count(rt, tallies.c.hour, tallies.c.outcome == "unknown") == 1


def waiting(connection: Connection) -> int:
    """Counts who waits for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with connection.begin():
        return int(connection.execute(text(query)).scalar_one())


def test_each_reply_expires_once_and_its_phone_is_told_once(
    rt: Runtime, other: Runtime, clock: Clock
) -> None:
    receive(rt, clock, MESSAGES)
    clock.moves(hours=3)
    together(lambda: sweep(rt), lambda: sweep(other))
    sweep(rt)
    expired = replies.c.state == "expired"
    assert count(rt, replies.c.id, expired) == MESSAGES
    notices = replies.c.wording == "disclosure.expired"
    phones = count(rt, replies.c.phone_id.distinct(), expired)
    assert count(rt, replies.c.id, notices) == phones == MESSAGES - 3


def test_each_lease_runs_out_once(rt: Runtime, other: Runtime, clock: Clock) -> None:
    receive(rt, clock, MESSAGES)
    with rt.writing() as tx:
        assert len(leases.claim(tx, "simulator", SENDER_ID, MESSAGES)) == MESSAGES
    clock.moves(minutes=1)
    together(lambda: sweep(rt), lambda: sweep(other))
    assert count(rt, replies.c.id, replies.c.state == "unknown") == MESSAGES
    assert count(rt, attempts.c.id) == MESSAGES
    assert count(rt, attempts.c.id, attempts.c.ending == "unknown") == MESSAGES


def test_what_is_due_is_deleted(rt: Runtime, other: Runtime, clock: Clock) -> None:
    receive(rt, clock, MESSAGES)
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(state="delivered"))
    clock.moves(days=91)
    looks = Retention(rt), Retention(other)
    for _ in range(3):
        together(*(each.step for each in looks))
    assert count(rt, messages.c.text) == count(rt, replies.c.text) == 0
    assert count(rt, messages.c.id) == count(rt, replies.c.id) == MESSAGES
