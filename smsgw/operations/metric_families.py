"""Builds the metric families, each from the sums of hours, the rows that wait, or counters."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from redis.exceptions import RedisError
from sqlalchemy import and_, func, select

from handlers import disclosure
from smsgw import logs
from smsgw.messaging import service_level, throttle
from smsgw.messaging.hourly_counts import BUCKETS as BUCKETS
from smsgw.operations import (
    channel_metrics,
    ledger_metrics,
    notification_metrics,
    partition_metrics,
    queue,
)
from smsgw.operations.hourly_sums import REMEMBERED, HourlySums
from smsgw.registry import bindings, holidays, lockout, registration_codes
from smsgw.runtime import Runtime
from smsgw.storage import deadlines, failed_checks, keys
from smsgw.storage.counters import EVERYWHERE
from smsgw.storage.tables.counts import failure_tallies, reply_tallies, send_tallies, tallies
from smsgw.storage.tables.messages import (
    NOT_ANSWERED,
    UNFINISHED,
    MessageState,
    messages,
    replies,
)
from smsgw.storage.transaction import Transaction
from smsgw.variables import ALL_OTHERS

log = logs.get(__name__)

SUMMED_EVERY = REMEMBERED / 2
COUNTING_LIMIT = 60.0  # seconds for each figure
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
            yield from _summed(tx, HourlySums(tx, self._rt.redis))
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


class PastSums:
    """Runs in the clock: sums up the past anew, so that no scrape has to."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._next: datetime | None = None

    def step(self) -> None:
        now = self._rt.now()
        if self._rt.redis is None or (self._next is not None and now < self._next):
            return
        self._next = now + SUMMED_EVERY
        with deadlines.patient(COUNTING_LIMIT), self._rt.reading() as tx:
            for _ in _summed(tx, HourlySums(tx, self._rt.redis, is_anew=True)):
                pass


def _summed(tx: Transaction, sums: HourlySums) -> Iterator[Metric]:
    yield from _messages(sums)
    yield from _accepted(sums)
    yield from _waiting(tx, sums)
    yield from _sends(sums)
    sums.remember()


def _messages(sums: HourlySums) -> Iterator[Metric]:
    received = CounterMetricFamily(
        "smsgw_messages_received", "Messages stored.", labels=["carrier"]
    )
    answered = CounterMetricFamily(
        "smsgw_messages_answered",
        "Messages whose outcome is final.",
        labels=["keyword", "outcome", "reason"],
    )
    by = (tallies.c.keyword, tallies.c.outcome, tallies.c.reason)
    of_messages = tallies.c.carrier != ""
    for carrier, number in sums.of(tallies.c.messages, tallies.c.carrier, where=of_messages):
        received.add_metric([carrier], number)
    for *labels, number in sums.of(tallies.c.answered, *by, where=tallies.c.answered > 0):
        answered.add_metric(labels, number)
    yield received
    yield answered


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


def _accepted(sums: HourlySums) -> Iterator[Metric]:
    latency = HistogramMetricFamily(
        "smsgw_reply_seconds",
        "From a message's receipt to the carrier's acceptance of its reply.",
        labels=["carrier"],
    )
    segments = CounterMetricFamily(
        "smsgw_segments", "Segments of replies that a carrier accepted.", labels=["carrier"]
    )
    carrier = reply_tallies.c.carrier
    by_bucket: dict[str, Counter[int]] = defaultdict(Counter)
    for name, bucket, count in sums.of(reply_tallies.c.replies, carrier, reply_tallies.c.bucket):
        by_bucket[name][bucket] = count
    of_carrier = sums.of(reply_tallies.c.waited, carrier)
    waited = {name: float(seconds) for name, seconds in of_carrier}
    bounds = [*map(str, BUCKETS), "+Inf"]
    for name, units in sums.of(reply_tallies.c.segments, carrier):
        reached = accumulate(by_bucket[name][number] for number in range(len(bounds)))
        buckets = list(zip(bounds, reached, strict=True))
        latency.add_metric([name], buckets, sum_value=waited[name])
        segments.add_metric([name], units)
    yield latency
    yield segments


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


def _waiting(tx: Transaction, sums: HourlySums) -> Iterator[Metric]:
    labels = ["carrier", "sender_id", "state"]
    depth = GaugeMetricFamily("smsgw_outbox", "Replies that are not done with.", labels=labels)
    age = GaugeMetricFamily("smsgw_outbox_oldest_seconds", "Age of the oldest.", labels=labels)
    lost = GaugeMetricFamily("smsgw_replies_lost", "Replies that expired.")
    undelivered = GaugeMetricFamily(
        "smsgw_undelivered", "Replies that no phone got.", labels=["carrier", "code"]
    )
    by = (replies.c.carrier, replies.c.sender_id, replies.c.state)
    waiting = select(*by, func.count(), func.min(replies.c.made_at)).where(UNFINISHED).group_by(*by)
    for carrier, sender_id, state, number, oldest in tx.connection.execute(waiting):
        depth.add_metric([carrier, sender_id, state], number)
        age.add_metric([carrier, sender_id, state], (tx.now - oldest).total_seconds())
    failed = failure_tallies.c
    failures = sums.of(failed.replies, failed.state, failed.carrier, failed.code)
    lost.add_metric([], sum(number for state, *_, number in failures if state == "expired"))
    for state, carrier, code, number in failures:
        if state == "undelivered":
            undelivered.add_metric([carrier, code], number)
    yield from (depth, age, lost, undelivered)


def _sends(sums: HourlySums) -> Iterator[Metric]:
    ends = CounterMetricFamily(
        "smsgw_sends", "How POSTs to a carrier ended.", labels=["carrier", "ending", "code"]
    )
    settled = CounterMetricFamily(
        "smsgw_unknowns_settled", "How unknown sends were settled.", labels=["how"]
    )
    open_ = GaugeMetricFamily("smsgw_unknowns", "Unknown sends that are not settled yet.")
    tally = send_tallies.c
    for *labels, number in sums.of(tally.sends, tally.carrier, tally.ending, tally.code):
        ends.add_metric(labels, number)
    for how, number in sums.of(tally.sends, tally.settled, where=tally.settled != ""):
        settled.add_metric([how], number)
    in_doubt = and_(tally.ending == "unknown", tally.settled == "")
    open_.add_metric([], sum(row[-1] for row in sums.of(tally.sends, tally.ending, where=in_doubt)))
    yield from (ends, settled, open_)


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
