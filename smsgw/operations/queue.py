"""Enqueues jobs, and is the one file that does. The queue is only a hint: the rows in the database
are what there is to do. Losing Redis costs seconds, never a message."""

import contextlib
import time
from collections.abc import Callable
from threading import Event

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from smsgw import logs
from smsgw.messaging import dispatch
from smsgw.runtime import Runtime

log = logs.get(__name__)

QUEUE = "smsgw"
TIME_SLICE = 1.0  # seconds that a sender ID has a worker for itself while others wait

HINT_LIVES = 10  # seconds: after that a lost hint may be given again
HINT_GONE = 0.01  # seconds after its end by which a hint has surely lapsed

JOB_LIMIT = 180  # seconds; jobs end by themselves long before
KEEP_FAILURES = 86_400  # seconds

WORKER_BEATS, CLOCK_BEATS = "beat:worker", "beat:clock"
TRIED = "tried"  # whether it could be written
BEAT_LIVES = 30  # seconds

SHUTDOWN = Event()  # this process was told to stop: what is in hand is finished, no more is claimed


class TimeSlice:
    """Says when a job should come to an end: it gives way to others that wait."""

    def __init__(self, rt: Runtime, looks_every: float = TIME_SLICE) -> None:
        self._queue = connect(rt.redis) if rt.redis is not None else None
        self._until = time.monotonic() + dispatch.HOLDS
        self._looks_every = looks_every
        self._look_at = time.monotonic() + looks_every

    def __call__(self) -> bool:
        if SHUTDOWN.is_set() or time.monotonic() >= self._until:
            return True
        if time.monotonic() < self._look_at:
            return False
        self._look_at += self._looks_every
        return self._queue is not None and self._queue.count > 0


def linger(rt: Runtime) -> float:
    """Returns the seconds that a drain with nothing to do waits for more: none while another job
    waits for its worker."""
    with contextlib.suppress(RedisError):
        if rt.redis is not None and connect(rt.redis).count:
            return 0.0
    return dispatch.LINGER


def enqueue(rt: Runtime, key: str, job: Callable[..., None], *arguments: str | int) -> bool:
    """Puts a job into the queue unless the hint `key` says that it is there. Returns False where
    the queue is unavailable."""
    return enqueue_if(
        rt, lambda redis: bool(redis.set(key, "1", nx=True, ex=HINT_LIVES)), job, *arguments
    )


def enqueue_if(
    rt: Runtime,
    is_needed: Callable[[Redis], bool],
    job: Callable[..., None],
    *arguments: str | int,
) -> bool:
    """Puts a job into the queue if `is_needed`. Returns False where the queue is unavailable."""
    if rt.redis is None:
        return False
    try:
        if is_needed(rt.redis):
            connect(rt.redis).enqueue(
                job, *arguments, job_timeout=JOB_LIMIT, result_ttl=0, failure_ttl=KEEP_FAILURES
            )
    except RedisError as error:
        log.warning("queue unavailable", error=type(error).__name__)
        return False
    return True


def heartbeat(rt: Runtime, key: str) -> None:
    """Says that a process of its kind lives and does its work, and how far its machine's clock is
    ahead of the database's, in seconds."""
    skew = ""
    with contextlib.suppress(SQLAlchemyError):
        skew = f"{rt.clock_check.compare().total_seconds():.1f}"
    with contextlib.suppress(RedisError):
        if rt.redis is not None:
            rt.redis.set(key, skew, ex=BEAT_LIVES)


def skews(rt: Runtime) -> dict[str, float]:
    """Returns what the beats last said, by kind of process. Raises RedisError."""
    kinds = {"worker": WORKER_BEATS, "clock": CLOCK_BEATS}
    values = rt.redis.mget(kinds.values()) if rt.redis is not None else []
    return {kind: float(skew) for kind, skew in zip(kinds, values, strict=False) if skew}


def takes_hints(redis: Redis) -> bool:
    """Raises RedisError where it takes no writes: it is full, or a replica, or we have no right."""
    return bool(redis.set(TRIED, "1", ex=BEAT_LIVES))


def forget(rt: Runtime, key: str) -> None:
    with contextlib.suppress(RedisError):
        if rt.redis is not None:
            rt.redis.delete(key)


def connect(connection: Redis) -> Queue:
    return Queue(QUEUE, connection=connection, serializer=JSONSerializer)
