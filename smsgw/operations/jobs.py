"""Defines the jobs that a worker runs, and the hints that ask for them.

A job drains a sender ID; it does not carry a reply. Jobs may run twice. A long task is done a part
at a time, and goes to the end of the queue between parts, so that what people wait for is never
behind it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial, wraps
from threading import Timer
from typing import ParamSpec

from redis.exceptions import RedisError
from rq.timeouts import BaseTimeoutException

from handlers.ports import LedgerDown
from smsgw import logs
from smsgw.backoffice import background_tasks, backtest, text_search
from smsgw.backoffice.background_tasks import Task, TaskStep
from smsgw.carriers.carrier import CarrierRecord, SendError
from smsgw.messaging import dispatch, reconciliation
from smsgw.messaging.answer import Answer
from smsgw.messaging.dispatch import Signals
from smsgw.messaging.reconciliation import Unknown
from smsgw.operations import drain_signals, long_messages
from smsgw.operations.deferred_answers import answer_deferred
from smsgw.operations.drain_signals import SignalListener
from smsgw.operations.queue import (
    HINT_GONE,
    WORKER_BEATS,
    TimeSlice,
    enqueue,
    enqueue_if,
    forget,
    heartbeat,
    linger,
)
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import Settled
from smsgw.storage.tables.operators import TaskKind, TaskState
from smsgw.storage.transaction import Conflict

log = logs.get(__name__)

TASK_TIME_SLICE = 0.2  # seconds that an operator's task has
UNKNOWN_AT_ONCE = 100
SENT_AGAIN = {Settled.ABSENT, Settled.RESENT}


# How a task is done: from where it was left, a step after the other, each far shorter than
# background_tasks.LOST_AFTER.
Work = Callable[[Runtime, Task], Iterator[TaskStep]]
WORK: Mapping[TaskKind, Work] = {
    TaskKind.REHEARSAL: backtest.run,
    TaskKind.SEARCH: text_search.run,
}

Arguments = ParamSpec("Arguments")
RUNTIME: ContextVar[Runtime] = ContextVar("runtime")


class JobFailed(Exception):
    """Says that a job failed, and nothing else: the log has the error. What rq keeps of a failure
    is in Redis, which holds nothing personal."""


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


def hint(rt: Runtime, carrier: str, sender_id: str) -> bool:
    """Says that replies wait for a sender ID. Returns False where nobody can be told: the sweep
    finds them."""
    key = _key(carrier, sender_id)
    is_needed = partial(drain_signals.send, carrier=carrier, sender_id=sender_id, hint=key)
    return rt.hints.call(
        key, lambda: enqueue_if(rt, is_needed, drain_sender_id, carrier, sender_id)
    )


def _call_worker(rt: Runtime, carrier: str, sender_id: str) -> bool:
    return enqueue(rt, _key(carrier, sender_id), drain_sender_id, carrier, sender_id)


def _key(carrier: str, sender_id: str) -> str:
    return f"hint:{carrier}:{sender_id}"


def hint_all(rt: Runtime, answer: Answer) -> bool:
    """Gives a hint for every sender ID that an answer waits for."""
    return all(hint(rt, carrier, sender_id) for carrier, sender_id in answer.sender_ids)


@_job
def drain_sender_id(carrier: str, sender_id: str) -> None:
    """Sends what waits for a sender ID. The job deletes its hint first: what is stored after that
    gets a signal, or a hint of its own."""
    rt = RUNTIME.get()
    forget(rt, _key(carrier, sender_id))
    with SignalListener(rt, carrier, sender_id, lambda: hint(rt, carrier, sender_id)) as listener:
        call_worker = partial(_call_worker, rt, carrier, sender_id)
        signals = Signals(listener.events, call_worker, partial(linger, rt), listener.rest)
        come_back = dispatch.drain(rt, carrier, sender_id, is_over=TimeSlice(rt), signals=signals)
    if come_back:
        _hint_later(rt, carrier, sender_id, come_back)
    elif come_back is not None:
        hint(rt, carrier, sender_id)


@_job
def answer_waiting() -> None:
    """Gives the answers that waited for the ledger."""
    rt = RUNTIME.get()
    forget(rt, "hint:deferred")
    give_deferred_answers(rt, TimeSlice(rt))


def give_deferred_answers(rt: Runtime, is_over: Callable[[], bool] = lambda: False) -> list[Answer]:
    """Gives deferred answers until `is_over`, and hints for the sender IDs that each waits for."""
    answers = []
    for answer in answer_deferred(rt, is_over):
        answers.append(answer)
        hint_all(rt, answer)
    return answers


@_job
def answer_parts() -> None:
    """The job that answers long messages whose parts wait."""
    rt = RUNTIME.get()
    forget(rt, "hint:parts")
    answer_waiting_parts(rt, TimeSlice(rt))


def answer_waiting_parts(rt: Runtime, is_over: Callable[[], bool] = lambda: False) -> list[Answer]:
    """Answers long messages until `is_over`, and hints for the sender IDs that each waits for."""
    answers = []
    for answer in long_messages.answer_waiting(rt, is_over):
        answers.append(answer)
        hint_all(rt, answer)
    return answers


@_job
def settle_unknown() -> None:
    """Finds out what became of the sends whose outcome is unknown."""
    rt = RUNTIME.get()
    forget(rt, "hint:unknown")
    settle(rt, TimeSlice(rt))


def settle(rt: Runtime, is_over: Callable[[], bool] = lambda: False) -> None:
    """Settles the sends that are due, until `is_over`; a carrier that does not answer is not asked
    again. A clock that is ahead would make all of them seem old enough to resend."""
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
        books = _look_up_at_carrier(rt, unknown, mute) if is_asked else None
        with rt.writing() as tx:
            how = reconciliation.settle(tx, unknown, books, may_resend=may_resend)
        log.info("settled" if how else "in doubt", reply=unknown.reply_id, how=how)
        if how in SENT_AGAIN:
            hint(rt, unknown.carrier, unknown.sms.sender_id)


def hint_task(rt: Runtime, task_id: int) -> bool:
    """Says that a task waits. Returns False where nobody can be told."""
    return enqueue(rt, f"hint:task:{task_id}", do_task, task_id)


@_job
def do_task(task_id: int) -> None:
    """Does a part of a task, and sees to the next part."""
    rt = RUNTIME.get()
    forget(rt, f"hint:task:{task_id}")
    with rt.writing() as tx:
        task = background_tasks.claim(tx, task_id)
    if task is None:
        return
    if do_part(rt, task, WORK[task.kind], TimeSlice(rt, TASK_TIME_SLICE)):
        hint_task(rt, task_id)


def do_part(rt: Runtime, task: Task, work: Work, is_over: Callable[[], bool]) -> bool:
    """Does at least one step, until `is_over`. Returns whether the task goes on at once; while the
    ledger is away, the clock continues it. A bug ends the task."""
    state = TaskState.DONE
    try:
        for step in work(rt, task):
            with rt.writing() as tx:
                task = background_tasks.progress(tx, task, step)
            if task.is_to_stop or is_over():
                state = TaskState.STOPPED if task.is_to_stop else TaskState.WAITING
                break
    except Conflict:
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
    """Shows that jobs are done."""
    rt = RUNTIME.get()
    forget(rt, "hint:beat")
    heartbeat(rt, WORKER_BEATS)


def _leave(rt: Runtime, task: Task, state: TaskState) -> bool:
    """Returns False if another process works on the task."""
    try:
        with rt.writing() as tx:
            background_tasks.leave(tx, task, state)
    except Conflict:
        return False
    return True


def _look_up_at_carrier(
    rt: Runtime, unknown: Unknown, mute: set[str]
) -> Sequence[CarrierRecord] | None:
    """Returns what the carrier says it took; None where it cannot tell, or not now."""
    carrier = rt.carriers.get(unknown.carrier)
    try:
        return carrier.find(unknown.sms) if carrier else None
    except BaseTimeoutException:
        raise
    except SendError as error:
        log.warning("the carrier could not be queried", reply=unknown.reply_id, code=error.code)
    except Exception as error:
        log.exception("asking failed", reply=unknown.reply_id, error=type(error).__name__)
    mute.add(unknown.carrier)
    return None


def _hint_later(rt: Runtime, carrier: str, sender_id: str, seconds: float) -> None:
    """Gives a hint after `seconds`; nobody needs to give one in the meantime. If this process dies,
    the sweep gives it."""
    key = _key(carrier, sender_id)
    try:
        is_first = rt.redis is not None and rt.redis.set(
            key, "1", nx=True, px=round(seconds * 1000)
        )
    except RedisError as error:
        log.warning("queue unavailable", error=type(error).__name__)
        return
    if is_first:
        timer = Timer(seconds + HINT_GONE, hint, (rt, carrier, sender_id))
        timer.daemon = True
        timer.start()
