"""Says which notifications in the outbox may not leave any more, and takes them back."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, FromClause, case, exists, func, or_, select, update

from smsgw.storage.tables.messages import (
    NOT_NEEDED,
    QUEUED,
    UNBOUND,
    UNFINISHED,
    Priority,
    ReplyState,
    replies,
)
from smsgw.storage.tables.notifications import notifications, subscriptions
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.transaction import Transaction

WITHDRAWN = "withdrawn"  # the code of one that an operator took back
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # what expired then is not claimed, whatever happens
_is_on_its_way = UNFINISHED & replies.c.state.in_([ReplyState.QUEUED, ReplyState.SENDING])


def is_unwanted(reply: FromClause) -> ColumnElement[bool]:
    """Tells of a notification whether its phone said STOP or NOTIF OFF since it was queued. The
    statement also selects from `phones`."""
    is_wanted = exists().where(
        notifications.c.id == -reply.c.message_id,
        subscriptions.c.kind == notifications.c.kind,
        subscriptions.c.phone_id == reply.c.phone_id,
        subscriptions.c.ended_at.is_(None),
    )
    return or_(phones.c.stopped_at.is_not(None), ~is_wanted.correlate(reply))


def withdraw(tx: Transaction, reply_ids: Collection[int]) -> None:
    """Takes notifications back that have not left. One that a worker holds is not sent later, if it
    is not being sent now."""
    # One statement: between two of them a worker could give one back.
    is_queued = replies.c.state == ReplyState.QUEUED
    waiting = update(replies).where(_is_on_its_way, replies.c.id.in_(reply_ids))
    taken_back = {
        "state": case((is_queued, ReplyState.REFUSED), else_=replies.c.state),
        "code": case((is_queued, WITHDRAWN), else_=replies.c.code),
        "expires_at": LONG_AGO,
    }
    tx.connection.execute(waiting.values(taken_back))


def refusal(tx: Transaction, reply_id: int) -> str | None:
    """Returns the code with which a notification that a worker holds is refused; None where it may
    leave."""
    found = (
        select(replies.c.expires_at, bindings.c.ended_at, is_unwanted(replies).label("is_unwanted"))
        .join_from(replies, phones, phones.c.id == replies.c.phone_id)
        .outerjoin(bindings, bindings.c.id == replies.c.binding_id)
        .where(replies.c.id == reply_id)
    )
    row = tx.connection.execute(found).first()
    if row is None or row.is_unwanted:
        return NOT_NEEDED
    if row.expires_at == LONG_AGO:
        return WITHDRAWN
    return UNBOUND if row.ended_at is not None else None


def on_their_way(tx: Transaction) -> int:
    """Counts the notifications that wait in the outbox or are being sent, all kinds."""
    found = select(func.count()).where(_is_on_its_way, replies.c.priority == Priority.NOTIFICATION)
    return tx.connection.execute(found).scalar_one()


def must_wait(tx: Transaction, carrier: str, sender_id: str) -> bool:
    """Tells whether something else that is due waits for a sender ID: notifications are behind
    it."""
    others = exists().where(
        QUEUED,
        replies.c.carrier == carrier,
        replies.c.sender_id == sender_id,
        replies.c.priority < Priority.NOTIFICATION,
        replies.c.due_at <= tx.now,
        replies.c.expires_at > tx.now,
    )
    return bool(tx.connection.execute(select(others)).scalar_one())
