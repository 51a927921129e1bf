"""Work for the queue, which is only a hint: the rows in the database are what there is to do.

A job drains a lane, it does not carry a reply; losing Redis costs seconds, never a message. This is
the one file that enqueues. Jobs may run twice. A long task is done a part at a time, and goes to
the end of the queue between: what people wait for is never behind it.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from threading import Event, Timer
from typing import ParamSpec

import rq.job
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import SQLAlchemyError

from handlers.ports import LedgerDown
from smsgw import logs, responder
from smsgw.backoffice import background_tasks, backtest, text_search
from smsgw.backoffice.background_tasks import Step, Task
from smsgw.carriers.carrier import Found, SendError
from smsgw.messaging import dispatch, inbox, outbox, reconciliation
from smsgw.messaging.inbox import Owed
from smsgw.messaging.reconciliation import Unknown
from smsgw.responder import Answer
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import Settled
from smsgw.storage.tables.operators import TaskKind, TaskState
from smsgw.storage.transaction import Outrun

log = logs.get(__name__)

QUEUE = "smsgw"
TURN = 1.0  # seconds that a lane has a worker for itself while others wait
TASK_TURN = 0.2  # seconds that an operator's task has
HINT_LIVES = 10  # seconds: after that a lost hint may be given again
HINT_GONE = 0.01  # seconds after its end by which a hint has surely lapsed
QUEUE_AGAIN = 5.0  # seconds until a worker tries again
JOB_LIMIT = 180  # seconds; jobs end by themselves long before
KEEP_FAILURES = 86_400  # seconds
OWED_AT_ONCE, UNKNOWN_AT_ONCE = 1000, 100
FAILED_IN_A_ROW = 3
SENT_AGAIN = {Settled.ABSENT, Settled.RESENT}

WORKER_BEATS, CLOCK_BEATS = "beat:worker", "beat:clock"
TRIED = "tried"  # whether it could be written
BEAT_LIVES = 30  # seconds

# How a task is done: from where it was left, a step after the other, each far shorter than
# tasks.LOST_AFTER.
Work = Callable[[Runtime, Task], Iterator[Step]]
WORK: Mapping[TaskKind, Work] = {
    TaskKind.REHEARSAL: backtest.run,
    TaskKind.SEARCH: text_search.run,
}

Arguments = ParamSpec("Arguments")
RUNTIME: ContextVar[Runtime] = ContextVar("runtime")
STOPPING = Event()  # this process was told to stop: what is in hand is finished, no more is claimed


class JobFailed(Exception):
    """The log has it. What rq keeps of a failure lies in Redis, which holds nothing personal."""


def _job(work: Callable[Arguments, None]) -> Callable[Arguments, None]:
    @wraps(work)
    def done(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            work(*args, **kwargs)
        except BaseTimeoutException:
            raise
        except Exception as error:
            log.error("a job failed", job=work.__name__, exc_info=error)
            raise JobFailed from None

    return done


def hint(rt: Runtime, carrier: str, lane: str) -> bool:
    """Says that replies wait in a lane. False where nobody can be told: the sweep finds them."""
    return _enqueue(rt, f"hint:{carrier}:{lane}", drain_lane, carrier, lane)


def hint_all(rt: Runtime, answer: Answer) -> bool:
    """A hint for every lane that an answer waits in."""
    return all(hint(rt, carrier, lane) for carrier, lane in answer.lanes)


@_job
def drain_lane(carrier: str, lane: str) -> None:
    """The job. The hint goes first: what is stored after this line gets a hint of its own."""
    rt = RUNTIME.get()
    _forget(rt, f"hint:{carrier}:{lane}")
    come_back = dispatch.drain(rt, carrier, lane, is_over=Turn(rt))
    if come_back:
        _hint_later(rt, carrier, lane, come_back)
    elif come_back is not None:
        hint(rt, carrier, lane)


@_job
def answer_waiting() -> None:
    """The job that gives the answers the ledger owed."""
    rt = RUNTIME.get()
    _forget(rt, "hint:owed")
    answer_owed(rt, Turn(rt))


@dataclass
class Failed:
    """What the ledger could not answer in one round: everything, or look-ups by keyword."""

    in_a_row: int = 0
    by_keyword: Counter[str | None] = field(default_factory=Counter)

    def is_closed_to(self, owed: Owed) -> bool:
        return self.by_keyword[owed.keyword] >= FAILED_IN_A_ROW


def answer_owed(rt: Runtime, is_over: Callable[[], bool] = lambda: False) -> list[Answer]:
    """Until the ledger cannot answer three in a row, or `is_over`; the sweep finds the rest. Where
    a look-up failed for three of a keyword, the others of it wait, and no other keyword."""
    answers: list[Answer] = []
    failed = Failed()
    with rt.writing() as tx:
        for message_id in inbox.fail_unreadable(tx, OWED_AT_ONCE):
            log.error("an owed message cannot be opened", message=message_id)
    with rt.reading() as tx:
        waiting = inbox.owed(tx, OWED_AT_ONCE)
    for owed in waiting:
        if is_over() or failed.in_a_row == FAILED_IN_A_ROW:
            break
        answer = None if failed.is_closed_to(owed) else _try_one(rt, owed, failed)
        if answer is not None:
            answers.append(answer)
            hint_all(rt, answer)
    return answers


@_job
def settle_unknown() -> None:
    """The job that finds out what became of sends nobody knows the end of."""
    rt = RUNTIME.get()
    _forget(rt, "hint:unknown")
    settle(rt, Turn(rt))


def settle(rt: Runtime, is_over: Callable[[], bool] = lambda: False) -> None:
    """Those that are due, until `is_over`; a carrier that does not answer is asked no more. By a
    clock that is ahead all would seem to have waited long enough to be sent again."""
    if not rt.clock_check.is_right():
        return
    with rt.reading() as tx:
        waiting = reconciliation.due(tx, UNKNOWN_AT_ONCE)
    may_resend = rt.settings.unknown == "resend_once"
    mute: set[str] = set()
    for unknown in waiting:
        if is_over():
            return
        is_asked = unknown.is_readable and unknown.carrier not in mute
        books = _books(rt, unknown, mute) if is_asked else None
        with rt.writing() as tx:
            how = reconciliation.settle(tx, unknown, books, may_resend=may_resend)
        log.info("settled" if how else "in doubt", reply=unknown.reply_id, how=how)
        if how in SENT_AGAIN:
            hint(rt, unknown.carrier, unknown.sms.lane)


def hint_task(rt: Runtime, task_id: int) -> bool:
    """Says that a task waits. False where nobody can be told."""
    return _enqueue(rt, f"hint:task:{task_id}", do_task, task_id)


@_job
def do_task(task_id: int) -> None:
    """The job that does a part of a task, and sees to the next part."""
    rt = RUNTIME.get()
    _forget(rt, f"hint:task:{task_id}")
    with rt.writing() as tx:
        task = background_tasks.claim(tx, task_id)
    if task is None:
        return
    if do_part(rt, task, WORK[task.kind], Turn(rt, TASK_TURN)):
        hint_task(rt, task_id)


def do_part(rt: Runtime, task: Task, work: Work, is_over: Callable[[], bool]) -> bool:
    """At least a step, until `is_over`. Returns whether the task goes on at once; while the ledger
    is away the clock takes it up again. A bug ends it."""
    state = TaskState.DONE
    try:
        for step in work(rt, task):
            with rt.writing() as tx:
                task = background_tasks.progress(tx, task, step)
            if task.is_to_stop or is_over():
                state = TaskState.STOPPED if task.is_to_stop else TaskState.WAITING
                break
    except Outrun:
        return False
    except BaseTimeoutException:
        raise
    except LedgerDown:
        _leave(rt, task, TaskState.WAITING)
        return False
    except Exception:
        _leave(rt, task, TaskState.FAILED)
        raise
    return _leave(rt, task, state) and state is TaskState.WAITING


@_job
def beat() -> None:
    """The job that shows that jobs are done."""
    rt = RUNTIME.get()
    _forget(rt, "hint:beat")
    _beat(rt, WORKER_BEATS)


def sweep(rt: Runtime) -> None:
    """Finds what hints were lost for, what is due again, and what came to its end meanwhile."""
    may_expire = rt.clock_check.is_right()
    with rt.writing() as tx:
        for reply_id in outbox.drop_stale(tx, may_expire=may_expire):
            log.error("a reply could not leave while it was of use", reply=reply_id)
        if may_expire:
            for reply_id in outbox.expire_leases(tx):
                log.error("nobody knows whether this reply went out", reply=reply_id)
            background_tasks.expire(tx, rt.settings.retention)
    with rt.reading() as tx:
        lanes = outbox.lanes_waiting(tx, may_expire=may_expire)
        is_owing = inbox.is_owing(tx)
        is_in_doubt = reconciliation.is_due(tx)
        left = background_tasks.due(tx)
    _beat(rt, CLOCK_BEATS)
    for carrier, lane in lanes:
        hint(rt, carrier, lane)
    if is_owing:
        _enqueue(rt, "hint:owed", answer_waiting)
    if is_in_doubt:
        _enqueue(rt, "hint:unknown", settle_unknown)
    for task_id in left:
        hint_task(rt, task_id)
    _enqueue(rt, "hint:beat", beat)


def work(rt: Runtime) -> None:
    """Runs jobs until the process is told to stop; what is in hand is finished. A Redis that is
    full or away is waited for. Raises NoQueue."""
    if rt.redis_url is None:
        raise NoQueue("there is no REDIS_URL, and no `smsgw run` keeps a server in SMSGW_HOME")
    RUNTIME.set(rt)
    connection = Redis.from_url(rt.redis_url)
    while not STOPPING.is_set():
        worker = Worker(
            [_queue(connection)],
            connection=connection,
            serializer=JSONSerializer,
            log_job_description=False,
        )
        try:
            worker.work(logging_level="WARNING")
        except RedisError as error:
            log.error("the queue cannot be used", error=type(error).__name__)
            STOPPING.wait(QUEUE_AGAIN)
        else:
            return


class UnknownJob(Exception):
    """A job in the queue that is none of ours."""


class Job(rq.job.Job):
    """Runs what JOBS names and nothing else: who can write to the queue could otherwise name any
    function of any library, which rq would import and call. Callbacks are functions too."""

    @property
    def func(self) -> Callable[..., None]:
        """Raises UnknownJob."""
        work = JOBS.get(str(self.func_name)) if self.instance is None else None
        if work is None:
            raise UnknownJob
        return work

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None


JOBS = {
    f"{work.__module__}.{work.__qualname__}": work
    for work in (drain_lane, answer_waiting, settle_unknown, do_task, beat)
}


class Worker(SimpleWorker):
    """Runs jobs in its own process, and lets the one in hand know when to come to an end."""

    job_class = Job

    def handle_warm_shutdown_request(self) -> None:
        STOPPING.set()


class Turn:
    """Says when a job should come to an end: it gives way to others that wait."""

    def __init__(self, rt: Runtime, looks_every: float = TURN) -> None:
        self._queue = _queue(rt.redis) if rt.redis is not None else None
        self._until = time.monotonic() + dispatch.HOLDS
        self._looks_every = looks_every
        self._look_at = time.monotonic() + looks_every

    def __call__(self) -> bool:
        if STOPPING.is_set() or time.monotonic() >= self._until:
            return True
        if time.monotonic() < self._look_at:
            return False
        self._look_at += self._looks_every
        return self._queue is not None and self._queue.count > 0


class NoQueue(Exception):
    """No Redis-compatible server is configured."""


def _enqueue(rt: Runtime, key: str, job: Callable[..., None], *arguments: str | int) -> bool:
    if rt.redis is None:
        return False
    try:
        if rt.redis.set(key, "1", nx=True, ex=HINT_LIVES):
            _queue(rt.redis).enqueue(
                job, *arguments, job_timeout=JOB_LIMIT, result_ttl=0, failure_ttl=KEEP_FAILURES
            )
    except RedisError as error:
        log.warning("the queue is away", error=type(error).__name__)
        return False
    return True


def _leave(rt: Runtime, task: Task, state: TaskState) -> bool:
    """False where another is at it."""
    try:
        with rt.writing() as tx:
            background_tasks.leave(tx, task, state)
    except Outrun:
        return False
    return True


def _try_one(rt: Runtime, owed: Owed, failed: Failed) -> Answer | None:
    try:
        answer = _answer_one(rt, owed)
    except responder.StillOwed as error:
        failed.by_keyword[owed.keyword] += 1
        if error.was_asked:
            with rt.writing() as tx:
                inbox.put_off(tx, owed)
        return None
    except responder.NotStored:
        failed.in_a_row += 1
        return None
    failed.in_a_row = 0
    return answer


def _answer_one(rt: Runtime, owed: Owed) -> Answer | None:
    """A bug of ours must not stand in the way of everybody behind."""
    try:
        return responder.answer_owed(rt, owed)
    except (responder.NotStored, BaseTimeoutException):
        raise
    except Exception as error:
        log.exception("an answer failed", message=owed.message_id, error=type(error).__name__)
        with rt.writing() as tx:
            inbox.give_up(tx, owed.message_id)
        return None


def _books(rt: Runtime, unknown: Unknown, mute: set[str]) -> Sequence[Found] | None:
    """What the carrier says it took; None where it cannot tell, or not now."""
    carrier = rt.carriers.get(unknown.carrier)
    try:
        return carrier.find(unknown.sms) if carrier else None
    except BaseTimeoutException:
        raise
    except SendError as error:
        log.warning("the carrier could not be asked", reply=unknown.reply_id, code=error.code)
    except Exception as error:
        log.exception("asking failed", reply=unknown.reply_id, error=type(error).__name__)
    mute.add(unknown.carrier)
    return None


def _hint_later(rt: Runtime, carrier: str, lane: str, seconds: float) -> None:
    """Nobody needs to hint in the meantime. If this process dies, the sweep does."""
    key = f"hint:{carrier}:{lane}"
    try:
        is_first = rt.redis is not None and rt.redis.set(
            key, "1", nx=True, px=round(seconds * 1000)
        )
    except RedisError as error:
        log.warning("the queue is away", error=type(error).__name__)
        return
    if is_first:
        timer = Timer(seconds + HINT_GONE, hint, (rt, carrier, lane))
        timer.daemon = True
        timer.start()


def _beat(rt: Runtime, key: str) -> None:
    """Says that a process of its kind lives and does its work, and how far its machine's clock is
    ahead of the database's, in seconds."""
    skew = ""
    with contextlib.suppress(SQLAlchemyError):
        skew = f"{rt.clock_check.compare().total_seconds():.1f}"
    with contextlib.suppress(RedisError):
        if rt.redis is not None:
            rt.redis.set(key, skew, ex=BEAT_LIVES)


def skews(rt: Runtime) -> dict[str, float]:
    """What the beats last said, by kind of process. Raises RedisError."""
    kinds = {"worker": WORKER_BEATS, "clock": CLOCK_BEATS}
    said = rt.redis.mget(kinds.values()) if rt.redis is not None else []
    return {kind: float(skew) for kind, skew in zip(kinds, said, strict=False) if skew}


def takes_hints(redis: Redis) -> bool:
    """Raises RedisError where it takes no writes: it is full, or a replica, or we have no right."""
    return bool(redis.set(TRIED, "1", ex=BEAT_LIVES))


def _forget(rt: Runtime, key: str) -> None:
    with contextlib.suppress(RedisError):
        if rt.redis is not None:
            rt.redis.delete(key)


def _queue(connection: Redis) -> Queue:
    return Queue(QUEUE, connection=connection, serializer=JSONSerializer)
