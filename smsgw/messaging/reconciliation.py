"""Settles the sends of which nobody knows whether they went out.

    unknown ─ report ────────────────▶ sent | delivered | undelivered
            ─ the carrier is asked ──▶ the same; or queued again, where it has no such SMS
            ─ it cannot tell, and DECIDE_AFTER is over ─▶ queued again, once (resend_once)
                                                       ─▶ left to an operator (ask_operator)
                                                       ─▶ closed, if it is a notification

No carrier here takes a key by which it would know a repeat, so equal texts to one phone can only be
counted: an SMS in the carrier's books that no attempt of ours accounts for is the one in question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, exists, func, select, true, update

from smsgw.carriers.carrier import CarrierRecord, OutgoingSms, Report
from smsgw.messaging import hourly_counts
from smsgw.messaging.delivery_reports import apply_report
from smsgw.messaging.outbox import LEASE
from smsgw.storage.tables.messages import (
    OPEN,
    UNFINISHED,
    AttemptEnd,
    Priority,
    ReplyState,
    Settled,
    attempts,
    replies,
)
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

ASK_AGAIN = timedelta(seconds=20)
DECIDE_AFTER = timedelta(minutes=5)  # the wait that SMSGW_UNKNOWN speaks of
CLOCKS_DIFFER = timedelta(minutes=1)  # ours and the carrier's, at most
BOOKS_GO_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Holds a reply in doubt, and its last attempt."""

    reply_id: int
    phone_id: int
    carrier: str
    attempts: int
    began: datetime
    ended: datetime
    expires: datetime
    is_left: bool  # to an operator: nothing settles it by itself
    is_notification: bool
    sms: OutgoingSms

    @property
    def is_readable(self) -> bool:
        return bool(self.sms.recipient and self.sms.text)


def due(tx: Transaction, limit: int) -> list[Unknown]:
    """Returns those that something can be done about now, longest due first."""
    return _read(tx, limit, _is_due(tx))


def is_due(tx: Transaction) -> bool:
    """Tells whether there are such."""
    of_these = exists().where(*_OPEN, attempts.c.reply_id == replies.c.id, _is_due(tx))
    return bool(tx.connection.execute(select(of_these)).scalar_one())


def all_open(tx: Transaction) -> list[Unknown]:
    return _read(tx, None, true())


def some_open(tx: Transaction, after: int | None, limit: int) -> list[Unknown]:
    """Returns those behind the id `after`, the oldest first."""
    return _read(tx, limit, replies.c.id > (after or 0), replies.c.id)


def one_open(tx: Transaction, reply_id: int) -> Unknown | None:
    return next(iter(_read(tx, 1, replies.c.id == reply_id)), None)


def settle(
    tx: Transaction, unknown: Unknown, books: Sequence[CarrierRecord] | None, *, may_resend: bool
) -> Settled | None:
    """Settles by the carrier's records, or by policy if they say nothing (`books` is None). Returns
    None if it stays open; it is then due again, or waits for an operator."""
    if not unknown.is_readable:
        _look_again(tx, unknown, None)
        return None
    left = None
    if books is not None and not _is_disputed(tx, unknown):
        left = [each for each in books if _may_be_it(tx, unknown, each)]
    if left == []:
        return _send_again(tx, unknown, Settled.ABSENT)
    found = next((each for each in left or () if each.is_same_text), None)
    has_time = tx.now < unknown.ended + DECIDE_AFTER
    if found is not None and not (has_time and _is_contended(tx, unknown, found)):
        ref, delivery = found.carrier_ref, found.delivery
        report = Report(unknown.carrier, unknown.sms.attempt_id, delivery, ref, found.code)
        apply_report(tx, report, how=Settled.FOUND)
        return Settled.FOUND
    if has_time:
        _look_again(tx, unknown, tx.now + ASK_AGAIN)
        return None
    if unknown.is_notification:  # rather none than two
        return _close(tx, unknown)
    if may_resend and not _was_resent(tx, unknown) and tx.now < unknown.expires:
        return _send_again(tx, unknown, Settled.RESENT)
    _look_again(tx, unknown, None)
    return None


def decide(tx: Transaction, reply_id: int, *, resend_for: timedelta | None) -> bool:
    """Carries out an operator's decision: send again, valid for so long, or (None) close without
    resending. Returns False if the send is not unresolved any more."""
    unknown = one_open(tx, reply_id)
    if unknown is None:
        return False
    if resend_for is not None:
        _change(tx, unknown, expires_at=tx.now + resend_for)
        return _send_again(tx, unknown, Settled.RESENT) is not None
    return _close(tx, unknown) is not None


_OPEN = (UNFINISHED, replies.c.state == ReplyState.UNKNOWN, attempts.c.settled.is_(None))


def _is_due(tx: Transaction) -> ColumnElement[bool]:
    return replies.c.due_at <= tx.now


def _read(
    tx: Transaction,
    limit: int | None,
    which: ColumnElement[bool],
    order: ColumnElement[Any] = replies.c.due_at,
) -> list[Unknown]:
    each = attempts.alias()
    last = select(func.max(each.c.id)).where(each.c.reply_id == replies.c.id).scalar_subquery()
    rows = tx.connection.execute(
        select(replies, attempts.c.id.label("attempt_id"), attempts.c.started_at)
        .add_columns(attempts.c.ended_at, phones.c.number, phones.c.hash)
        .select_from(replies)
        .join(attempts, attempts.c.id == last)
        .join(phones, phones.c.id == replies.c.phone_id)
        .where(*_OPEN, which)
        .order_by(order, replies.c.id)
        .limit(limit)
    )
    return [_unknown(tx, row) for row in rows]


def _unknown(tx: Transaction, row: Row[Any]) -> Unknown:
    recipient = tx.opened(row.number, Ciphertext.PHONE, row.phone_id, row.hash)
    named_by = (row.hash, row.message_id, row.binding_id)
    return Unknown(
        reply_id=row.id,
        phone_id=row.phone_id,
        carrier=row.carrier,
        attempts=row.attempts,
        began=row.started_at,
        ended=row.ended_at or tx.now,
        expires=row.expires_at,
        is_left=row.due_at is None,
        is_notification=row.priority == Priority.NOTIFICATION,
        sms=OutgoingSms(
            attempt_id=row.attempt_id,
            recipient=recipient or "",
            sender_id=row.sender_id,
            text=tx.opened(row.text, Ciphertext.REPLY, row.id, *named_by) or "",
        ),
    )


def _is_disputed(tx: Transaction, unknown: Unknown) -> bool:
    """Tells whether another SMS to the phone is on its way: the carrier's record may be of that
    one."""
    on_its_way = (
        select(attempts.c.id)
        .join(replies, replies.c.id == attempts.c.reply_id)
        .where(replies.c.phone_id == unknown.phone_id, OPEN)
        .where(attempts.c.started_at > tx.now - LEASE)
    )
    return bool(tx.connection.execute(select(exists(on_its_way))).scalar_one())


def _is_contended(tx: Transaction, unknown: Unknown, found: CarrierRecord) -> bool:
    """Tells whether another SMS to the phone is unresolved too: the carrier's record may be of that
    one, and a report may still decide."""
    since = unknown.began - BOOKS_GO_BACK
    others = (
        select(attempts.c.id)
        .join(replies, replies.c.id == attempts.c.reply_id)
        .where(replies.c.phone_id == unknown.phone_id, replies.c.id != unknown.reply_id)
        .where(attempts.c.ending == AttemptEnd.UNKNOWN, attempts.c.settled.is_(None))
        .where(attempts.c.started_at.between(since, found.taken_at + CLOCKS_DIFFER))
    )
    return bool(tx.connection.execute(select(exists(others))).scalar_one())


def _may_be_it(tx: Transaction, unknown: Unknown, found: CarrierRecord) -> bool:
    """Tells whether an SMS in the books can be the one in question, and is no other that we know.
    Its text may differ: carriers replace characters, and take texts out of their books."""
    if found.taken_at < unknown.began - CLOCKS_DIFFER:
        return False
    known = (
        select(attempts.c.id)
        .join(replies, replies.c.id == attempts.c.reply_id)
        .where(
            replies.c.phone_id == unknown.phone_id,
            attempts.c.carrier_ref == found.carrier_ref,
            attempts.c.started_at > unknown.began - BOOKS_GO_BACK,
        )
    )
    return not tx.connection.execute(select(exists(known))).scalar_one()


def _was_resent(tx: Transaction, unknown: Unknown) -> bool:
    before = select(attempts.c.id).where(
        attempts.c.reply_id == unknown.reply_id, attempts.c.settled == Settled.RESENT
    )
    return bool(tx.connection.execute(select(exists(before))).scalar_one())


def _close(tx: Transaction, unknown: Unknown) -> Settled | None:
    if not _change(tx, unknown, state=ReplyState.REFUSED, code="closed"):
        return None
    _note(tx, unknown, Settled.CLOSED)
    return Settled.CLOSED


def _send_again(tx: Transaction, unknown: Unknown, how: Settled) -> Settled | None:
    if not _change(tx, unknown, state=ReplyState.QUEUED, due_at=tx.now):
        return None
    _note(tx, unknown, how)
    return how


def _look_again(tx: Transaction, unknown: Unknown, at: datetime | None) -> None:
    _change(tx, unknown, due_at=at)


def _change(tx: Transaction, unknown: Unknown, **values: object) -> bool:
    """Changes nothing if a report, another process or a later attempt was first."""
    changed = tx.connection.execute(
        update(replies)
        .where(
            replies.c.id == unknown.reply_id,
            replies.c.state == ReplyState.UNKNOWN,
            replies.c.attempts == unknown.attempts,
        )
        .values(values)
    )
    return changed.rowcount == 1


def _note(tx: Transaction, unknown: Unknown, how: Settled) -> None:
    tx.connection.execute(
        update(attempts)
        .where(attempts.c.id == unknown.sms.attempt_id, attempts.c.ending == AttemptEnd.UNKNOWN)
        .where(attempts.c.settled.is_(None))
        .values(settled=how)
    )
    hourly_counts.replies_changed(tx, [unknown.reply_id])
