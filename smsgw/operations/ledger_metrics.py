"""Builds the metric families of the ledger."""

from collections.abc import Iterator
from itertools import product

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from smsgw import logs
from smsgw.ledger.faults import CONNECTING, REPLICA, FaultKind
from smsgw.ledger.statements import LOOK_UPS
from smsgw.runtime import Runtime

log = logs.get(__name__)


def failures(rt: Runtime) -> Metric:
    """Reports every look-up, so that the first failure is an increase."""
    family = CounterMetricFamily(
        "smsgw_ledger_failures", "Look-ups the ledger did not answer.", labels=["look_up", "kind"]
    )
    counts = dict.fromkeys(product([*LOOK_UPS, CONNECTING, REPLICA], map(str, FaultKind)), 0)
    try:
        counts |= rt.ledger.failures.counts()
    except RedisError as error:
        log.warning("ledger failures cannot be read", error=type(error).__name__)
    for which, number in counts.items():
        family.add_metric(which, number)
    return family


def replica_lag(rt: Runtime) -> Iterator[Metric]:
    """Returns how far the replica is behind, where there is one; while it does not answer, since
    when it was last known to be up to date."""
    replica = rt.ledger.replica
    if replica is None:
        return
    try:
        replica.measure()
    except SQLAlchemyError as error:
        log.warning("the replica's lag cannot be read", error=type(error).__name__)
    yield GaugeMetricFamily(
        "smsgw_ledger_replica_lag_seconds",
        "How far the ledger's replica is behind, at most; infinite where that is not known.",
        replica.lag,
    )
