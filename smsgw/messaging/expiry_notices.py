"""Tells people whose answers expired that they may ask again.

A notice is made once nothing that anybody asked for waits for its sender ID, a few at a time, and
leaves after everything else. A phone gets one a day at most, however many of its answers expired,
and none if it was answered since or said STOP. A notice that expires makes no other one.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    case,
    exists,
    false,
    func,
    or_,
    select,
    update,
)

from handlers import disclosure
from smsgw import logs, phone
from smsgw.messaging import notification_replies, outbox
from smsgw.messaging.composer import Composer, call_centre
from smsgw.messaging.outbox import NewReply
from smsgw.runtime import Runtime
from smsgw.storage.counters import Budget
from smsgw.storage.tables.messages import (
    NOTICE_DUE,
    QUEUED,
    MessageState,
    Priority,
    ReplyState,
    messages,
    replies,
)
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

WORDING = "disclosure.expired"
CLOCK = "clock"  # as the actor
TELL_WITHIN = timedelta(hours=12)  # later, nobody is told that their answer expired
LASTS = timedelta(hours=1)
ONCE_IN = timedelta(days=1)
AT_ONCE = 100  # of a sender ID
FAILED = (ReplyState.EXPIRED, ReplyState.REFUSED, ReplyState.UNDELIVERED)
NO_ANSWERS = (WORDING, disclosure.unavailable().wording)


def is_not_needed(notice: FromClause) -> ColumnElement[bool]:
    """Tells of a reply whether it is a notice whose phone has been answered since, or said STOP, or
    a notification that is not wanted any more. The statement also selects from `phones`."""
    is_over = or_(phones.c.stopped_at.is_not(None), _is_answered_since(notice))
    is_notification = notice.c.priority == Priority.NOTIFICATION
    return case(
        (is_notification, notification_replies.is_unwanted(notice)),
        (notice.c.wording == WORDING, is_over),
        else_=false(),
    )


def queue(rt: Runtime, within: float) -> int:
    """Queues notices for every sender ID for which nothing else waits: as many as it may send
    in `within` seconds. Returns how many."""
    with rt.reading() as tx:
        idle = [each for each in _sender_ids(tx) if each[0] in rt.carriers and _is_idle(tx, *each)]
    return sum(_queue(rt, *each, _limit(rt, each[1], within)) for each in idle)


def _limit(rt: Runtime, sender_id: str, within: float) -> int:
    rate = rt.settings.sender_rates.get(sender_id)
    return AT_ONCE if rate is None else min(AT_ONCE, max(1, int(rate * within)))


def _queue(rt: Runtime, carrier: str, sender_id: str, limit: int) -> int:
    # Before the write: no lock waits for the ledger, or for Redis.
    configuration, centre = rt.configuration, call_centre(rt.ledger)
    spending = rt.counters.spending(rt.today) if rt.settings.limits_spending else None
    with rt.writing() as tx:
        composer = Composer(rt, tx, configuration, centre, CLOCK)
        rows = _eligible(tx, _take(tx, carrier, sender_id, limit))
        opened = [(row, _number(tx, row)) for row in rows]
        notices = [
            _notice(composer, row, number)
            for row, number in opened
            if number is not None and not is_spent(rt, number, spending)
        ]
        outbox.add_all(tx, notices)
    rt.spend((each.number, each.text) for each in notices)
    if notices:
        log.info("notices of expired answers", number=len(notices), sender_id=sender_id)
    return len(notices)


def _sender_ids(tx: Transaction) -> list[tuple[str, str]]:
    """Returns the (carrier, sender ID) pairs of answers whose phones may have to be told."""
    due = select(replies.c.carrier, replies.c.sender_id).where(NOTICE_DUE).distinct()
    return [(row.carrier, row.sender_id) for row in tx.connection.execute(due)]


def _is_idle(tx: Transaction, carrier: str, sender_id: str) -> bool:
    """Tells whether nothing waits that somebody asked for, nor anything else that is due, but for
    notifications."""
    waiting = exists().where(
        QUEUED,
        replies.c.carrier == carrier,
        replies.c.sender_id == sender_id,
        replies.c.priority < Priority.NOTIFICATION,
        or_(replies.c.priority < Priority.SCHEDULED, replies.c.due_at <= tx.now),
    )
    return not tx.connection.execute(select(waiting)).scalar_one()


def _take(tx: Transaction, carrier: str, sender_id: str, limit: int) -> Sequence[int]:
    """Returns expired answers: the oldest, and what else expired of the same phones. They are not
    returned again. A second clock waits here until the notices of the first are stored."""
    own = (NOTICE_DUE, replies.c.carrier == carrier, replies.c.sender_id == sender_id)
    oldest = select(replies.c.id, replies.c.phone_id).where(*own).order_by(replies.c.id)
    found = tx.connection.execute(oldest.limit(limit).with_for_update()).all()
    taken = tx.connection.execute(
        update(replies)
        .where(*own, replies.c.phone_id.in_({row.phone_id for row in found}))
        .values(due_at=None)
        .returning(replies.c.id)
    )
    return taken.scalars().all()


def _eligible(tx: Transaction, reply_ids: Sequence[int]) -> list[Row[*tuple[Any, ...]]]:
    """Returns a row for each phone that is told, with the newest of its messages."""
    found = tx.connection.execute(
        select(replies.c.message_id, replies.c.carrier, replies.c.sender_id, messages.c.received_at)
        .add_columns(phones.c.id, phones.c.number, phones.c.hash, phones.c.language)
        .join_from(replies, messages, messages.c.id == replies.c.message_id)
        .join(phones, phones.c.id == replies.c.phone_id)
        .where(
            replies.c.id.in_(reply_ids),
            replies.c.expires_at > tx.now - TELL_WITHIN,
            messages.c.phone_id == replies.c.phone_id,  # not a notice to another phone
            messages.c.state == MessageState.ANSWERED,  # else its answer still follows
            messages.c.text.is_not(None),  # not after HAPUS DATA
            phones.c.stopped_at.is_(None),
            ~_is_answered_since(replies),
            ~_was_notified(tx),
        )
        .order_by(replies.c.message_id)
    )
    return list({row.id: row for row in found}.values())


def _was_notified(tx: Transaction) -> ColumnElement[bool]:
    notice = replies.alias("notice")
    return exists().where(
        notice.c.phone_id == replies.c.phone_id,
        notice.c.wording == WORDING,
        notice.c.made_at > tx.now - ONCE_IN,
        notice.c.state != ReplyState.REFUSED,
    )


def _is_answered_since(reply: FromClause) -> ColumnElement[bool]:
    """Tells whether an answer to the same message or a later one of the phone has left, or is on
    its way."""
    later, asked = replies.alias("later"), messages.alias("asked")
    return (
        select(later.c.id)
        .join_from(later, asked, asked.c.id == later.c.message_id)
        .where(
            later.c.phone_id == reply.c.phone_id,
            later.c.message_id >= reply.c.message_id,
            asked.c.phone_id == later.c.phone_id,
            # Not IN, whose values SQLAlchemy counts at each run.
            *(func.coalesce(later.c.wording, "") != each for each in NO_ANSWERS),
            *(later.c.state != each for each in FAILED),
        )
        .correlate(reply)
        .exists()
    )


def _number(tx: Transaction, row: Row[*tuple[Any, ...]]) -> str | None:
    return tx.opened(row.number, Ciphertext.PHONE, row.id, row.hash)


def is_spent(rt: Runtime, number: str, spending: Mapping[str, int] | None) -> bool:
    """Tells whether the day's budget for a phone is used up. `spending`: None without a budget."""
    if spending is None:
        return False
    code = phone.calling_code(number)
    budget = Budget(rt.settings.daily_segments, rt.settings.daily_segments_of(code))
    return rt.counters.is_spent(rt.today, code, budget, spending)


def _notice(composer: Composer, row: Row[*tuple[Any, ...]], number: str) -> NewReply:
    theirs = composer._replace(message_id=row.message_id, language=row.language)
    told = disclosure.expired(row.received_at.astimezone(composer.rt.settings.zone))
    return NewReply(
        message_id=row.message_id,
        phone_id=row.id,
        number=number,
        binding_id=None,
        carrier=row.carrier,
        sender_id=row.sender_id,
        text=theirs.render(told.wording, told.values),
        lasts=LASTS,
        priority=Priority.SCHEDULED,
        wording=told.wording,
    )
