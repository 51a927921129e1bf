"""Declares the tables of what is known of a phone."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    false,
    literal_column,
)

from smsgw.storage.tables.types import Id, Instant, one_of, service


class MadeBy(StrEnum):
    """Says who bound a phone."""

    CONSENT = "consent"  # YA, from the number on file
    CODE = "code"  # sent to the number on file, typed on another phone
    OFFICER = "officer"


class QuestionKind(StrEnum):
    CONSENT = "consent"
    CHOICE = "choice"
    DRAFT = "draft"
    SUGGESTION = "suggestion"
    IDENTITY = "identity"


# Every message updates a row: with room on its page, none of the indexes has to be written.
UPDATED_OFTEN = {"fillfactor": 80}

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
    # Not used any more: a wish without its time and words is no consent (`subscriptions`).
    Column("wants_news", Boolean, nullable=False, server_default=false()),
    Column("last_message_id", Id),
    Column("last_reply_id", Id),  # what ULANG repeats
    postgresql_with=UPDATED_OFTEN,
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
    Index("ix_bindings_nkp_hash", "nkp_hash", "bound_at"),
    one_of("made_by", MadeBy),
    postgresql_with=UPDATED_OFTEN,
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
    Column("repeats", Integer, nullable=False, server_default="0"),  # it was asked again
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
    named.c.at,
    named.c.phone_id,
    sqlite_where=DECOY_NAMED,
    postgresql_where=DECOY_NAMED,
)

decoys = Table(
    "decoys",  # NKPs that were never issued: keyed hashes, so that the rows alone tell no number
    service,
    Column("nkp_hash", LargeBinary(32), primary_key=True),
    Column("made_at", Instant, nullable=False),
)


class RegistrationState(StrEnum):
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    REPLACED = "replaced"  # the phone sent another one
    CODE = "code"  # the code that was sent settled it
    LAPSED = "lapsed"  # by BUKAN SAYA or HAPUS DATA, or its time is over


registrations = Table(
    "registrations",  # from phones that are not on file
    service,
    Column("id", Id, primary_key=True),
    Column("phone_id", Id, ForeignKey("phones.id"), nullable=False),
    Column("message_id", Id, nullable=False),
    Column("given", LargeBinary),  # JSON; none once its time is over
    Column("agreed_by", String(64)),  # the first of two officers, where something differs
    Column("state", String(20), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("ix_registrations_phone_id", "phone_id"),
    one_of("state", RegistrationState),
)

registration_looks = Table(
    "registration_looks",  # who looked at which: nobody accepts what they have not seen
    service,
    Column("registration_id", Id, ForeignKey("registrations.id"), primary_key=True),
    Column("actor", String(64), primary_key=True),
    Column("at", Instant, nullable=False),
)

WAITS = registrations.c.state == "waiting"

Index("ix_registrations_waiting", registrations.c.id, sqlite_where=WAITS, postgresql_where=WAITS)

GIVEN = registrations.c.given.is_not(None)

Index("ix_registrations_given", registrations.c.made_at, sqlite_where=GIVEN, postgresql_where=GIVEN)
