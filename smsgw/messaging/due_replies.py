"""Takes replies that are due from the outbox: their rows, each with a lease and an attempt."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    FromClause,
    Row,
    Select,
    bindparam,
    insert,
    literal_column,
    select,
    update,
)

from smsgw.messaging import expiry_notices
from smsgw.messaging.outbox import LEASE, waits_since
from smsgw.storage.bulk import BulkInsert, BulkSelect
from smsgw.storage.compiled_statement import CompiledStatement
from smsgw.storage.monthly_ids import first_id, month_of, months_ago, next_id
from smsgw.storage.tables.messages import QUEUED, ReplyState, attempts, messages, replies
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.transaction import Transaction

MOST = 100  # replies that are taken at once


def take(
    tx: Transaction, carrier: str, sender_id: str, limit: int, of_use_at: datetime
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Takes up to `limit` replies that are of use at that time, in the order in which they are to
    be sent."""
    asked = {
        "by_carrier": carrier,
        "by_sender_id": sender_id,
        "at": tx.now,
        "of_use_at": of_use_at,
        "until": tx.now + LEASE,
        "most": min(limit, MOST),
        "lowest": _lowest(of_use_at),
    }
    if tx.connection.dialect.name == "postgresql":
        return _take_all.records(tx.connection, {**asked, "month": first_id(tx.now)})
    return _in_turn(tx, asked)


def _lowest(of_use_at: datetime) -> int:
    """Returns the lowest id that a reply of use can have: it is of use for hours. Of the months
    before the last one no partition is looked into."""
    return first_id(months_ago(of_use_at, 1)) if month_of(of_use_at) else 0


def _in_turn(tx: Transaction, asked: Mapping[str, object]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Takes replies where no statement can change two tables."""
    ids = sorted(tx.connection.execute(_take, asked).scalars())
    begun = _begin.run(tx.connection, [{"reply_id": each, "started_at": tx.now} for each in ids])
    return _taken_alone.run(tx.connection, begun).all() if begun else ()


_lowest_id = bindparam("lowest", type_=BigInteger)
_due = (
    select(replies.c.id)
    .outerjoin(bindings, bindings.c.id == replies.c.binding_id)
    .where(
        QUEUED,
        replies.c.id >= _lowest_id,
        replies.c.carrier == bindparam("by_carrier"),
        replies.c.sender_id == bindparam("by_sender_id"),
        replies.c.due_at <= bindparam("at"),
        replies.c.expires_at > bindparam("of_use_at"),
        bindings.c.ended_at.is_(None),
    )
    .order_by(replies.c.priority, replies.c.id)
    .limit(bindparam("most"))
    .with_for_update(of=replies, skip_locked=True)  # PostgreSQL; SQLite has one writer anyway
    .cte("due")  # as a subquery PostgreSQL may run it again for each row, past its limit
)
# The second limit tells PostgreSQL how few they are, whatever the first one is. They are locked:
# what is queued is not asked again, or PostgreSQL would go through all that is queued instead.
_few = select(_due.c.id).limit(literal_column(str(MOST)))
_take = (
    update(replies)
    .where(replies.c.id.in_(_few), replies.c.id >= _lowest_id)
    .values(
        state=ReplyState.SENDING,
        lease_until=bindparam("until"),
        attempts=replies.c.attempts + 1,
    )
    .returning(replies.c.id)
)
_begin = BulkInsert(attempts, "reply_id", "started_at")


def _rows(taken: FromClause, begun: FromClause) -> Select[*tuple[Any, ...]]:
    """Selects what is needed of replies that were taken, in the order in which they are sent."""
    return (
        select(begun.c.id.label("attempt_id"), taken.c.id, taken.c.text, taken.c.attempts)
        .add_columns(taken.c.made_at, taken.c.expires_at, taken.c.message_id, taken.c.phone_id)
        .add_columns(taken.c.binding_id, waits_since(taken), phones.c.number, phones.c.hash)
        .add_columns(messages.c.received_at, taken.c.priority)
        .add_columns(expiry_notices.is_not_needed(taken).label("is_not_needed"))
        .add_columns(bindings.c.nkp, bindings.c.nkp_hash)
        .add_columns(bindings.c.on_file, bindings.c.on_file_hash)
        .join_from(begun, taken, taken.c.id == begun.c.reply_id)
        .join(phones, phones.c.id == taken.c.phone_id)
        .outerjoin(messages, messages.c.id == taken.c.message_id)  # dropped, if it is very old
        .outerjoin(bindings, bindings.c.id == taken.c.binding_id)
        .order_by(taken.c.priority, taken.c.id)
    )


def _at_once() -> Select[*tuple[Any, ...]]:
    """Builds the statement that takes replies, begins their attempts and returns both."""
    taken = _take.returning(*(each for each in replies.c if each is not replies.c.id)).cte("taken")
    id_ = next_id(attempts, bindparam("month", type_=BigInteger))
    started = select(id_, taken.c.id, bindparam("at", type_=attempts.c.started_at.type))
    begun = (
        insert(attempts)
        .from_select(["id", "reply_id", "started_at"], started.order_by(taken.c.id))
        .returning(attempts.c.id, attempts.c.reply_id)
        .cte("begun")
    )
    return _rows(taken, begun)


_take_all = CompiledStatement(_at_once())
_taken_alone = BulkSelect(_rows(replies, attempts).where, attempts.c.id)
