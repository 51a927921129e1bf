"""Builds the metric family of the partitions."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from smsgw import logs
from smsgw.runtime import Runtime
from smsgw.storage import partitions

log = logs.get(__name__)


def unplaced(rt: Runtime) -> Iterator[Metric]:
    """Counts months. Who holds the tables for long is in the log of the clock."""
    try:
        months = _unplaced(rt)
    except partitions.Busy:
        log.warning("the partitions cannot be read, since others use the tables")
        return
    yield GaugeMetricFamily(
        "smsgw_months_without_partition",
        "Months up to the next one that have no partition, or whose rows are in the default one.",
        len(months),
    )


def _unplaced(rt: Runtime) -> set[int]:
    """Raises Busy."""
    if not partitions.has_partitions(rt.service):
        return set()
    with rt.service.connect() as connection:
        missing = partitions.missing(connection, rt.now(), ahead=1)
        return {*missing, *partitions.strays(connection)}
