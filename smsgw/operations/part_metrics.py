"""Builds the metric family of the states that /readyz tells, and of the carriers."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError

from smsgw.operations import carrier_health, readiness
from smsgw.runtime import Runtime


class Parts:
    """Looks at the parts for Prometheus's registry, as they are now."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self.has_database = False  # when they were last looked at

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        self.has_database = readiness.has_database(self._rt)
        states = {"database": self.has_database, **readiness.parts_beside_database(self._rt)}
        family = GaugeMetricFamily(
            "smsgw_part_up",
            "Whether a part works, as this web process sees it. Left out while it is not known.",
            labels=["part", "carrier"],
        )
        for part, is_up in states.items():
            if is_up is not None:
                family.add_metric([part, ""], is_up)
        for carrier, is_up in self._carriers().items():
            family.add_metric(["carrier", carrier], is_up)
        yield family

    def _carriers(self) -> dict[str, bool]:
        if not self.has_database:
            return {}
        try:
            with self._rt.reading() as tx:
                return carrier_health.states(tx)
        except SQLAlchemyError:
            return {}
