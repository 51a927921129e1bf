"""Declares the tables of notifications: who asked for them, what they were told, what is sent."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from handlers.changes import NotificationKind
from smsgw.storage.tables.types import Id, Instant, one_of
from smsgw.storage.tables.types import service as service


class RunState(StrEnum):
    """Says where a run is: it looks for who gets a notification, then sends."""

    LOOKING = "looking"
    WAITING = "waiting"  # for a second person's approval
    SENDING = "sending"
    DONE = "done"
    STOPPED = "stopped"  # by an operator, for good


class Audience(StrEnum):
    """Says which subscribers of a kind get an announcement."""

    ALL = "all"
    OFFICE = "office"  # of one office, by its code
    PROGRAM = "program"
    LIST = "list"  # of NKPs


class NotificationState(StrEnum):
    PLANNED = "planned"
    QUEUED = "queued"  # it is in the outbox
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"  # refused, undelivered, or nobody knows whether it was sent
    EXPIRED = "expired"
    ENDED = "ended"  # nobody may be told any more: NOTIF OFF, STOP, or the binding ended
    MOOT = "moot"  # what it would tell is not so any more
    STOPPED = "stopped"  # with its run


subscriptions = Table(
    "subscriptions",  # which notifications a phone asked for
    service,
    Column("id", Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("phone_id", Id, ForeignKey("phones.id"), nullable=False),
    Column("consented_at", Instant, nullable=False),
    Column("consent", LargeBinary),  # what the phone was told then; none once its time is over
    Column("ended_at", Instant),
    Column("mac", LargeBinary(33)),  # that the phone asked; none once it has ended
    UniqueConstraint("kind", "phone_id"),
    Index("ix_subscriptions_phone_id", "phone_id"),
    one_of("kind", NotificationKind),
)

notification_digests = Table(
    "notification_digests",  # keyed hashes of what a participant was last told of a kind
    service,
    Column("binding_id", Id, primary_key=True, autoincrement=False),
    Column("kind", String(20), primary_key=True),
    Column("digest", LargeBinary(320), nullable=False),  # of claims one after the other
    one_of("kind", NotificationKind),
)

notification_kinds = Table(
    "notification_kinds",  # which kinds are sent
    service,
    Column("kind", String(20), primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("changed_by", String(64), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("dry_run_at", Instant),  # the last one
    Column("looked_at", Instant),  # when the last run began that looked at all subscribers
    Column("changes_until", Instant),  # up to when the ledger was asked what has changed
    Column("mac", LargeBinary(33), nullable=False),  # that an operator switched it
    one_of("kind", NotificationKind),
)

notification_runs = Table(
    "notification_runs",  # each look at all subscribers of a kind that found somebody to tell
    service,
    Column("id", Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("is_dry", Boolean, nullable=False),  # it only counts
    Column("started_by", String(64), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("cursor", Id, nullable=False),  # the last phone that was looked at
    Column("looked_at", Integer, nullable=False),  # how many participants
    Column("found", Integer, nullable=False),
    Column("samples", String(200)),  # ids of bindings that it found
    Column("audience", String(20)),  # these five: of an announcement
    Column("audience_of", String(20)),  # the office or the programme
    Column("text_id", Text),
    Column("text_en", Text),
    Column("expires_at", Instant),
    Column("approved_by", String(64)),
    Column("approved_at", Instant),
    Column("ended_at", Instant),
    Column("mac", LargeBinary(33), nullable=False),  # that it was started, and who approved it
    one_of("kind", NotificationKind),
    one_of("state", RunState),
    one_of("audience", Audience),
)

UNDER_WAY = notification_runs.c.ended_at.is_(None)

Index(
    "ix_notification_runs_under_way",
    notification_runs.c.id,
    sqlite_where=UNDER_WAY,
    postgresql_where=UNDER_WAY,
)

notification_lists = Table(
    "notification_lists",  # whom an announcement is for, as keyed hashes
    service,
    Column("run_id", Id, ForeignKey("notification_runs.id"), primary_key=True, autoincrement=False),
    Column("nkp_hash", LargeBinary(32), primary_key=True),
)

notifications = Table(
    "notifications",
    service,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("period", String(24), nullable=False),  # it is told once in it
    Column("nkp_hash", LargeBinary(32), nullable=False),
    Column("phone_id", Id, nullable=False),
    Column("binding_id", Id, nullable=False),
    Column("about", LargeBinary(16)),  # keyed hash of the claim that moved
    Column("state", String(20), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("queued_at", Instant),
    Column("reply_id", Id),  # in the outbox
    Column("says_stop", Boolean, nullable=False),  # it said how to end notifications
    UniqueConstraint("nkp_hash", "kind", "period"),
    Index("ix_notifications_phone_id", "phone_id", "id"),
    Index("ix_notifications_run_id", "run_id", "state"),
    Index("ix_notifications_made_at", "made_at"),
    one_of("kind", NotificationKind),
    one_of("state", NotificationState),
)

# Conditions have to be spelled like these to use the indexes.
PLANNED = notifications.c.state == literal_column("'planned'")
UNSETTLED = notifications.c.state.in_([literal_column("'queued'"), literal_column("'sent'")])

Index(
    "ix_notifications_planned",
    notifications.c.due_at,
    notifications.c.id,
    sqlite_where=PLANNED,
    postgresql_where=PLANNED,
)
Index(
    "ix_notifications_unsettled",
    notifications.c.made_at,
    notifications.c.id,
    sqlite_where=UNSETTLED,
    postgresql_where=UNSETTLED,
)

notification_days = Table(
    "notification_days",  # what of the day's budget is used
    service,
    Column("day", Date, primary_key=True),
    Column("segments", BigInteger, nullable=False),
)
