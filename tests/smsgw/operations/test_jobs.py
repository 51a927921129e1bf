import math
import socket
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
import requests
import rq.job
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from sqlalchemy import Column, event, select, update
from sqlalchemy.exc import OperationalError

from smsgw import http_client, responder, runtime
from smsgw.carriers import http
from smsgw.carriers.carrier import (
    Delivery,
    Ending,
    IncomingSms,
    OutgoingSms,
    Report,
    SendError,
)
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import delivery_reports, dispatch, inbox, leases, reconciliation
from smsgw.messaging.leases import SendResult
from smsgw.operations import jobs
from smsgw.operations.clock import sweep
from smsgw.operations.queue import QUEUE, SHUTDOWN, WORKER_BEATS, TimeSlice
from smsgw.operations.worker import JOBS, NoQueue, Worker, work
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.messages import Priority, attempts, messages, replies
from smsgw.storage.tables.phones import bindings, phones
from tests.conftest import P1, P1_NKP, Clock
from tests.support.conversation import say
from tests.support.sender_ids import SENDER_ID, Failing, burst, receive, states, with_carrier
from tests.support.servers import Queue as Server
from tests.support.waiting import LONGEST


class Slowing(Failing):
    """Takes the first SMS at once, and the others when so many wait for it."""

    def __init__(self, fast: int, then: int) -> None:
        super().__init__()
        self._fast = iter(range(fast))
        self._barrier = Barrier(then, timeout=LONGEST)

    def send(self, sms: OutgoingSms) -> str:
        sent = super().send(sms)
        if next(self._fast, None) is None:
            self._barrier.wait()
        return sent


def test_a_drain_empties_its_sender_id_and_sends_each_once(rt: Runtime, clock: Clock) -> None:
    carrier = Failing()
    receive(rt, clock, 40)
    assert dispatch.drain(with_carrier(rt, carrier), "simulator", SENDER_ID) is None
    assert set(states(rt)) == {"sent"}
    assert len({sms.attempt_id for sms in carrier.sent}) == 40


def test_a_carrier_that_begins_to_take_long_delays_no_other_reply(
    rt: Runtime, clock: Clock
) -> None:
    """It has answered so fast that few threads send by it."""
    carrier = Slowing(fast=30, then=8)
    receive(rt, clock, 38)
    dispatch.drain(with_carrier(rt, carrier), "simulator", SENDER_ID)
    assert set(states(rt)) == {"sent"}


def test_a_drain_stops_when_its_time_is_over(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 3)
    assert dispatch.drain(rt, "simulator", SENDER_ID, holds=0) == 0.0
    assert states(rt) == ["queued"] * 3


@pytest.mark.parametrize(
    ("ending", "state"),
    [(Ending.REFUSED, "refused"), (Ending.UNKNOWN, "unknown"), (Ending.RETRY, "queued")],
)
def test_a_send_is_sent_refused_or_unknown(
    rt: Runtime, clock: Clock, ending: Ending, state: str
) -> None:
    carrier = Failing(ending)
    failing = with_carrier(rt, carrier)
    receive(rt, clock)
    dispatch.drain(failing, "simulator", SENDER_ID)
    assert states(rt) == [state]
    clock.moves(minutes=10)
    sweep(failing)
    dispatch.drain(failing, "simulator", SENDER_ID)
    again = ending is Ending.RETRY
    assert (states(rt), len(carrier.sent)) == ((["sent"], 2) if again else ([state], 1))


def test_an_expired_reply_is_dropped(rt: Runtime, clock: Clock) -> None:
    carrier = Failing(Ending.RETRY)
    failing = with_carrier(rt, carrier)
    receive(rt, clock)
    dispatch.drain(failing, "simulator", SENDER_ID)
    clock.moves(hours=2)
    dispatch.drain(failing, "simulator", SENDER_ID)
    sweep(failing)
    assert (states(rt), len(carrier.sent)) == (["expired", "queued"], 1)  # and its notice
    assert timedelta(hours=1, minutes=59) < carrier.sent[0].lasts <= timedelta(hours=2)


def test_answers_are_sent_before_notices(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 3)
    with rt.writing() as tx:
        ids = list(tx.connection.execute(select(replies.c.id).order_by(replies.c.id)).scalars())
        for priority, reply_id in ((Priority.SCHEDULED, ids[0]), (Priority.LATE, ids[1])):
            tx.connection.execute(
                update(replies).where(replies.c.id == reply_id).values(priority=priority)
            )
        taken = [leases.claim(tx, "simulator", SENDER_ID, 1)[0].reply_id for _ in ids]
    assert taken == ids[::-1]


def test_a_reply_whose_binding_ended_is_not_sent(rt: Runtime, clock: Clock) -> None:
    carrier = Failing(Ending.RETRY)
    failing = with_carrier(rt, carrier)
    receive(rt, clock)
    dispatch.drain(failing, "simulator", SENDER_ID)
    with rt.writing() as tx:
        tx.connection.execute(update(bindings).values(ended_at=tx.now))
    clock.moves(seconds=10)
    dispatch.drain(failing, "simulator", SENDER_ID)
    sweep(failing)
    assert (states(rt), len(carrier.sent)) == (["refused"], 1)


def test_a_late_result_of_an_older_attempt_is_ignored(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    with rt.writing() as tx:
        (first,) = leases.claim(tx, "simulator", SENDER_ID, 1)
    clock.moves(minutes=1)
    sweep(rt)
    clock.moves(minutes=6)
    jobs.settle(rt)
    with rt.writing() as tx:
        (second,) = leases.claim(tx, "simulator", SENDER_ID, 1)
        assert second.reply_id == first.reply_id
        for ending in (Ending.RETRY, Ending.REFUSED, Ending.UNKNOWN):
            leases.record(tx, [SendResult(first, error=SendError(ending, "late"))])
    assert states(rt) == ["sending"]
    with rt.writing() as tx:
        leases.record(tx, [SendResult(first, carrier_ref="SM1")])
    assert states(rt) == ["sent"]


def test_a_retry_waits_until_it_is_due(rt: Runtime, clock: Clock) -> None:
    carrier = Failing(Ending.RETRY)
    receive(rt, clock)
    dispatch.drain(with_carrier(rt, carrier), "simulator", SENDER_ID)
    dispatch.drain(with_carrier(rt, carrier), "simulator", SENDER_ID)
    assert len(carrier.sent) == 1
    pauses = [leases.pause(made) for made in (1, 5, 50)]
    assert pauses[0] <= timedelta(seconds=2) < pauses[1] <= pauses[2] <= timedelta(minutes=5)


def test_sends_are_recorded_when_the_database_is_back(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 3)
    faults = iter([True, True])

    def fails(_c: object, _k: object, statement: str, *_: object) -> None:
        if "UPDATE attempts" in statement and next(faults, False):
            raise OperationalError("away", None, Exception())

    event.listen(rt.service, "before_cursor_execute", fails)
    assert dispatch.drain(rt, "simulator", SENDER_ID) is None
    assert states(rt) == ["sent"] * 3


def test_sends_are_recorded_however_the_drain_ends(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 4)
    faults = iter([True])

    def fails(_c: object, _k: object, statement: str, *_: object) -> None:
        if "UPDATE attempts" in statement and next(faults, False):
            raise KeyboardInterrupt

    event.listen(rt.service, "before_cursor_execute", fails)
    with pytest.raises(KeyboardInterrupt):
        dispatch.drain(rt, "simulator", SENDER_ID)
    assert states(rt) == ["sent"] * 4


def test_an_expiring_lease_is_not_sent(rt: Runtime, clock: Clock) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{server.getsockname()[1]}"
    http_client.SEND_BY.set(time.monotonic() - 1)
    try:
        with http.session() as session, pytest.raises(requests.ConnectionError) as raised:
            session.get(address, timeout=1)
        assert http.is_unsent(raised.value)
    finally:
        http_client.SEND_BY.set(math.inf)
        server.close()


def test_a_bug_fails_one_deferred_answer_only(rt: Runtime, clock: Clock) -> None:
    away = replace(rt, ledger=SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db")))
    receive(away, clock)
    assert responder.respond(away, IncomingSms("simulator", "second", P1, SENDER_ID, "IURAN"))

    def fails(_c: object, _k: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE messages") and next(bugs, False):
            raise ZeroDivisionError

    bugs = iter([True])
    event.listen(rt.service, "before_cursor_execute", fails)
    assert len(jobs.give_deferred_answers(rt)) == 1
    with rt.reading() as tx:
        kept = tx.connection.execute(select(messages.c.state).order_by(messages.c.id)).scalars()
        assert list(kept) == ["failed", "answered"]


def test_a_job_timeout_is_not_blamed_on_a_message(rt: Runtime, clock: Clock) -> None:
    away = replace(rt, ledger=SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db")))
    receive(away, clock)

    def rings(_c: object, _k: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE messages") and next(alarms, False):
            raise JobTimeoutException

    alarms = iter([True])
    event.listen(rt.service, "before_cursor_execute", rings)
    with pytest.raises(JobTimeoutException):
        jobs.give_deferred_answers(rt)
    assert len(jobs.give_deferred_answers(rt)) == 1


def test_a_stopping_drain_finishes_its_leases(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 3)
    SHUTDOWN.set()
    try:
        assert dispatch.drain(rt, "simulator", SENDER_ID, is_over=TimeSlice(rt)) == 0.0
        assert states(rt) == ["queued"] * 3
    finally:
        SHUTDOWN.clear()


def test_an_unsent_reply_is_retried_after_its_lease(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "simulator", SENDER_ID, 5)
    clock.moves(minutes=2)
    with rt.writing() as tx:
        assert delivery_reports.expire_leases(tx) == [claim.reply_id]
        leases.record(tx, [SendResult(claim, error=SendError(Ending.RETRY, "429"))])
    assert states(rt) == ["queued"]
    assert leases.pause(5_000) <= leases.LONGEST_PAUSE


def test_a_crashed_sender_leaves_the_reply_unknown_until_a_report(
    rt: Runtime, clock: Clock
) -> None:
    receive(rt, clock)
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "simulator", SENDER_ID, 5)
    clock.moves(seconds=61)
    sweep(rt)
    assert states(rt) == ["unknown"]
    dispatch.drain(rt, "simulator", SENDER_ID)
    assert states(rt) == ["unknown"]
    with rt.writing() as tx:
        assert delivery_reports.apply_report(
            tx, Report("simulator", claim.sms.attempt_id, Delivery.DELIVERED, "SM1", None)
        )
    with rt.reading() as tx:
        row = tx.connection.execute(select(attempts)).one()
    assert (states(rt), row.ending, row.settled) == (["delivered"], "unknown", "report")
    assert row.carrier_ref == "SM1"


def test_an_early_report_is_kept(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    with rt.writing() as tx:
        (claim,) = leases.claim(tx, "simulator", SENDER_ID, 5)
    for delivery in (Delivery.DELIVERED, Delivery.SENT, Delivery.UNDELIVERED):
        with rt.writing() as tx:
            delivery_reports.apply_report(
                tx, Report("simulator", claim.sms.attempt_id, delivery, "SM1", None)
            )
    with rt.writing() as tx:
        leases.record(tx, [leases.SendResult(claim, carrier_ref="SM1")])
    assert states(rt) == ["delivered"]


def test_two_drains_never_lease_the_same_reply(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 6)
    with rt.writing() as tx:
        first = leases.claim(tx, "simulator", SENDER_ID, 4)
    with rt.writing() as tx:
        second = leases.claim(tx, "simulator", SENDER_ID, 4)
    ids = [claim.reply_id for claim in first + second]
    assert len(first) == 4
    assert len(ids) == len(set(ids)) == 6


def test_the_worker_handles_a_hint(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    assert jobs.hint(rt, "simulator", SENDER_ID)
    assert jobs.hint(rt, "simulator", SENDER_ID)
    assert burst(rt) == 1
    assert states(rt) == ["sent"]
    assert rt.redis is not None
    assert not rt.redis.exists(f"hint:simulator:{SENDER_ID}")


def test_the_sweep_finds_work_without_a_hint(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    sweep(rt)
    burst(rt)
    assert states(rt) == ["sent"]


def test_messages_stored_without_redis_are_answered_when_it_is_back(
    rt: Runtime, clock: Clock
) -> None:
    server = Server()
    try:
        own = replace(rt, redis=Redis.from_url(server.url), redis_url=server.url)
        server.kill()
        receive(own, clock)
        assert not jobs.hint(own, "simulator", SENDER_ID)
        server.start()
        sweep(own)
        burst(own)
        assert states(rt) == ["sent"]
        own.redis.close()
    finally:
        server.stop()


def test_a_worker_without_a_queue_says_so(rt: Runtime) -> None:
    with pytest.raises(NoQueue):
        work(replace(rt, redis_url=None))


@pytest.mark.parametrize(
    "name", ["os.mkdir", "smsgw.operations.jobs.work", "mkdir", "pathlib.Path.mkdir"]
)
def test_the_worker_runs_only_known_jobs(rt: Runtime, tmp_path: Path, name: str) -> None:
    """Somebody who can write to Redis names a function as a job, or as its callback."""
    folder = str(tmp_path / "made")
    queue = Queue(QUEUE, connection=rt.redis, serializer=JSONSerializer)
    queue.enqueue(name, folder)
    follows = rq.job.Job.create(
        "smsgw.operations.jobs.beat",
        connection=rt.redis,
        serializer=JSONSerializer,
        origin=QUEUE,
    )
    queue.enqueue_job(follows)
    key = f"rq:job:{follows.id}"
    for callback in ("success", "failure", "stopped"):
        rt.redis.hset(key, f"{callback}_callback_name", "os.mkdir")
    jobs.RUNTIME.set(rt)
    worker = Worker([queue], connection=rt.redis, serializer=JSONSerializer)
    worker.work(burst=True, logging_level="CRITICAL")
    assert not Path(folder).exists()
    assert queue.count == 0
    assert rt.redis.exists(WORKER_BEATS)  # the job that is ours was done
    rt.redis.flushdb()


def test_every_enqueued_job_is_known(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    sweep(rt)
    queue = Queue(QUEUE, connection=rt.redis, serializer=JSONSerializer)
    assert {job.func_name for job in queue.jobs} <= set(JOBS)
    assert len(queue.jobs) >= 2
    rt.redis.flushdb()


def test_a_full_redis_costs_no_message(rt: Runtime, clock: Clock) -> None:
    """A full Redis refuses writes and serves reads."""
    server = Server()
    full = runtime.hints(server.url)
    try:
        own = replace(rt, redis=full, redis_url=server.url)
        full.config_set("maxmemory", 1)
        receive(own, clock)
        assert states(own) == ["queued"]
        assert not jobs.hint(own, "simulator", SENDER_ID)
        jobs.RUNTIME.set(own)
        jobs.drain_sender_id("simulator", SENDER_ID)
        assert states(own) == ["sent"]
        sweep(own)
        worker = Thread(target=work, args=(own,), daemon=True)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("smsgw.operations.worker.QUEUE_AGAIN", 0.01)
            worker.start()
            worker.join(0.5)
            assert worker.is_alive()  # it waits for room
            SHUTDOWN.set()
            worker.join(LONGEST)
        assert not worker.is_alive()
    finally:
        SHUTDOWN.clear()
        full.close()
        server.stop()


def test_an_undecryptable_reply_blocks_no_other(rt: Runtime, clock: Clock) -> None:
    """One value of the oldest row is overwritten."""
    receive(rt, clock, 3)
    damage(rt, replies.c.text, 1)
    dispatch.drain(rt, "simulator", SENDER_ID)
    assert states(rt) == ["refused", "sent", "sent"]
    with rt.reading() as tx:
        code = select(replies.c.code).where(replies.c.id == 1)
        assert tx.connection.execute(code).scalar_one() == "unreadable"


@pytest.mark.parametrize("column", [bindings.c.nkp, phones.c.number])
def test_a_reply_with_a_damaged_binding_is_not_sent(
    rt: Runtime, clock: Clock, column: Column[bytes]
) -> None:
    receive(rt, clock, 2)
    damage(rt, column, 1)
    dispatch.drain(rt, "simulator", SENDER_ID)
    assert states(rt) == ["refused", "refused"]


def test_an_undecryptable_deferred_message_blocks_no_other(rt: Runtime, clock: Clock) -> None:
    down = replace(rt, ledger=SqlLedger(engines.engine("sqlite:////nonexistent/ledger.db")))
    for text in ("SALDO", "IURAN"):
        clock.moves(minutes=3)
        say(down, P1, text)
    damage(rt, messages.c.text, 1)
    sweep(rt)
    answers = jobs.give_deferred_answers(rt)
    assert len(answers) == 1
    with rt.reading() as tx:
        states = tx.connection.execute(select(messages.c.state).order_by(messages.c.id)).scalars()
        assert list(states) == ["failed", "answered"]
        assert not inbox.has_deferred(tx)


def test_a_damaged_binding_counts_as_no_binding(rt: Runtime, clock: Clock) -> None:
    """Its phone is not kept out for ever: it can be bound anew."""
    damage(rt, bindings.c.nkp, 1)
    clock.moves(minutes=3)
    assert say(rt, P1, "SALDO").verdict.outcome == "not_registered"
    anew = f"DAFTAR SALDO#3171011708900000#17-08-1990#{P1_NKP}"
    assert say(rt, P1, anew).verdict.outcome == "confirm"
    assert say(rt, P1, "YA").verdict.outcome == "answered"


def test_an_undecryptable_unknown_send_is_left_to_an_operator(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 2)
    with rt.writing() as tx:
        leases.claim(tx, "simulator", SENDER_ID, 5)
    clock.moves(minutes=1)
    sweep(rt)
    damage(rt, replies.c.text, 1)
    clock.moves(minutes=10)
    jobs.settle(rt)
    sweep(rt)
    with rt.reading() as tx:
        assert [each.is_left for each in reconciliation.all_open(tx)] == [True]
        assert not reconciliation.is_due(tx)


def damage(rt: Runtime, column: Column[bytes], row: int) -> None:
    """Damages a value as bit rot does, or a thief."""
    with rt.writing() as tx:
        held = tx.connection.execute(select(column).where(column.table.c.id == row)).scalar_one()
        broken = bytes([*held[:-1], held[-1] ^ 1])
        changed = update(column.table).where(column.table.c.id == row)
        tx.connection.execute(changed.values({column.name: broken}))
