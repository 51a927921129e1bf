"""Builds the metric families, each from the sums of hours, the rows that wait, or counters."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from redis.exceptions import RedisError
from sqlalchemy import func, select

from handlers import disclosure
from smsgw import logs
from smsgw.messaging import service_level, throttle
from smsgw.operations import (
    channel_metrics,
    ledger_metrics,
    notification_metrics,
    partition_metrics,
    queue,
    summed_metrics,
)
from smsgw.operations.hourly_sums import HourlySums
from smsgw.registry import bindings, holidays, lockout, registration_codes
from smsgw.runtime import Runtime
from smsgw.storage import failed_checks, keys
from smsgw.storage.counters import EVERYWHERE
from smsgw.storage.tables.messages import (
    NOT_ANSWERED,
    MessageState,
    messages,
    replies,
)
from smsgw.storage.transaction import Transaction
from smsgw.variables import ALL_OTHERS

log = logs.get(__name__)

AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
UNCLEAR = disclosure.number_unclear().wording


class Figures:
    """Collects all metric families of an installation for Prometheus's registry."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        with self._rt.reading() as tx:
            yield from summed_metrics.summed(tx, HourlySums(tx, self._rt.redis))
            yield from _deferred(tx)
            yield from _service_level(tx)
            yield _wrong_codes(tx)
            yield _failed_checks(self._rt, tx)
            yield from _decoys(tx)
            yield _holidays(self._rt, tx)
            yield from _numbers_on_file(self._rt, tx)
            yield from notification_metrics.by_kind(tx)
        yield _skews(self._rt)
        yield _throttled(self._rt)
        yield channel_metrics.by_other_channels(self._rt)
        yield from partition_metrics.unplaced(self._rt)
        yield ledger_metrics.failures(self._rt)
        yield from ledger_metrics.replica_lag(self._rt)
        yield from _budget(self._rt)
        yield from _budgets_by_code(self._rt)


def _deferred(tx: Transaction) -> Iterator[Metric]:
    number, oldest = tx.connection.execute(
        select(func.count(), func.min(messages.c.received_at)).where(
            NOT_ANSWERED, messages.c.state == MessageState.RECEIVED
        )
    ).one()
    failed = tx.connection.execute(
        select(func.count()).where(NOT_ANSWERED, messages.c.state == MessageState.FAILED)
    ).scalar_one()
    age = (tx.now - oldest).total_seconds() if oldest else 0
    yield GaugeMetricFamily("smsgw_answers_owed", "Messages that wait for the ledger.", number)
    yield GaugeMetricFamily("smsgw_answers_owed_oldest_seconds", "How long the first waits.", age)
    yield GaugeMetricFamily("smsgw_answers_failed", "Owed answers that a bug of ours took.", failed)


def _wrong_codes(tx: Transaction) -> Metric:
    count = registration_codes.wrong_in_a_day(tx)
    return GaugeMetricFamily("smsgw_wrong_codes", "Wrong codes of all phones in a day.", count)


def _failed_checks(rt: Runtime, tx: Transaction) -> Metric:
    failed = GaugeMetricFamily(
        "smsgw_failed_checks",
        "Rows that could not be opened, or were not written by us, in a day.",
        labels=["table"],
    )
    by_table = dict(failed_checks.by_table(tx.connection, tx.now - A_DAY))
    damaged = keys.damaged(tx.connection, keys.key_wrapper(rt.settings))
    if damaged:
        by_table["data_keys"] = len(damaged)
    for table, count in by_table.items():
        failed.add_metric([table], count)
    return failed


def _decoys(tx: Transaction) -> Iterator[Metric]:
    numbers, phones = lockout.count_decoys(tx)
    of_one = "Decoys that one phone named in a day, at most."
    yield GaugeMetricFamily("smsgw_decoys_by_one_phone", of_one, numbers)
    yield GaugeMetricFamily("smsgw_decoy_phones", "Phones that named decoys in a day.", phones)


def _holidays(rt: Runtime, tx: Transaction) -> Metric:
    count = holidays.count(tx, rt.today.year + 1, rt.settings.holidays)
    return GaugeMetricFamily("smsgw_holidays_next_year", "Holidays known of next year.", count)


def _service_level(tx: Transaction) -> Iterator[Metric]:
    """Reports gauges, not counters: an hour is counted again where its answers changed."""
    answers = GaugeMetricFamily(
        "smsgw_service_level_answers",
        "Answers that people asked for, once their message is ten seconds old.",
        labels=["carrier"],
    )
    within = GaugeMetricFamily(
        "smsgw_service_level_answers_within",
        "Those that the carrier accepted within so many seconds of the receipt of their message.",
        labels=["carrier", "seconds"],
    )
    for carrier, level in service_level.totals(tx).items():
        answers.add_metric([carrier], level.answers)
        for goal, count in zip(service_level.GOALS, level.within, strict=True):
            within.add_metric([carrier, str(goal.seconds)], count)
    yield from (answers, within)


def _skews(rt: Runtime) -> Metric:
    """Reports the clock skew of this process, and of the others as their heartbeats tell it."""
    skews = {"web": rt.clock_check.compare().total_seconds()}
    with contextlib.suppress(RedisError):
        skews |= queue.skews(rt)
    skew = GaugeMetricFamily(
        "smsgw_clock_skew_seconds",
        "How far a process's clock is ahead of the database's; beyond a minute nothing expires.",
        labels=["process"],
    )
    for process, seconds in skews.items():
        skew.add_metric([process], seconds)
    return skew


def _throttled(rt: Runtime) -> Metric:
    hits = CounterMetricFamily(
        "smsgw_sender_id_throttled",
        "How often the throttle of a sender ID said no.",
        labels=["carrier", "sender_id"],
    )
    try:
        for (carrier, sender_id), number in throttle.hits(rt).items():
            hits.add_metric([carrier, sender_id], number)
    except RedisError as error:
        log.warning("rate limiter unavailable", error=type(error).__name__)
    return hits


def _numbers_on_file(rt: Runtime, tx: Transaction) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "smsgw_numbers_changed",
        "Phones unbound within an hour since the number on file is another one.",
        bindings.count_lapses(tx),
    )
    yield GaugeMetricFamily(
        "smsgw_numbers_changed_limit",
        "At so many none is unbound any more.",
        rt.settings.lapses_an_hour,
    )
    since = replies.c.made_at > tx.now - AN_HOUR
    unclear = select(func.count()).where(
        replies.c.text.is_not(None), replies.c.wording == UNCLEAR, since
    )
    yield GaugeMetricFamily(
        "smsgw_numbers_unclear",
        "Replies within an hour that tell nothing, since the number on file was not clear.",
        tx.connection.execute(unclear).scalar_one(),
    )


def _budget(rt: Runtime) -> Iterator[Metric]:
    """Returns what the day may cost and has cost, where that is limited."""
    most = rt.settings.daily_segments
    if most is None:
        return
    spent = rt.counters.spent(rt.today)
    yield GaugeMetricFamily("smsgw_budget_segments", "Segments that a day may cost.", most)
    yield GaugeMetricFamily("smsgw_budget_spent_segments", "Segments it has cost.", spent)


def _budgets_by_code(rt: Runtime) -> Iterator[Metric]:
    """Returns the same of each calling code that is limited: of those named in the setting, and of
    others once they have cost something."""
    by_code = rt.settings.daily_segments_by_code
    if not by_code:
        return
    limit = GaugeMetricFamily(
        "smsgw_code_budget_segments",
        "Segments that a calling code may cost a day.",
        labels=["code"],
    )
    spent = GaugeMetricFamily(
        "smsgw_code_budget_spent_segments", "Segments it has cost.", labels=["code"]
    )
    spending = rt.counters.spending(rt.today)
    for code in sorted((by_code.keys() | spending.keys()) - {ALL_OTHERS, EVERYWHERE}):
        most = rt.settings.daily_segments_of(code)
        if most is not None:
            limit.add_metric([code], most)
            spent.add_metric([code], spending.get(code, 0))
    yield from (limit, spent)
