"""Builds the metric families that are summed up of hours, and sums up the past for them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from sqlalchemy import and_, func, select

from smsgw.messaging.hourly_counts import BUCKETS
from smsgw.operations.hourly_sums import REMEMBERED, HourlySums
from smsgw.runtime import Runtime
from smsgw.storage import deadlines
from smsgw.storage.tables.counts import failure_tallies, reply_tallies, send_tallies, tallies
from smsgw.storage.tables.messages import UNFINISHED, replies
from smsgw.storage.transaction import Transaction

SUMMED_EVERY = REMEMBERED / 2
COUNTING_LIMIT = 60.0  # seconds for each figure


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
            for _ in summed(tx, HourlySums(tx, self._rt.redis, is_anew=True)):
                pass


def summed(tx: Transaction, sums: HourlySums) -> Iterator[Metric]:
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
