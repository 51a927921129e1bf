"""Counts the figures for Prometheus from the rows when they are asked for.

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

CACHE_KEY = "metrics"
LONG = 0.5  # seconds
CACHE_FACTOR = 10
COUNTING = Lock()  # one at a time in a process


def text(rt: Runtime) -> bytes:
    """Returns the figures in Prometheus's text format. Raises SQLAlchemyError where the database is
    away.

    What took long to count is told again for ten times as long, to whoever asks whichever process:
    counting takes a tenth of a database's time at most.
    """
    with COUNTING:
        cached = _cached(rt)
        if cached is not None:
            return cached
        started = time.monotonic()
        collectors = CollectorRegistry()
        collectors.register(Figures(rt))
        figures = generate_latest(collectors)
        took = time.monotonic() - started
        if took > LONG:
            _cache(rt, figures, took * CACHE_FACTOR)
        return figures


def _cached(rt: Runtime) -> bytes | None:
    try:
        cached = rt.redis.get(CACHE_KEY) if rt.redis is not None else None
    except RedisError:
        return None
    return cached if isinstance(cached, bytes) else None


def _cache(rt: Runtime, figures: bytes, seconds: float) -> None:
    with contextlib.suppress(RedisError):
        if rt.redis is not None:
            rt.redis.set(CACHE_KEY, figures, px=round(seconds * 1000))
