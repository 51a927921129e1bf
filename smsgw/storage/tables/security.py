"""Declares the tables of keys, failed checks and the audit log, and the columns of ciphertext."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from smsgw.storage.tables.types import Id, Instant, one_of
from smsgw.storage.tables.types import service as service


class Ciphertext(StrEnum):
    """Names the columns that hold ciphertext; the name is sealed in with the value."""

    PHONE = "phones.number"
    NKP = "bindings.nkp"
    CONSENT = "bindings.consent"
    ON_FILE = "bindings.on_file"
    CLAIMED_NKP = "codes.nkp"
    CLAIMED_ON_FILE = "codes.on_file"
    PAGES = "pages.texts"
    ASKED = "questions.asked"
    MESSAGE = "messages.text"
    PART_SENDER = "parts.sender"
    PART_TEXT = "parts.text"
    REPLY = "replies.text"
    SUBSCRIPTION = "subscriptions.consent"
    TASK = "tasks.asked"
    FOUND = "tasks.found"
    GIVEN = "registrations.given"
    TRANSCRIPT = "transcripts.text"
    TRANSCRIPT_NAME = "transcripts.name"
    BACKGROUND = "background_messages.text"


class KeyPurpose(StrEnum):
    DATA = "data"  # seals values
    HASH = "hash"  # finds them


data_keys = Table(
    "data_keys",  # each wrapped by SMSGW_SECRET_KEY; the newest of the data keys seals
    service,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("copy", SmallInteger, primary_key=True, autoincrement=False),
    Column("purpose", String(10), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("retired_at", Instant),
    one_of("purpose", KeyPurpose),
)

failed_checks = Table(
    "failed_checks",  # rows that cannot be opened, or whose proof is wrong
    service,
    Column("id", Id, primary_key=True),
    Column("table_name", String(40), nullable=False),
    Column("row", String(40), nullable=False),
    Column("why", String(20), nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    UniqueConstraint("table_name", "row"),
    Index("ix_failed_checks_first_at", "first_at"),
)

audit = Table(
    "audit",  # who was told what of whom, and what operators did
    service,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(64), nullable=False),  # "participant", "shell:NAME"
    Column("act", String(40), nullable=False),
    Column("phone_id", Id),
    Column("message_id", Id),
    Column("subject", LargeBinary(32)),  # keyed hash of the NKP it is about
    Column("detail", Text),  # why, or how much; nothing personal
    Column("salt", LargeBinary(16), nullable=False, unique=True),  # no two rows are alike
    Column("mac", LargeBinary(32), nullable=False),  # of all above, by whoever wrote it
    Column("number", BigInteger, unique=True),  # given by the seal, without gaps
    Column("seal", LargeBinary(32)),  # of the mac, the number and the seal before
)

UNSEALED = audit.c.number.is_(None)

Index("ix_audit_unsealed", audit.c.id, sqlite_where=UNSEALED, postgresql_where=UNSEALED)

audit_head = Table(
    "audit_head",  # the last seal, so that rows cut off at the end are missed
    service,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("seal", LargeBinary(32), nullable=False),
    CheckConstraint("id = 1", name="one"),
)
