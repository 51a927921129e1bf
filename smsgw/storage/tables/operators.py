"""Declares the console's tables: operators, what they publish, what they wait for."""

from enum import StrEnum

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
)

from smsgw.storage.tables.types import Id, Instant, one_of, service


class Role(StrEnum):
    VIEWER = "viewer"  # figures, and messages without texts and whole numbers
    AGENT = "agent"  # helps people
    EDITOR = "editor"  # drafts keywords
    PUBLISHER = "publisher"  # publishes them
    ADMIN = "admin"  # operators and settings, and all the rest


class TaskKind(StrEnum):
    REHEARSAL = "rehearsal"  # the draft over messages of the past
    SEARCH = "search"  # words in the texts of a day


class TaskState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class PlanFault(StrEnum):
    CHANGED = "changed"  # the row, by somebody else
    REFUSED = "refused"  # by the ledger


operators = Table(
    "operators",
    service,
    Column("id", Id, primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("language", String(2), nullable=False),
    Column("password", String(200)),  # argon2id; none while only a one-time login lets in
    Column("once_hash", LargeBinary(32), unique=True),  # of a one-time login
    Column("once_until", Instant),
    Column("added_by", String(64)),
    Column("invited_by", String(64)),  # who made the last one-time login
    Column("made_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("mac", LargeBinary(33)),  # that we gave them that role and that way in
    one_of("role", Role),
)

sessions = Table(
    "sessions",
    service,
    Column("hash", LargeBinary(32), primary_key=True),  # of what the browser holds
    Column("operator_id", Id, ForeignKey("operators.id"), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("mac", LargeBinary(33), nullable=False),
    Index("ix_sessions_operator_id", "operator_id"),
)

configurations = Table(
    "configurations",  # every one that was published
    service,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),  # YAML
    Column("published_at", Instant, nullable=False),
    Column("published_by", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("was", Integer),  # the version whose text it brings back
    Column("mac", LargeBinary(33), nullable=False),  # that we published it
)

drafts = Table(
    "drafts",  # the one draft of the whole configuration
    service,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("text", Text),  # none while there is no draft
    Column("based_on", Integer, nullable=False),  # 0: what is shipped
    Column("edition", Integer, nullable=False),  # counts changes up
    Column("changed_at", Instant, nullable=False),
    Column("authors", Text, nullable=False),  # operators, one a line
    CheckConstraint("id = 1", name="one"),
)

past_drafts = Table(
    "past_drafts",  # what another text took the place of, so that it can be had back
    service,
    Column("id", Id, primary_key=True),
    Column("text", Text, nullable=False),
    Column("based_on", Integer, nullable=False),
    Column("authors", Text, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("ended_by", String(64), nullable=False),
    Column("why", String(100), nullable=False),  # what took its place
)

tasks = Table(
    "tasks",  # what takes longer than a page
    service,
    Column("id", Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("operator_id", Id, ForeignKey("operators.id"), nullable=False),
    Column("asked", LargeBinary, nullable=False),  # JSON
    Column("state", String(20), nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("is_to_stop", Boolean, nullable=False),
    Column("found", LargeBinary),  # JSON
    Column("made_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),  # by the process that does it
    one_of("kind", TaskKind),
    one_of("state", TaskState),
)
Index("ix_tasks_operator_id", tasks.c.operator_id, tasks.c.id)
AT_WORK = and_(tasks.c.kind == "rehearsal", tasks.c.state.in_(("waiting", "running")))
Index(
    "ix_tasks_rehearsal",  # one at a time
    tasks.c.kind,
    unique=True,
    sqlite_where=AT_WORK,
    postgresql_where=AT_WORK,
)

transcripts = Table(
    "transcripts",  # conversations that operators keep, to be run again
    service,
    Column("id", Id, primary_key=True),
    Column("name", LargeBinary, nullable=False),
    Column("text", LargeBinary, nullable=False),  # YAML
    Column("made_at", Instant, nullable=False),
    Column("made_by", String(64), nullable=False),
)

background_messages = Table(
    "background_messages",  # private ones, none of which may be taken for ours
    service,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("text", LargeBinary, nullable=False),  # one message a line
    Column("made_at", Instant, nullable=False),
    Column("made_by", String(64), nullable=False),
    CheckConstraint("id = 1", name="one"),
)

planned_changes = Table(
    "planned_changes",  # of rows of the ledger, until they are made
    service,
    Column("id", Id, primary_key=True),
    Column("table_name", String(40), nullable=False),
    Column("before", Text),  # JSON, as the operator saw the row; none where one is added
    Column("after", Text),  # JSON; none where the row is deleted
    Column("holds_from", Date, nullable=False),
    Column("planned_by", String(64), nullable=False),
    Column("planned_at", Instant, nullable=False),
    Column("fault", String(20)),  # why it could not be made
    Column("mac", LargeBinary(33), nullable=False),  # that an operator planned it
    one_of("fault", PlanFault),
)
Index("ix_planned_changes_holds_from", planned_changes.c.holds_from)
