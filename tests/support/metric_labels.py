"""Tells which figures /metrics has, and their labels."""

from dataclasses import replace

from prometheus_client import Metric

from smsgw import settings
from smsgw.ledger.replica import Replica
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.operations.metric_families import Figures
from smsgw.operations.part_metrics import Parts
from smsgw.runtime import Runtime
from smsgw.storage.engines import engine

LIMITS = {"SMSGW_DAILY_SEGMENTS": "10", "SMSGW_DAILY_SEGMENTS_BY_CODE": "62=9"}


def labels(rt: Runtime, environ: dict[str, str]) -> dict[str, set[str]]:
    """Returns the labels of each figure, as a query names it, with limits and a replica (which is
    away) set up."""
    away = Replica(engine("postgresql://postgres@/x?host=/nonexistent"))
    ledger = SqlLedger(rt.ledger.engine, replica=away)
    full = replace(rt, settings=settings.load(environ | LIMITS), ledger=ledger)
    found = {"up": {"instance", "job"}}
    for family in [*Figures(full).collect(), *Parts(full).collect()]:
        for name, extra in _names(family):
            found[name] = {*family._labelnames, *extra}
    return found


def _names(family: Metric) -> list[tuple[str, set[str]]]:
    if family.type == "counter":
        return [(f"{family.name}_total", set())]
    if family.type == "histogram":
        ends = {"bucket": {"le"}, "sum": set(), "count": set()}
        return [(f"{family.name}_{end}", extra) for end, extra in ends.items()]
    return [(family.name, set())]
