"""Figures for Prometheus, counted from the rows when they are asked for.

The rows are the same for every process, so whichever of many answers tells the same, and a process
that is killed takes nothing with it. Counters count what never changes again: outcomes that are
final, how a POST ended, when a carrier first accepted. What still moves is a gauge.
"""

import contextlib
import time
from threading import Lock

from prometheus_client import CollectorRegistry, generate_latest
from redis.exceptions import RedisError

from smsgw import logs
from smsgw.operations.metric_families import Figures
from smsgw.runtime import Runtime

log = logs.get(__name__)

KEPT = "metrics"
LONG = 0.5  # seconds
TOLD_AGAIN = 10
COUNTING = Lock()  # one at a time in a process


def text(rt: Runtime) -> bytes:
    """In Prometheus's text format. Raises SQLAlchemyError where the database is away.

    What took long to count is told again for ten times as long, to whoever asks whichever process:
    counting takes a tenth of a database's time at most.
    """
    with COUNTING:
        kept = _kept(rt)
        if kept is not None:
            return kept
        started = time.monotonic()
        collectors = CollectorRegistry()
        collectors.register(Figures(rt))
        told = generate_latest(collectors)
        took = time.monotonic() - started
        if took > LONG:
            _keep(rt, told, took * TOLD_AGAIN)
        return told


def _kept(rt: Runtime) -> bytes | None:
    try:
        kept = rt.redis.get(KEPT) if rt.redis is not None else None
    except RedisError:
        return None
    return kept if isinstance(kept, bytes) else None


def _keep(rt: Runtime, told: bytes, seconds: float) -> None:
    with contextlib.suppress(RedisError):
        if rt.redis is not None:
            rt.redis.set(KEPT, told, px=round(seconds * 1000))
