"""Declares the tables of messages, replies and attempts to send them."""

from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    literal_column,
)

from smsgw.storage.monthly_ids import KEY
from smsgw.storage.tables.types import Id, Instant, one_of
from smsgw.storage.tables.types import service as service


class MessageState(StrEnum):
    RECEIVED = "received"  # the ledger was away; the answer is still owed
    ANSWERED = "answered"  # its one outcome is final, a reply row included where there is one
    FAILED = "failed"  # a bug of ours took the answer that was owed; the log has it


class ReplyState(StrEnum):
    """Says where a reply is. A delivery report only ever moves it to a higher rank
    (outbox.RANK)."""

    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"  # a POST left and nobody knows whether it arrived
    EXPIRED = "expired"  # it could not leave while it was of use: lost
    SENT = "sent"
    REFUSED = "refused"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"


UNBOUND = "unbound"  # the code of a reply that was refused since its binding ended

UNREADABLE = "unreadable"  # … since what it holds cannot be opened

NO_PHONE = "no phone"  # … since its recipient is no E.164 number

NOT_NEEDED = "not needed"  # … since the phone was answered, or said STOP, before it was sent

WAITING = (ReplyState.QUEUED, ReplyState.SENDING, ReplyState.UNKNOWN)


class Priority(IntEnum):
    """Says which replies of a sender ID leave first."""

    ASKED = 0
    LATE = 1  # the answer that the ledger owed
    SCHEDULED = 2
    NOTIFICATION = 3  # nobody waits for it


class Settled(StrEnum):
    """Says how an attempt that ended unknown was settled."""

    REPORT = "report"  # the carrier told what became of it
    FOUND = "found"  # asked, the carrier knew it
    ABSENT = "absent"  # asked, the carrier did not: it was sent again
    RESENT = "resent"  # by policy, or an operator's word: it may have gone out twice
    CLOSED = "closed"  # by an operator's word


class AttemptEnd(StrEnum):
    """Says how the POST ended; written once."""

    SENT = "sent"
    REFUSED = "refused"
    RETRY = "retry"  # surely not sent; the reply waits for another attempt
    UNKNOWN = "unknown"


NO_ANSWER_YET = (MessageState.RECEIVED, MessageState.FAILED)


def _monthly(made_at: str) -> dict[str, Any]:
    """Returns the options of a table that PostgreSQL keeps in a partition for each month."""
    return {"info": {KEY: made_at}, "postgresql_partition_by": "RANGE (id)"}


# Messages, replies and attempts name other rows without foreign keys: what writes them writes those
# rows too, and whoever did not find them starts again; the checks would be half of what an insert
# costs. Rows of a month that is over may be dropped before those that name them.
messages = Table(
    "messages",
    service,
    Column("id", Id, primary_key=True),
    Column("carrier", String(20), nullable=False),
    Column("carrier_ref", String(64), nullable=False),
    Column("sender_id", String(64), nullable=False),
    Column("phone_id", Id),  # none where no phone sent it
    Column("text", LargeBinary),  # none once its time is over
    Column("text_hash", LargeBinary(32)),
    Column("received_at", Instant, nullable=False),
    Column("keyword", String(20)),
    Column("outcome", String(20), nullable=False),
    Column("reason", String(20)),
    Column("configuration", Integer),  # the version that read it; none before there were versions
    Column("state", String(20), nullable=False),
    Column("due_at", Instant),  # when its answer is tried again, where a look-up of its own failed
    Index("ix_messages_phone_id", "phone_id", "id"),
    Index("ix_messages_received_at", "received_at", "id"),
    Index("ix_messages_carrier", "carrier", "id"),
    Index("ix_messages_keyword", "keyword", "id"),
    Index("ix_messages_outcome", "outcome", "id"),
    one_of("state", MessageState),
    **_monthly("received_at"),
)

# Almost all messages are answered; a condition has to be spelled like this to use the index.
NOT_ANSWERED = messages.c.state.in_([literal_column(f"'{each}'") for each in NO_ANSWER_YET])

Index(
    "ix_messages_not_answered",
    messages.c.state,
    messages.c.id,
    sqlite_where=NOT_ANSWERED,
    postgresql_where=NOT_ANSWERED,
)

message_refs = Table(
    "message_refs",  # what carriers named messages by; not of a month, so that each is there once
    service,
    Column("carrier", String(20), primary_key=True),
    Column("carrier_ref", String(64), primary_key=True),
    Column("received_at", Instant, nullable=False),
    Index("ix_message_refs_received_at", "received_at"),
)

deleted_months = Table(
    "deleted_months",  # whose messages, replies and attempts are gone
    service,
    Column("month", Integer, primary_key=True, autoincrement=False),
)

parts = Table(
    "parts",  # of long messages that a carrier delivers in pieces
    service,
    Column("id", Id, primary_key=True),
    Column("carrier", String(20), nullable=False),
    Column("carrier_ref", String(64), nullable=False),  # of the part
    Column("sender_hash", LargeBinary(32), nullable=False),
    Column("sender_id", String(64), nullable=False),
    Column("reference", String(64), nullable=False),
    Column("number", SmallInteger, nullable=False),
    Column("total", SmallInteger, nullable=False),
    Column("sender", LargeBinary),  # none once the message is stored, as the text
    Column("text", LargeBinary),
    Column("received_at", Instant, nullable=False),
    Column("message_ref", String(64)),  # the message that it belongs to, once that is settled
    UniqueConstraint("carrier", "sender_hash", "reference", "number", "carrier_ref"),
    Index("ix_parts_received_at", "received_at"),
)

PART_WAITS = parts.c.text.is_not(None)

Index("ix_parts_waiting", parts.c.received_at, sqlite_where=PART_WAITS, postgresql_where=PART_WAITS)

replies = Table(
    "replies",  # the outbox
    service,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, nullable=False),  # below zero: minus the id of a notification
    Column("phone_id", Id, nullable=False),
    Column("binding_id", Id),  # what it discloses hangs on it
    Column("carrier", String(20), nullable=False),
    Column("sender_id", String(64), nullable=False),
    Column("text", LargeBinary),  # none once its time is over
    Column("wording", String(60)),  # what it was made of
    Column("encoding", String(10), nullable=False),
    Column("segments", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),  # after that it is of no use to anybody
    # Queued: to be sent; unknown: to be settled; expired: to be told of; none: not by itself.
    Column("due_at", Instant),
    Column("lease_until", Instant),
    Column("attempts", Integer, nullable=False),
    Column("carrier_ref", String(64)),
    Column("code", String(20)),  # the carrier's, of the last attempt or report
    Column("waited", Float),  # seconds from the receipt (outbox.SINCE) to the carrier's acceptance
    Index("ix_replies_message_id", "message_id"),
    Index("ix_replies_phone_id", "phone_id", "id"),
    one_of("state", ReplyState),
    **_monthly("made_at"),
)

# Of millions of rows those that wait are few; a condition has to be spelled like these to use them.
UNFINISHED = replies.c.state.in_([literal_column(f"'{state}'") for state in WAITING])

QUEUED = UNFINISHED & (replies.c.state == literal_column("'queued'"))

# The phones of these have not been told that their answer expired.
NOTICE_DUE = (replies.c.state == literal_column("'expired'")) & replies.c.due_at.is_not(None)

Index(
    "ix_replies_notice_due",
    replies.c.carrier,
    replies.c.sender_id,
    replies.c.id,
    sqlite_where=NOTICE_DUE,
    postgresql_where=NOTICE_DUE,
)

Index(
    "ix_replies_unfinished",
    replies.c.state,
    replies.c.carrier,
    replies.c.sender_id,
    replies.c.priority,
    replies.c.id,
    sqlite_where=UNFINISHED,
    postgresql_where=UNFINISHED,
)

attempts = Table(
    "attempts",
    service,
    Column("id", Id, primary_key=True),
    Column("reply_id", Id, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ending", String(20)),
    Column("carrier_ref", String(64)),
    Column("code", String(20)),
    Column("settled", String(20)),
    Index("ix_attempts_reply_id", "reply_id"),
    one_of("ending", AttemptEnd),
    one_of("settled", Settled),
    **_monthly("started_at"),
)

OPEN = attempts.c.ending.is_(None)

Index("ix_attempts_open", attempts.c.started_at, sqlite_where=OPEN, postgresql_where=OPEN)

# What is to be destroyed next; old rows are without a text, and not in here.
for _at in (messages.c.received_at, replies.c.made_at):
    _held = _at.table.c.text.is_not(None)
    Index(f"ix_{_at.table.name}_texts", _at, sqlite_where=_held, postgresql_where=_held)
