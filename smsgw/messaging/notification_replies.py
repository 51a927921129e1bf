"""Says which notifications in the outbox may not leave any more, and takes them back."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, FromClause, exists, or_, select, update

from smsgw.storage.tables.messages import QUEUED, Priority, ReplyState, replies
from smsgw.storage.tables.notifications import notifications, subscriptions
from smsgw.storage.tables.phones import phones
from smsgw.storage.transaction import Transaction

WITHDRAWN = "withdrawn"  # the code of one that an operator took back


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
    """Takes notifications back that have not left."""
    waiting = update(replies).where(QUEUED, replies.c.id.in_(reply_ids))
    tx.connection.execute(waiting.values(state=ReplyState.REFUSED, code=WITHDRAWN))


def waiting(tx: Transaction) -> list[int]:
    """Returns the notifications that have not left, all kinds."""
    found = select(replies.c.id).where(QUEUED, replies.c.priority == Priority.NOTIFICATION)
    return list(tx.connection.execute(found).scalars())


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
