"""Builds the metric families of notifications, each by kind."""

from collections.abc import Iterator
from datetime import timedelta

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from handlers.changes import NotificationKind
from smsgw.notifications import events, runs, subscribers
from smsgw.storage.tables.notifications import NotificationState, RunState
from smsgw.storage.transaction import Transaction

A_DAY = timedelta(days=1)


def by_kind(tx: Transaction) -> Iterator[Metric]:
    """Reports gauges: a notification moves on, and is deleted in time."""
    subscribed = GaugeMetricFamily(
        "smsgw_notification_subscribers", "Phones that asked for a kind.", labels=["kind"]
    )
    told = GaugeMetricFamily(
        "smsgw_notifications",
        "Notifications that were planned within a day, by where they are.",
        labels=["kind", "state"],
    )
    waiting = GaugeMetricFamily(
        "smsgw_notification_runs_waiting",
        "Runs that wait for a second person's approval.",
        labels=["kind"],
    )
    numbers, counted = subscribers.count(tx), events.counts_by_kind(tx, tx.now - A_DAY)
    waits = [each.kind for each in runs.under_way(tx) if each.state is RunState.WAITING]
    for kind in NotificationKind:
        subscribed.add_metric([kind], numbers.get(kind, 0))
        waiting.add_metric([kind], waits.count(kind))
        for state in NotificationState:
            told.add_metric([kind, state], counted.get(kind, {}).get(state, 0))
    yield from (subscribed, told, waiting)
