"""Processes are killed while they look, queue and send: everybody who asked is told once."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import event, func, select

from handlers.changes import NotificationKind
from smsgw import runtime, settings
from smsgw.messaging import delivery_reports, dispatch
from smsgw.notifications.cycle import Cycle
from smsgw.operations import jobs
from smsgw.registry import phone_state, subscriptions
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import notifications
from tests.conftest import Clock
from tests.support.bound_phones import bind_many, nkp, number
from tests.support.notified import states, switch_on
from tests.support.twilio_api import TWILIO, Stub, twilio_stub

MANY, KILLS = 30, 10
STATEMENTS = 70  # of a process that goes on undisturbed, about
BALANCE = NotificationKind.BALANCE
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.smsgw.notifications.test_killed"])


@pytest.fixture
def stub(clock: Clock) -> Iterator[Stub]:
    with twilio_stub() as made:
        made.now = clock
        yield made


@pytest.fixture
def environ(environ: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**environ, **TWILIO, "TWILIO_API_BASE": stub.url}


def work(rt: Runtime, clock: Clock) -> None:
    """Does what the clock and a worker do, until nothing is left for now."""
    cycle, sender_id = Cycle(rt), rt.default_carrier.default_sender_id
    for _ in range(12):
        cycle.step(1.0)
        dispatch.drain(rt, "twilio", sender_id)
        with rt.writing() as tx:
            delivery_reports.expire_leases(tx)
        jobs.settle(rt)
        clock.moves(seconds=1)


def work_until_killed(environ: Mapping[str, str], now: datetime, left: int) -> None:
    """Kills itself behind the statement of that number, as `kill -9` does."""
    clock = Clock()
    clock.now = now
    rt = runtime.build(settings.load(environ), now=clock)

    @event.listens_for(rt.service, "after_cursor_execute")
    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    work(rt, clock)


def subscribe_all(rt: Runtime) -> None:
    bind_many(rt, MANY)
    with rt.writing() as tx:
        for index in range(MANY):
            known = phone_state.read(tx, number(index))
            subscriptions.add(tx, known.phone_id, number(index), [BALANCE], "in a test")


def change_all(rt: Runtime) -> None:
    with rt.ledger.engine.begin() as connection:
        for index in range(MANY):
            connection.exec_driver_sql(
                f"UPDATE balances SET total = total + 5 WHERE nkp = '{nkp(index)}'"
            )


@pytest.mark.thorough
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whoever_asked_is_told_once_wherever_processes_are_killed(
    rt: Runtime, clock: Clock, environ: dict[str, str], stub: Stub
) -> None:
    subscribe_all(rt)
    switch_on(rt, BALANCE)
    work(rt, clock)
    assert stub.books == []
    change_all(rt)
    clock.moves(hours=1)
    endings = []
    for left in Random(19).sample(range(8, STATEMENTS), KILLS):
        process = _forks.Process(target=work_until_killed, args=(environ, clock.now, left))
        process.start()
        process.join(60)
        endings.append(process.exitcode)
        clock.moves(minutes=2)  # its leases run out
    assert endings.count(-signal.SIGKILL) >= KILLS - 2
    for _ in range(4):
        work(rt, clock)
        clock.moves(minutes=2)
    sent = Counter(each["to"] for each in stub.books)
    assert sent == Counter(number(index) for index in range(MANY))
    assert set(states(rt)) == {"sent"}
    with rt.reading() as tx:
        assert tx.connection.execute(select(func.count(notifications.c.id))).scalar_one() == MANY


@pytest.mark.thorough
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_where_a_carrier_cannot_tell_none_is_sent_twice(
    rt: Runtime, clock: Clock, environ: dict[str, str], stub: Stub
) -> None:
    """Answers are resent then, once; a notification is not."""
    subscribe_all(rt)
    switch_on(rt, BALANCE)
    work(rt, clock)
    change_all(rt)
    clock.moves(hours=1)
    stub.are_books_open = False
    stub.answers = ["cut"] * 5  # accepted, and the connection breaks
    for _ in range(5):
        work(rt, clock)
        clock.moves(minutes=4)
    sent = Counter(each["to"] for each in stub.books)
    assert max(sent.values()) == 1
    assert Counter(states(rt)) == {"sent": MANY - 5, "failed": 5}
    assert sum(sent.values()) == MANY


def test_two_clocks_tell_nobody_twice(rt: Runtime, clock: Clock, stub: Stub) -> None:
    subscribe_all(rt)
    switch_on(rt, BALANCE)
    work(rt, clock)
    change_all(rt)
    clock.moves(hours=1)
    cycles = [Cycle(rt), Cycle(rt)]
    for _ in range(12):
        for each in cycles:
            each.step(1.0)
        dispatch.drain(rt, "twilio", rt.default_carrier.default_sender_id)
        clock.moves(seconds=1)
    assert Counter(each["to"] for each in stub.books).most_common(1)[0][1] == 1
    assert len(stub.books) == MANY
    assert clock.now > datetime(2025, 10, 31, tzinfo=clock.now.tzinfo) + timedelta(hours=1)
