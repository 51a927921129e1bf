"""Counts the figures for Prometheus from the rows when they are asked for.

The rows are the same for every process, so whichever of many answers tells the same, and a process
that is killed takes nothing with it. Counters count what never changes again: outcomes that are
final, how a POST ended, when a carrier first accepted. What still moves is a gauge.
"""

import contextlib
import time
from threading import Lock

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from smsgw import logs
from smsgw.operations.metric_families import Figures
from smsgw.operations.part_metrics import Parts
from smsgw.operations.summed_metrics import COUNTING_LIMIT
from smsgw.runtime import Runtime
from smsgw.storage import deadlines
from smsgw.storage.crypto import Unreadable

log = logs.get(__name__)

CACHE_KEY = "metrics"
LONG = 0.5  # seconds
CACHE_FACTOR = 10
COUNTING = Lock()  # one at a time in a process
LAST_TRY = 1.0  # seconds for all of them where the database does not work


def text(rt: Runtime) -> bytes:
    """Returns the states of the parts, and the figures, in Prometheus's text format. While the
    database does not work, what can be counted within a second. Raises SQLAlchemyError or
    Unreadable where it works and figures cannot be counted."""
    parts = Parts(rt)
    states = _written(parts)
    if parts.has_database:
        with deadlines.patient(COUNTING_LIMIT):
            return states + _counted(rt)
    with contextlib.suppress(SQLAlchemyError, Unreadable), deadlines.within(LAST_TRY):
        return states + _counted(rt)
    return states


def _written(collector: Collector) -> bytes:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)


def _counted(rt: Runtime) -> bytes:
    """Counts the figures. What took long is told again for ten times as long, to whoever asks
    whichever process: counting takes a tenth of a database's time at most."""
    with COUNTING:
        cached = _cached(rt)
        if cached is not None:
            return cached
        started = time.monotonic()
        figures = _written(Figures(rt))
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
