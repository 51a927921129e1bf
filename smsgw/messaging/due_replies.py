"""Takes replies that are due from the outbox: their rows, each with a lease and an attempt."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Row,
    Select,
    Text,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.dml import ReturningUpdate

from smsgw.messaging import expiry_notices
from smsgw.messaging.outbox import LEASE, waits_since
from smsgw.storage.bulk import BulkInsert, BulkSelect
from smsgw.storage.tables.messages import QUEUED, ReplyState, attempts, messages, replies
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.transaction import Transaction

MOST = 100  # replies that are taken at once, of all sender IDs


Whose = tuple[str, str]  # a carrier, and one of our sender IDs


@dataclass(frozen=True, slots=True)
class Want:
    """Says how many replies of a sender ID may be taken."""

    carrier: str
    sender_id: str
    most: int

    @property
    def whose(self) -> Whose:
        return self.carrier, self.sender_id


def take(
    tx: Transaction, wanted: Sequence[Want], of_use_at: datetime
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Takes replies that are of use at that time, in the order in which they are to be sent."""
    asked = {"at": tx.now, "of_use_at": of_use_at, "until": tx.now + LEASE}
    if tx.connection.dialect.name != "postgresql":
        return [row for want in wanted for row in _in_turn(tx, want, asked)]
    carriers, sender_ids, mosts = zip(*(astuple(want) for want in wanted), strict=True)
    several = {"carriers": list(carriers), "sender_ids": list(sender_ids), "mosts": list(mosts)}
    return tx.connection.execute(_take_all, asked | several).all()


def _in_turn(
    tx: Transaction, want: Want, asked: Mapping[str, object]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Takes replies where no statement can change two tables."""
    of_one = {"by_carrier": want.carrier, "by_sender_id": want.sender_id, "most": want.most}
    ids = sorted(tx.connection.execute(_take_of_one, {**asked, **of_one}).scalars())
    begun = _begin.run(tx.connection, [{"reply_id": each, "started_at": tx.now} for each in ids])
    return _taken_alone.run(tx.connection, begun).all() if begun else ()


def _due(
    carrier: ColumnElement[str], sender_id: ColumnElement[str], most: ColumnElement[int]
) -> Select[tuple[int]]:
    """Selects the replies of one sender ID."""
    return (
        select(replies.c.id)
        .outerjoin(bindings, bindings.c.id == replies.c.binding_id)
        .where(
            QUEUED,
            replies.c.carrier == carrier,
            replies.c.sender_id == sender_id,
            replies.c.due_at <= bindparam("at"),
            replies.c.expires_at > bindparam("of_use_at"),
            bindings.c.ended_at.is_(None),
        )
        .order_by(replies.c.priority, replies.c.id)
        .limit(most)
        .with_for_update(of=replies, skip_locked=True)  # PostgreSQL; SQLite has one writer anyway
    )


def _due_of_several() -> Select[tuple[int]]:
    """Selects the replies of many sender IDs, of each in turn."""
    texts, numbers = ARRAY(Text()), ARRAY(Integer())
    given = func.unnest(
        bindparam("carriers", type_=texts),
        bindparam("sender_ids", type_=texts),
        bindparam("mosts", type_=numbers),
    )
    want = given.table_valued("carrier", "sender_id", "most").render_derived(name="want")
    due = _due(want.c.carrier, want.c.sender_id, want.c.most).lateral("due_of_one")
    return select(due.c.id).select_from(want.join(due, true()))


def _take(due: Select[tuple[int]]) -> ReturningUpdate[tuple[int]]:
    # As a subquery PostgreSQL may run it again for each row, past its limit. The limit of this one
    # tells PostgreSQL how few they are, whatever the others are.
    few = select(due.cte("due").c.id).limit(literal_column(str(MOST)))
    return (
        update(replies)
        .where(replies.c.id.in_(few), QUEUED)
        .values(
            state=ReplyState.SENDING,
            lease_until=bindparam("until"),
            attempts=replies.c.attempts + 1,
        )
        .returning(replies.c.id)
    )


_take_of_one = _take(_due(bindparam("by_carrier"), bindparam("by_sender_id"), bindparam("most")))
_begin = BulkInsert(attempts, "reply_id", "started_at")


def _rows(taken: FromClause, begun: FromClause) -> Select[*tuple[Any, ...]]:
    """Selects what is needed of replies that were taken, in the order in which they are sent."""
    return (
        select(begun.c.id.label("attempt_id"), taken.c.id, taken.c.text, taken.c.attempts)
        .add_columns(taken.c.carrier, taken.c.sender_id)
        .add_columns(taken.c.made_at, taken.c.expires_at, taken.c.message_id, taken.c.phone_id)
        .add_columns(taken.c.binding_id, waits_since(taken), phones.c.number, phones.c.hash)
        .add_columns(expiry_notices.is_not_needed(taken).label("is_not_needed"))
        .add_columns(bindings.c.nkp, bindings.c.nkp_hash)
        .add_columns(bindings.c.on_file, bindings.c.on_file_hash)
        .join_from(begun, taken, taken.c.id == begun.c.reply_id)
        .join(phones, phones.c.id == taken.c.phone_id)
        .join(messages, messages.c.id == taken.c.message_id)
        .outerjoin(bindings, bindings.c.id == taken.c.binding_id)
        .order_by(taken.c.priority, taken.c.id)
    )


def _at_once() -> Select[*tuple[Any, ...]]:
    """Builds the statement that takes replies, begins their attempts and returns both."""
    taken = (
        _take(_due_of_several())
        .returning(*(each for each in replies.c if each is not replies.c.id))
        .cte("taken")
    )
    started = select(taken.c.id, bindparam("at", type_=attempts.c.started_at.type))
    begun = (
        insert(attempts)
        .from_select(["reply_id", "started_at"], started.order_by(taken.c.id))
        .returning(attempts.c.id, attempts.c.reply_id)
        .cte("begun")
    )
    return _rows(taken, begun)


_take_all = _at_once()
_taken_alone = BulkSelect(_rows(replies, attempts).where, attempts.c.id)
