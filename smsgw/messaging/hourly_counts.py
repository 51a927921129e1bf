"""Sums by the hour, so that figures need not count millions of rows, and outlast them.

Messages count in the hour of their receipt, and so do their replies and the attempts to send them,
however late. The clock counts the hour that runs every few seconds, the one before every few
minutes, and an older one again where something of it changed (an answer that had been owed, a late
report). An hour that was counted has a row without a carrier, which says whether it has to be
counted again. Its rows may be dropped once it has not (`are_settled`).
"""

import time
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    case,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from smsgw import logs
from smsgw.messaging import service_level
from smsgw.runtime import Runtime
from smsgw.storage.tables.counts import (
    answer_tallies,
    failure_tallies,
    reply_tallies,
    send_tallies,
    tallies,
)
from smsgw.storage.tables.messages import MessageState, ReplyState, attempts, messages, replies
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

HOUR = timedelta(hours=1)
EVERY, SHARE = timedelta(seconds=10), 20  # counting takes a twentieth of the time at most
HOUR_BEFORE_EVERY = timedelta(minutes=2)  # what still comes to it is little
AT_ONCE = 48  # hours in one step, where many were missed
BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)  # seconds; and one beyond
COUNTED, CHANGED = 0, -1  # what the row without a carrier says
_mark = and_(tallies.c.carrier == "", tallies.c.outcome == "")


class Tallies:
    """Runs in the clock, and remembers when to count again."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._next: datetime | None = None
        self._next_of_before = rt.now()

    def step(self) -> int:
        """Returns how many hours were counted."""
        now, started = self._rt.now(), time.monotonic()
        if self._next is not None and now < self._next:
            return 0
        if not self._rt.clock_check.is_right():  # hours to come would be counted, and never again
            return 0
        with self._rt.reading() as tx:
            goes_back = now >= self._next_of_before
            hours, is_more = _to_count(tx, self._rt.rows_since, goes_back=goes_back)
        counted = sum(self._count(hour) for hour in hours)
        took = timedelta(seconds=time.monotonic() - started)
        self._next = now if is_more else now + max(EVERY, SHARE * took)
        if goes_back:
            self._next_of_before = now + HOUR_BEFORE_EVERY
        return counted

    def _count(self, hour: datetime) -> bool:
        try:
            with self._rt.writing() as tx:
                return count(tx, hour)
        except IntegrityError:
            log.info("another clock has just counted this hour", hour=hour.isoformat())
            return False


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def count(tx: Transaction, hour: datetime) -> bool:
    """Counts anew from the rows. Returns False where another clock does, or a row is changing."""
    if not _hold_mark(tx, hour):
        return False
    by = (
        messages.c.carrier,
        func.coalesce(messages.c.keyword, "").label("keyword"),
        messages.c.outcome,
        func.coalesce(messages.c.reason, "").label("reason"),
    )
    answered = func.sum(case((messages.c.state == MessageState.ANSWERED, 1), else_=0))
    sums = (func.count().label("messages"), answered.label("answered"))
    found = select(*by, *sums).where(_within(hour)).group_by(*by)
    rows = [dict(row) for row in tx.connection.execute(found).mappings()]
    _replace(tx, tallies, hour, rows, ~_mark)
    _replace(tx, reply_tallies, hour, _replies(tx, hour))
    _replace(tx, failure_tallies, hour, _failures(tx, hour))
    _replace(tx, send_tallies, hour, _sends(tx, hour))
    _replace(tx, answer_tallies, hour, service_level.count(tx, _within(hour)))
    return True


def _hold_mark(tx: Transaction, hour: datetime) -> bool:
    """Holds the row that says whether the hour has to be counted again: what is changed from now on
    waits for that, and says so. Returns False while another clock, or a change, holds it."""
    run, its = tx.connection.execute, _of(tallies, hour) & _mark
    mark = select(tallies.c.messages).where(its)
    if run(mark.with_for_update(skip_locked=True)).first() is not None:
        run(update(tallies).where(its, tallies.c.messages != COUNTED).values(messages=COUNTED))
        return True
    if run(mark).first() is not None:
        return False
    names = {"carrier": "", "keyword": "", "outcome": "", "reason": ""}
    run(insert(tallies).values(hour=hour, messages=COUNTED, answered=0, **names))
    return True


def changed(tx: Transaction, *received: datetime | None) -> None:
    """Marks the hours of messages to be counted again: one has another outcome than when it came,
    or something became of its reply. None is a message that is not there any more."""
    hours = {hour_of(at) for at in received if at is not None and at < _settled(tx)}
    if hours:
        marks = _mark & tallies.c.hour.in_(hours)
        # No hour is counted while a change of it is under way; other changes need not wait.
        held = select(tallies.c.hour).where(marks).with_for_update(read=True, key_share=True)
        tx.connection.execute(held).all()
        # Most were marked by another message; a row that is not changed is not locked for others.
        of_these = marks & (tallies.c.messages == COUNTED)
        tx.connection.execute(update(tallies).where(of_these).values(messages=CHANGED))


def replies_changed(tx: Transaction, reply_ids: Collection[int]) -> None:
    """Marks the hours of the messages that these replies answer."""
    received = (
        select(messages.c.received_at)
        .join_from(replies, messages, messages.c.id == replies.c.message_id)
        .where(replies.c.id.in_(reply_ids), messages.c.received_at < _settled(tx))
        .distinct()
    )
    changed(tx, *(tx.connection.execute(received).scalars() if reply_ids else ()))


def _settled(tx: Transaction) -> datetime:
    """Returns since when messages are of hours that are counted again anyway."""
    return hour_of(tx.now) - HOUR


def are_settled(tx: Transaction, since: datetime, until: datetime) -> bool:
    """Tells whether each hour from the first message since then was counted, and none of them has
    to be counted again."""
    run, at = tx.connection.execute, messages.c.received_at
    first = run(select(func.min(at)).where(at >= since, at < until)).scalar()
    if first is None:
        return True
    within = (tallies.c.hour >= hour_of(first), tallies.c.hour < until)
    counted = select(func.count()).where(_mark, tallies.c.messages == COUNTED, *within)
    return bool(run(counted).scalar_one() == (until - hour_of(first)) / HOUR)


def _to_count(
    tx: Transaction, kept_since: datetime, *, goes_back: bool
) -> tuple[list[datetime], bool]:
    """Returns the hours to count, oldest first, and whether there are more than one step takes. The
    hour before the one that runs is among them with `goes_back`, and once it is over. No hour is
    counted again whose rows may be gone."""
    run = tx.connection.execute
    # A clock that was set back left hours to come behind; they are counted when they run.
    last = run(select(func.max(tallies.c.hour)).where(tallies.c.hour <= tx.now)).scalar()
    first = run(select(func.min(messages.c.received_at))).scalar() if last is None else last
    if first is None:
        return [], False
    is_over = last is not None and hour_of(last) < hour_of(tx.now)
    reaches_back = is_over or (goes_back and last is not None)
    begins = hour_of(first) - (HOUR if reaches_back else timedelta())
    missed = int((hour_of(tx.now) - begins) / HOUR) + 1
    hours = [begins + HOUR * number for number in range(min(missed, AT_ONCE))]
    again = select(tallies.c.hour).where(_mark, tallies.c.messages == CHANGED)
    again = again.where(tallies.c.hour >= kept_since).limit(AT_ONCE)
    return sorted({*run(again).scalars(), *hours}), missed > AT_ONCE


def _replies(tx: Transaction, hour: datetime) -> list[dict[str, Any]]:
    """Counts the replies to messages of that hour, whenever they were made."""
    bucket = case(
        *((replies.c.waited <= most, number) for number, most in enumerate(BUCKETS)),
        else_=len(BUCKETS),
    ).label("bucket")
    sums = (
        func.count().label("replies"),
        func.sum(replies.c.segments).label("segments"),
        func.sum(replies.c.waited).label("waited"),
    )
    found = (
        select(replies.c.carrier, bucket, *sums)
        .join_from(messages, replies, replies.c.message_id == messages.c.id)
        .where(_within(hour), replies.c.waited.is_not(None))
        .group_by(replies.c.carrier, bucket)
    )
    return [dict(row) for row in tx.connection.execute(found).mappings()]


def _failures(tx: Transaction, hour: datetime) -> list[dict[str, Any]]:
    """Counts the replies to messages of that hour that no phone got."""
    by = (replies.c.carrier, replies.c.state, func.coalesce(replies.c.code, "").label("code"))
    found = (
        select(*by, func.count().label("replies"))
        .join_from(messages, replies, replies.c.message_id == messages.c.id)
        .where(_within(hour), replies.c.state.in_([ReplyState.EXPIRED, ReplyState.UNDELIVERED]))
        .group_by(*by)
    )
    return [dict(row) for row in tx.connection.execute(found).mappings()]


def _sends(tx: Transaction, hour: datetime) -> list[dict[str, Any]]:
    """Counts the attempts to send replies to messages of that hour."""
    by = (
        replies.c.carrier,
        attempts.c.ending,
        func.coalesce(attempts.c.code, "").label("code"),
        func.coalesce(attempts.c.settled, "").label("settled"),
    )
    found = (
        select(*by, func.count().label("sends"))
        .join_from(messages, replies, replies.c.message_id == messages.c.id)
        .join(attempts, attempts.c.reply_id == replies.c.id)
        .where(_within(hour), attempts.c.ending.is_not(None))
        .group_by(*by)
    )
    return [dict(row) for row in tx.connection.execute(found).mappings()]


def _replace(
    tx: Transaction,
    table: Table,
    hour: datetime,
    rows: Iterable[dict[str, Any]],
    *where: ColumnElement[bool],
) -> None:
    tx.connection.execute(delete(table).where(_of(table, hour), *where))
    put = [{**row, "hour": hour} for row in rows]
    if put:
        tx.connection.execute(insert(table), put)


def _of(table: Table, hour: datetime) -> ColumnElement[bool]:
    return table.c.hour == hour


def _within(hour: datetime) -> ColumnElement[bool]:
    return and_(messages.c.received_at >= hour, messages.c.received_at < hour + HOUR)
