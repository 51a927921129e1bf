"""The tables that this system writes; the scheme's own, read by look-up, are in `ledger`.

Phones, NIKs and NKPs in service tables are a keyed hash (to find by) and ciphertext (to read by);
texts are ciphertext. Instants are aware UTC.
"""

from enum import IntEnum, StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
)

from smsgw.models import console as console
from smsgw.models.types import Id, Instant, one_of
from smsgw.models.types import service as service


class Ciphertext(StrEnum):
    """The columns that hold ciphertext; the name is sealed in with the value."""

    PHONE = "phones.number"
    NKP = "bindings.nkp"
    CONSENT = "bindings.consent"
    ON_FILE = "bindings.on_file"
    CLAIMED_NKP = "codes.nkp"
    CLAIMED_ON_FILE = "codes.on_file"
    PAGES = "pages.texts"
    ASKED = "questions.asked"
    MESSAGE = "messages.text"
    REPLY = "replies.text"
    TASK = "tasks.asked"
    FOUND = "tasks.found"
    GIVEN = "registrations.given"
    TRANSCRIPT = "transcripts.text"
    TRANSCRIPT_NAME = "transcripts.name"


class KeyPurpose(StrEnum):
    DATA = "data"  # seals values
    HASH = "hash"  # finds them


class MessageState(StrEnum):
    RECEIVED = "received"  # the ledger was away; the answer is still owed
    ANSWERED = "answered"  # its one outcome is final, a reply row included where there is one
    FAILED = "failed"  # a bug of ours took the answer that was owed; the log has it


class ReplyState(StrEnum):
    """Where a reply is. A carrier's report only ever moves it to a higher rank (outbox.RANK)."""

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
WAITING = (ReplyState.QUEUED, ReplyState.SENDING, ReplyState.UNKNOWN)


class Priority(IntEnum):
    """What leaves a lane first."""

    ASKED = 0
    LATE = 1  # the answer that the ledger owed
    SCHEDULED = 2


class Settled(StrEnum):
    """How an attempt that ended unknown came to its end."""

    REPORT = "report"  # the carrier told what became of it
    FOUND = "found"  # asked, the carrier knew it
    ABSENT = "absent"  # asked, the carrier did not: it was sent again
    RESENT = "resent"  # by policy, or an operator's word: it may have gone out twice
    CLOSED = "closed"  # by an operator's word


class AttemptEnd(StrEnum):
    """How the POST ended; written once."""

    SENT = "sent"
    REFUSED = "refused"
    RETRY = "retry"  # surely not sent; the reply waits for another attempt
    UNKNOWN = "unknown"


class MadeBy(StrEnum):
    """Whose word bound a phone."""

    CONSENT = "consent"  # YA, from the number on file
    CODE = "code"  # sent to the number on file, typed on another phone
    OFFICER = "officer"


class QuestionKind(StrEnum):
    CONSENT = "consent"
    CHOICE = "choice"
    DRAFT = "draft"
    SUGGESTION = "suggestion"
    IDENTITY = "identity"


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

phones = Table(
    "phones",
    service,
    Column("id", Id, primary_key=True),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("number", LargeBinary),  # none once it is forgotten; its hash is then a random one
    # Every message of a phone counts it up; who reads and then finds it changed starts again.
    Column("version", BigInteger, nullable=False),
    Column("stopped_at", Instant),
    Column("language", String(2), nullable=False, server_default="id"),
    Column("wants_news", Boolean, nullable=False, server_default=false()),
    Column("last_message_id", Id),
    Column("last_reply_id", Id),  # what ULANG repeats
)

bindings = Table(
    "bindings",
    service,
    Column("id", Id, primary_key=True),
    Column("phone_id", Id, ForeignKey("phones.id"), nullable=False),
    Column("nkp_hash", LargeBinary(32), nullable=False),
    Column("nkp", LargeBinary),  # these three: none once it has ended and its time is over
    Column("bound_at", Instant, nullable=False),
    Column("consent", LargeBinary),  # the wording that was agreed to
    Column("consented_at", Instant, nullable=False),
    Column("on_file", LargeBinary),  # the number on file then; another one ends the binding
    Column("on_file_hash", LargeBinary(32)),
    Column("made_by", String(10), nullable=False),
    Column("tells_from", Instant),  # before that it tells nothing; none where it may at once
    Column("used_at", Instant, nullable=False),
    Column("wrong_answers", Integer, nullable=False, server_default="0"),  # about the NIK, since
    Column("wrong_since", Instant),
    Column("mac", LargeBinary(33)),  # that we bound this phone; none once it has ended
    Column("ended_at", Instant),
    Column("lapsed_at", Instant),  # the same, where the number on file was another one
    Index("ix_bindings_phone_id", "phone_id"),
    Index("ix_bindings_on_file_hash", "on_file_hash"),
    one_of("made_by", MadeBy),
)
LAPSED = bindings.c.lapsed_at.is_not(None)
Index(
    "ix_bindings_lapsed_at",
    bindings.c.lapsed_at,
    sqlite_where=LAPSED,
    postgresql_where=LAPSED,
)
# One phone per NKP: a database's word, not a program's.
Index(
    "uq_bindings_nkp_hash_active",
    bindings.c.nkp_hash,
    unique=True,
    sqlite_where=bindings.c.ended_at.is_(None),
    postgresql_where=bindings.c.ended_at.is_(None),
)

past_bindings = Table(
    "past_bindings",  # which phone was ever bound to whom: keyed hashes that are never destroyed
    service,
    Column("phone_hash", LargeBinary(32), primary_key=True),  # of its own kind: it finds no phone
    Column("nkp_hash", LargeBinary(32), primary_key=True),
)

questions = Table(
    "questions",  # the one open question of a phone
    service,
    Column("phone_id", Id, ForeignKey("phones.id"), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("asked", LargeBinary, nullable=False),  # JSON: the question's text and its NKPs
    Column("asked_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    one_of("kind", QuestionKind),
)

codes = Table(
    "codes",  # sent to a number on file, to be typed on the phone that wants to be bound
    service,
    Column("id", Id, primary_key=True),
    Column("phone_id", Id, ForeignKey("phones.id"), nullable=False),  # the one that wants it
    Column("nkp_hash", LargeBinary(32), nullable=False),
    Column("nkp", LargeBinary, nullable=False),
    Column("on_file_hash", LargeBinary(32), nullable=False),
    Column("on_file", LargeBinary, nullable=False),
    Column("code_hash", LargeBinary(32), nullable=False),
    Column("wrong_tries", Integer, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("ended_at", Instant),  # used, or void
    Index("ix_codes_phone_id", "phone_id"),
    Index("ix_codes_nkp_hash", "nkp_hash"),
    Index("ix_codes_on_file_hash", "on_file_hash"),
)

freezes = Table(
    "freezes",  # of participants for whom no codes are sent: somebody said BUKAN SAYA, or TOLAK
    service,
    Column("id", Id, primary_key=True),
    Column("nkp_hash", LargeBinary(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant),  # none: until an officer ends it
    Column("ended_at", Instant),  # by an officer
    Column("mac", LargeBinary(33), nullable=False),
    Index("ix_freezes_nkp_hash", "nkp_hash"),
)

freeze_counts = Table(
    "freeze_counts",  # how many freezes a participant has, so that one that was deleted is missed
    service,
    Column("nkp_hash", LargeBinary(32), primary_key=True),  # of whoever had a code or a binding
    Column("freezes", Integer, nullable=False),
    Column("mac", LargeBinary(33), nullable=False),
)
COUNTED = freeze_counts.c.freezes > literal_column("0")
Index(
    "ix_freeze_counts_counted",
    freeze_counts.c.nkp_hash,
    sqlite_where=COUNTED,
    postgresql_where=COUNTED,
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

rejections = Table(
    "rejections",  # each TOLAK: a code that its receiver had not asked for
    service,
    Column("id", Id, primary_key=True),
    Column("nkp_hash", LargeBinary(32), nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_rejections_nkp_hash", "nkp_hash", "at"),
)

wrong_codes = Table(
    "wrong_codes",  # each KODE that opened nothing, whatever the phone waits for
    service,
    Column("id", Id, primary_key=True),
    Column("phone_id", Id, ForeignKey("phones.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_wrong_codes_phone_id", "phone_id", "at"),
    Index("ix_wrong_codes_at", "at"),
)

pages = Table(
    "pages",  # what LANJUT shows
    service,
    Column("phone_id", Id, ForeignKey("phones.id"), primary_key=True),
    Column("texts", LargeBinary, nullable=False),  # JSON: a list
    Column("expires_at", Instant, nullable=False),
)

cases = Table(
    "cases",  # what a person has to see to
    service,
    Column("id", Id, primary_key=True),
    Column("number", String(20), nullable=False, unique=True),  # ADU-251031-0042
    Column("kind", String(20), nullable=False),
    Column("phone_id", Id, ForeignKey("phones.id"), nullable=False),
    Column("message_id", Id, nullable=False),  # which holds its text
    Column("text_hash", LargeBinary(32), nullable=False),  # of that text's normal form
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("assigned_to", Id, ForeignKey("operators.id")),
    CheckConstraint("kind IN ('complaint', 'data_request')", name="kind"),
    Index("ix_cases_phone_id", "phone_id"),
    Index("ix_cases_message_id", "message_id"),
)
NOT_CLOSED = cases.c.closed_at.is_(None)
Index("ix_cases_open", cases.c.id, sqlite_where=NOT_CLOSED, postgresql_where=NOT_CLOSED)

guesses = Table(
    "guesses",  # identities that a phone named and that are not linked to it
    service,
    Column("phone_id", Id, ForeignKey("phones.id"), primary_key=True),
    Column("identity_hash", LargeBinary(32), primary_key=True),
    Column("at", Instant, nullable=False),
    Index("ix_guesses_identity_hash", "identity_hash"),
    Index("ix_guesses_at", "at", "phone_id"),
)

named = Table(
    "named",  # each NKP and NIK that a phone named without being linked to it, for all phones
    service,
    Column("phone_id", Id, ForeignKey("phones.id"), primary_key=True),
    Column("identity_hash", LargeBinary(32), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("is_decoy", Boolean, nullable=False, server_default=false()),  # when it was named
    Index("ix_named_identity_hash", "identity_hash"),
)
DECOY_NAMED = named.c.is_decoy == literal_column("true")
Index(
    "ix_named_decoys",
    *(named.c.at, named.c.phone_id),
    sqlite_where=DECOY_NAMED,
    postgresql_where=DECOY_NAMED,
)

decoys = Table(
    "decoys",  # NKPs that were never issued: keyed hashes, so that the rows alone tell no number
    service,
    Column("nkp_hash", LargeBinary(32), primary_key=True),
    Column("made_at", Instant, nullable=False),
)

messages = Table(
    "messages",
    service,
    Column("id", Id, primary_key=True),
    Column("carrier", String(20), nullable=False),
    Column("carrier_ref", String(64), nullable=False),
    Column("lane", String(64), nullable=False),
    Column("phone_id", Id, ForeignKey("phones.id")),  # none where no phone sent it
    Column("text", LargeBinary),  # none once its time is over
    Column("text_hash", LargeBinary(32)),
    Column("received_at", Instant, nullable=False),
    Column("keyword", String(20)),
    Column("outcome", String(20), nullable=False),
    Column("reason", String(20)),
    Column("configuration", Integer),  # the version that read it; none before there were versions
    Column("state", String(20), nullable=False),
    Column("due_at", Instant),  # when its answer is tried again, where a look-up of its own failed
    UniqueConstraint("carrier", "carrier_ref"),
    Index("ix_messages_phone_id", "phone_id", "id"),
    Index("ix_messages_received_at", "received_at", "id"),
    Index("ix_messages_carrier", "carrier", "id"),
    Index("ix_messages_keyword", "keyword", "id"),
    Index("ix_messages_outcome", "outcome", "id"),
    Index("ix_messages_state", "state", "id"),
    one_of("state", MessageState),
)

replies = Table(
    "replies",  # the outbox
    service,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, ForeignKey("messages.id"), nullable=False),
    Column("phone_id", Id, ForeignKey("phones.id"), nullable=False),
    Column("binding_id", Id, ForeignKey("bindings.id")),  # what it discloses hangs on it
    Column("carrier", String(20), nullable=False),
    Column("lane", String(64), nullable=False),
    Column("text", LargeBinary),  # none once its time is over
    Column("wording", String(60)),  # what it was made of
    Column("encoding", String(10), nullable=False),
    Column("segments", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),  # after that it is of no use to anybody
    Column("due_at", Instant),  # queued: to be sent; unknown: to be settled; none: not by itself
    Column("lease_until", Instant),
    Column("attempts", Integer, nullable=False),
    Column("carrier_ref", String(64)),
    Column("code", String(20)),  # the carrier's, of the last attempt or report
    Column("waited", Float),  # seconds from the receipt (outbox.SINCE) to the carrier's acceptance
    Index("ix_replies_message_id", "message_id"),
    Index("ix_replies_phone_id", "phone_id", "id"),
    one_of("state", ReplyState),
)
# What is to be destroyed next; old rows are without a text, and not in here.
for _at in (messages.c.received_at, replies.c.made_at):
    _held = _at.table.c.text.is_not(None)
    Index(f"ix_{_at.table.name}_texts", _at, sqlite_where=_held, postgresql_where=_held)
# Of millions of rows those that wait are few; a condition has to be spelled like these to use them.
QUEUED = replies.c.state == literal_column("'queued'")
UNFINISHED = replies.c.state.in_([literal_column(f"'{state}'") for state in WAITING])
Index(
    "ix_replies_queue",
    *(replies.c.carrier, replies.c.lane, replies.c.priority, replies.c.id),
    sqlite_where=QUEUED,
    postgresql_where=QUEUED,
)
Index(
    "ix_replies_unfinished",
    *(replies.c.state, replies.c.due_at),
    sqlite_where=UNFINISHED,
    postgresql_where=UNFINISHED,
)

attempts = Table(
    "attempts",
    service,
    Column("id", Id, primary_key=True),
    Column("reply_id", Id, ForeignKey("replies.id"), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ending", String(20)),
    Column("carrier_ref", String(64)),
    Column("code", String(20)),
    Column("settled", String(20)),
    Index("ix_attempts_reply_id", "reply_id"),
    one_of("ending", AttemptEnd),
    one_of("settled", Settled),
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

OPEN = attempts.c.ending.is_(None)
Index("ix_attempts_open", attempts.c.started_at, sqlite_where=OPEN, postgresql_where=OPEN)
