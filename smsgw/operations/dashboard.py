"""Collects what the overview shows: sums of hours and days, what runs now, what waits for
people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select

from smsgw.messaging import service_level
from smsgw.messaging.hourly_counts import BUCKETS, HOUR, hour_of
from smsgw.messaging.service_level import Week
from smsgw.notifications import runs
from smsgw.operations.carrier_health import Health, _health
from smsgw.registry import lockout
from smsgw.registry.cases import unanswered
from smsgw.runtime import Runtime
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.counts import reply_tallies, tallies
from smsgw.storage.tables.messages import (
    NOT_ANSWERED,
    UNFINISHED,
    MessageState,
    ReplyState,
    messages,
    replies,
)
from smsgw.storage.tables.phones import registrations
from smsgw.storage.transaction import Transaction

NOW = timedelta(minutes=5)  # over which "now" is counted
DAY, MONTH = 24, 30  # hours, days


ANSWERED, MISREAD, UNKNOWN, SILENT = "answered", "misread", "unknown", "silent"
KINDS = (ANSWERED, MISREAD, UNKNOWN, SILENT)
KIND_OF = {"invalid": MISREAD, "secret": MISREAD, "unknown": UNKNOWN, "silent": SILENT}
IS_UNDERSTOOD = (tallies.c.keyword != "").label("is_understood")


@dataclass(frozen=True, slots=True)
class Span:
    """Counts the messages of an hour or a day by kind."""

    at: datetime
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class SentCount:
    """Counts the replies of some time that a carrier accepted."""

    replies: int
    segments: int
    p50: float | None  # seconds, at most
    p95: float | None


@dataclass(frozen=True, slots=True)
class MisreadCount:
    keyword: str
    misread: int
    total: int


@dataclass(frozen=True, slots=True)
class Waiting:
    carrier: str
    sender_id: str
    state: str
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    at: datetime
    per_minute: float
    hours: Sequence[Span]
    days: Sequence[Span]
    today: Span
    sent_today: SentCount
    sent_month: SentCount
    service_level: Week
    worst: Sequence[MisreadCount]
    health: Sequence[Health]
    outbox: Sequence[Waiting]
    deferred: int
    registrations: int
    cases: Mapping[str, int]
    unanswered: int  # complaints
    locked: int  # phones
    notification_runs: int  # that wait for a second person
    spent: int | None
    budget: int | None

    @property
    def in_doubt(self) -> int:
        """Counts the replies of which nobody knows whether they went out."""
        return sum(each.count for each in self.outbox if each.state == ReplyState.UNKNOWN)


def overview(rt: Runtime) -> Overview:
    zone = rt.settings.zone
    with rt.reading() as tx:
        local = tx.now.astimezone(zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        hours = _hours(tx, hour_of(tx.now) - HOUR * (DAY - 1))
        days = _days(tx, midnight - timedelta(days=MONTH - 1), zone)
        shown = Overview(
            at=tx.now,
            per_minute=_now(tx),
            hours=hours,
            days=days,
            today=days[-1],
            sent_today=_sent(tx, midnight),
            sent_month=_sent(tx, midnight - timedelta(days=MONTH - 1)),
            service_level=service_level.week(tx, zone),
            worst=_worst(tx, tx.now - timedelta(days=7)),
            health=list(_health(tx)),
            outbox=_outbox(tx),
            deferred=_deferred(tx),
            registrations=_waiting(tx),
            cases=_open_cases(tx),
            unanswered=unanswered(tx),
            locked=lockout.locked_count(tx),
            notification_runs=runs.waiting_count(tx),
            spent=None,
            budget=rt.settings.daily_segments,
        )
    if shown.budget is None:
        return shown
    return replace(shown, spent=rt.counters.spent(local.date()))


def _now(tx: Transaction) -> float:
    since = select(func.count()).where(messages.c.received_at > tx.now - NOW)
    count: int = tx.connection.execute(since).scalar_one()
    return count / (NOW.total_seconds() / 60)


def _hours(tx: Transaction, since: datetime) -> list[Span]:
    counted: dict[datetime, Counter[str]] = {since + HOUR * n: Counter() for n in range(DAY)}
    for row in _by_outcome(tx, since):
        if row.hour in counted:  # not to come, as after a clock was set back
            counted[row.hour][_kind(row)] += row.messages
    return [Span(at, dict(counts)) for at, counts in counted.items()]


def _days(tx: Transaction, since: datetime, zone: Any) -> list[Span]:
    """Groups by the scheme's days. Its zone is whole hours from UTC, or an hour goes to the day
    before."""
    counted = {(since + timedelta(days=n)).date(): Counter[str]() for n in range(MONTH)}
    for row in _by_outcome(tx, since):
        day = row.hour.astimezone(zone).date()
        if day in counted:
            counted[day][_kind(row)] += row.messages
    begins = {day: datetime(day.year, day.month, day.day, tzinfo=zone) for day in counted}
    return [Span(begins[day], dict(counts)) for day, counts in counted.items()]


def _kind(row: Row[Any]) -> str:
    """Returns the kind of an outcome. YA with nothing open has the outcome unknown, but was
    understood and answered."""
    kind = KIND_OF.get(row.outcome, ANSWERED)
    return ANSWERED if kind == UNKNOWN and row.is_understood else kind


def _by_outcome(tx: Transaction, since: datetime) -> Sequence[Row[*tuple[Any, ...]]]:
    summed = func.sum(tallies.c.messages).label("messages")
    return tx.connection.execute(
        select(tallies.c.hour, tallies.c.outcome, IS_UNDERSTOOD, summed)
        .where(tallies.c.hour >= since, tallies.c.carrier != "")
        .group_by(tallies.c.hour, tallies.c.outcome, IS_UNDERSTOOD)
    ).all()


def _sent(tx: Transaction, since: datetime) -> SentCount:
    sums = [func.sum(column) for column in (reply_tallies.c.replies, reply_tallies.c.segments)]
    found = tx.connection.execute(
        select(reply_tallies.c.bucket, *sums)
        .where(reply_tallies.c.hour >= since)
        .group_by(reply_tallies.c.bucket)
        .order_by(reply_tallies.c.bucket)
    ).all()
    by_bucket = [(row[0], int(row[1])) for row in found]
    total = sum(count for _, count in by_bucket)
    segments = sum(int(row[2]) for row in found)
    return SentCount(total, segments, _quantile(by_bucket, 0.5), _quantile(by_bucket, 0.95))


def _quantile(by_bucket: Sequence[tuple[int, int]], share: float) -> float | None:
    """Returns the upper bound of the bucket that the quantile lies in; the highest bound there is,
    where it lies beyond."""
    wanted, counted = sum(count for _, count in by_bucket) * share, 0
    for bucket, count in by_bucket:
        counted += count
        if counted >= wanted:
            return float(BUCKETS[min(bucket, len(BUCKETS) - 1)])
    return None


def _worst(tx: Transaction, since: datetime) -> list[MisreadCount]:
    """Returns the keywords whose formats people miss most."""
    summed = func.sum(tallies.c.messages)
    found = tx.connection.execute(
        select(tallies.c.keyword, tallies.c.outcome, summed)
        .where(tallies.c.hour >= since, tallies.c.keyword != "")
        .group_by(tallies.c.keyword, tallies.c.outcome)
    )
    totals, misread = Counter[str](), Counter[str]()
    for keyword, outcome, count in found:
        totals[keyword] += int(count)
        misread[keyword] += int(count) if outcome == "invalid" else 0
    worst = [MisreadCount(name, count, totals[name]) for name, count in misread.most_common(5)]
    return [each for each in worst if each.misread]


def _outbox(tx: Transaction) -> list[Waiting]:
    by = (replies.c.carrier, replies.c.sender_id, replies.c.state)
    found = select(*by, func.count(), func.min(replies.c.made_at)).where(UNFINISHED).group_by(*by)
    return [Waiting(*row) for row in tx.connection.execute(found.order_by(*by))]


def _deferred(tx: Transaction) -> int:
    owed = messages.c.state == MessageState.RECEIVED
    deferred = select(func.count()).where(NOT_ANSWERED, owed)
    return int(tx.connection.execute(deferred).scalar_one())


def _waiting(tx: Transaction) -> int:
    waits = select(func.count()).where(registrations.c.state == "waiting")
    return int(tx.connection.execute(waits).scalar_one())


def _open_cases(tx: Transaction) -> dict[str, int]:
    found = select(cases.c.kind, func.count()).where(cases.c.closed_at.is_(None))
    rows = tx.connection.execute(found.group_by(cases.c.kind)).all()
    return {row[0]: row[1] for row in rows}
