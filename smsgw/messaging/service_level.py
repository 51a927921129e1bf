"""Measures the service level: how many answers the carrier accepted within 5 and within 10 seconds
of the receipt of their message.

An answer is what the sender of a message asked for, also if it had to wait for the ledger. The
notice that it has to wait is not one. It counts once its message is ten seconds old. If the carrier
accepted it later than that, or never, it counts as late. Messages that get no reply do not count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, or_, select

from handlers import disclosure
from smsgw.storage.tables.counts import answer_tallies
from smsgw.storage.tables.messages import MessageState, Priority, messages, replies
from smsgw.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Goal:
    """Says what percentage of answers has to be accepted within so many seconds."""

    seconds: int
    percent: int


GOALS = (Goal(seconds=5, percent=95), Goal(seconds=10, percent=99))
COUNTS_AFTER = timedelta(seconds=10)
DAYS = 7  # today included
LATELY, NEWEST = timedelta(minutes=10), 200  # the messages that show whether people are answered

_NOTICE = disclosure.unavailable().wording
_WITHIN = (answer_tallies.c.within_5s, answer_tallies.c.within_10s)  # in the order of GOALS
_answer = and_(
    replies.c.message_id == messages.c.id,
    replies.c.phone_id == messages.c.phone_id,  # not a notice to another phone
    replies.c.priority.in_([Priority.ASKED, Priority.LATE]),
    replies.c.wording.is_distinct_from(_NOTICE),
)
_has_no_answer_yet = messages.c.state.in_([MessageState.RECEIVED, MessageState.FAILED])


@dataclass(frozen=True, slots=True)
class Result:
    """Holds the percentage that was reached, rounded down to a tenth: 94.99 misses a goal of 95."""

    goal: Goal
    percent: float

    @property
    def is_met(self) -> bool:
        return self.percent >= self.goal.percent


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Counts answers, and how many of them reached each of GOALS."""

    answers: int = 0
    within: Sequence[int] = (0,) * len(GOALS)

    def __add__(self, other: "ServiceLevel") -> "ServiceLevel":
        within = tuple(map(sum, zip(self.within, other.within, strict=True)))
        return ServiceLevel(self.answers + other.answers, within)

    @property
    def results(self) -> list[Result]:
        """Returns a result for each goal; none if there were no answers."""
        if not self.answers:
            return []
        counts = zip(GOALS, self.within, strict=True)
        return [Result(goal, 1000 * count // self.answers / 10) for goal, count in counts]


@dataclass(frozen=True, slots=True)
class Week:
    """Holds the service level of the last seven days by (day, carrier)."""

    today: date
    days: Mapping[tuple[date, str], ServiceLevel]

    @property
    def carriers(self) -> list[str]:
        return sorted({carrier for _, carrier in self.days})

    def of_today(self, carrier: str | None = None) -> ServiceLevel:
        """Returns the level of one carrier, or of all together."""
        return self._sum(carrier, {self.today})

    def of_all_days(self, carrier: str | None = None) -> ServiceLevel:
        """Returns the level of one carrier, or of all together."""
        return self._sum(carrier, {day for day, _ in self.days})

    def _sum(self, carrier: str | None, days: set[date]) -> ServiceLevel:
        levels = (
            level for (day, of), level in self.days.items() if day in days and carrier in {None, of}
        )
        return sum(levels, ServiceLevel())


def count(tx: Transaction, which: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Counts the answers to messages from the rows, by carrier, as rows of `answer_tallies`."""
    within = [
        func.sum(case((replies.c.waited <= goal.seconds, 1), else_=0)).label(column.name)
        for goal, column in zip(GOALS, _WITHIN, strict=True)
    ]
    found = tx.connection.execute(
        select(messages.c.carrier, func.count().label("answers"), *within)
        .select_from(messages.outerjoin(replies, _answer))
        .where(which, _counts(tx))
        .group_by(messages.c.carrier)
    )
    return [dict(row) for row in found.mappings()]


def totals(tx: Transaction) -> dict[str, ServiceLevel]:
    """Sums up all counted hours by carrier."""
    sums = [func.sum(column) for column in (answer_tallies.c.answers, *_WITHIN)]
    by_carrier = select(answer_tallies.c.carrier, *sums).group_by(answer_tallies.c.carrier)
    return {row[0]: _level(row[1:]) for row in tx.connection.execute(by_carrier)}


def week(tx: Transaction, zone: tzinfo) -> Week:
    """Sums up the counted hours of the last seven days. The zone is whole hours from UTC, or an
    hour goes to the day before."""
    local = tx.now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    hour = answer_tallies.c.hour
    hours = select(hour, answer_tallies.c.carrier, answer_tallies.c.answers, *_WITHIN).where(
        hour >= midnight - timedelta(days=DAYS - 1), hour <= tx.now
    )
    days: dict[tuple[date, str], ServiceLevel] = {}
    for row in tx.connection.execute(hours.order_by(hour, answer_tallies.c.carrier)):
        key = (row.hour.astimezone(zone).date(), row.carrier)
        days[key] = days.get(key, ServiceLevel()) + _level(row[2:])
    return Week(local.date(), days)


def are_most_answered(tx: Transaction) -> bool:
    """Tells whether the carrier accepted at least half of the newest answers, from a few rows; True
    if nobody has asked lately."""
    newest = (
        select(replies.c.waited)
        .select_from(messages.outerjoin(replies, _answer))
        .where(messages.c.received_at > tx.now - LATELY, _counts(tx))
        .order_by(messages.c.received_at.desc())
        .limit(NEWEST)
        .subquery()
    )
    numbers = select(func.count(), func.count(newest.c.waited)).select_from(newest)
    answers, accepted = tx.connection.execute(numbers).one()
    return bool(2 * accepted >= answers)


def _counts(tx: Transaction) -> ColumnElement[bool]:
    is_due = messages.c.received_at <= tx.now - COUNTS_AFTER
    return is_due & or_(replies.c.id.is_not(None), _has_no_answer_yet)


def _level(counts: Row[Any] | Sequence[Any]) -> ServiceLevel:
    answers, *within = map(int, counts)
    return ServiceLevel(answers, tuple(within))
