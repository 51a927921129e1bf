"""Creates the service's tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Instant = sa.DateTime(timezone=True)


TABLES = (  # those that point to others first
    "attempts",
    "replies",
    "registration_looks",
    "wrong_codes",
    "tasks",
    "sessions",
    "registrations",
    "questions",
    "pages",
    "named",
    "messages",
    "guesses",
    "codes",
    "case_exports",
    "cases",
    "bindings",
    "transcripts",
    "tallies",
    "send_tallies",
    "reply_tallies",
    "rejections",
    "phones",
    "past_drafts",
    "past_bindings",
    "parts",
    "message_refs",
    "operators",
    "freezes",
    "freeze_counts",
    "failure_tallies",
    "failed_checks",
    "drafts",
    "deleted_months",
    "decoys",
    "data_keys",
    "configurations",
    "audit_head",
    "audit",
    "answer_tallies",
)


def upgrade() -> None:
    _answer_tallies()
    _audit()
    _audit_head()
    _configurations()
    _data_keys()
    _decoys()
    _deleted_months()
    _drafts()
    _failed_checks()
    _failure_tallies()
    _freeze_counts()
    _freezes()
    _operators()
    _message_refs()
    _parts()
    _past_bindings()
    _past_drafts()
    _phones()
    _rejections()
    _reply_tallies()
    _send_tallies()
    _tallies()
    _transcripts()
    _bindings()
    _cases()
    _codes()
    _guesses()
    _messages()
    _named()
    _pages()
    _questions()
    _registrations()
    _sessions()
    _tasks()
    _wrong_codes()
    _registration_looks()
    _replies()
    _attempts()
    _month_partitions()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)


def _answer_tallies() -> None:
    op.create_table(
        "answer_tallies",
        sa.Column("hour", Instant, nullable=False),
        sa.Column("carrier", sa.String(length=20), nullable=False),
        sa.Column("answers", sa.BigInteger(), nullable=False),
        sa.Column("within_5s", sa.BigInteger(), nullable=False),
        sa.Column("within_10s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "carrier", name=op.f("pk_answer_tallies")),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=40), nullable=False),
        sa.Column("phone_id", Id, nullable=True),
        sa.Column("message_id", Id, nullable=True),
        sa.Column("subject", sa.LargeBinary(length=32), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("seal", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("number", name=op.f("uq_audit_number")),
        sa.UniqueConstraint("salt", name=op.f("uq_audit_salt")),
    )
    op.create_index(
        "ix_audit_unsealed",
        "audit",
        ["id"],
        unique=False,
        sqlite_where=sa.text("number IS NULL"),
        postgresql_where=sa.text("number IS NULL"),
    )


def _audit_head() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )


def _configurations() -> None:
    op.create_table(
        "configurations",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("published_at", Instant, nullable=False),
        sa.Column("published_by", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("was", sa.Integer(), nullable=True),
        sa.Column("mac", sa.LargeBinary(length=33), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_configurations")),
    )


def _data_keys() -> None:
    op.create_table(
        "data_keys",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("copy", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("retired_at", Instant, nullable=True),
        sa.CheckConstraint("purpose IN ('data', 'hash')", name=op.f("ck_data_keys_purpose")),
        sa.PrimaryKeyConstraint("id", "copy", name=op.f("pk_data_keys")),
    )


def _decoys() -> None:
    op.create_table(
        "decoys",
        sa.Column("nkp_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("nkp_hash", name=op.f("pk_decoys")),
    )


def _deleted_months() -> None:
    op.create_table(
        "deleted_months",
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_deleted_months")),
    )


def _drafts() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("based_on", sa.Integer(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
        sa.Column("authors", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_drafts_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
    )


def _failed_checks() -> None:
    op.create_table(
        "failed_checks",
        sa.Column("id", Id, nullable=False),
        sa.Column("table_name", sa.String(length=40), nullable=False),
        sa.Column("row", sa.String(length=40), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("first_at", Instant, nullable=False),
        sa.Column("last_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_checks")),
        sa.UniqueConstraint("table_name", "row", name=op.f("uq_failed_checks_table_name_row")),
    )
    op.create_index("ix_failed_checks_first_at", "failed_checks", ["first_at"], unique=False)


def _failure_tallies() -> None:
    op.create_table(
        "failure_tallies",
        sa.Column("hour", Instant, nullable=False),
        sa.Column("carrier", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("replies", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "carrier", "state", "code", name=op.f("pk_failure_tallies")
        ),
    )


def _freeze_counts() -> None:
    op.create_table(
        "freeze_counts",
        sa.Column("nkp_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("freezes", sa.Integer(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=33), nullable=False),
        sa.PrimaryKeyConstraint("nkp_hash", name=op.f("pk_freeze_counts")),
    )
    op.create_index(
        "ix_freeze_counts_counted",
        "freeze_counts",
        ["nkp_hash"],
        unique=False,
        sqlite_where=sa.text("freezes > 0"),
        postgresql_where=sa.text("freezes > 0"),
    )


def _freezes() -> None:
    op.create_table(
        "freezes",
        sa.Column("id", Id, nullable=False),
        sa.Column("nkp_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("until", Instant, nullable=True),
        sa.Column("ended_at", Instant, nullable=True),
        sa.Column("mac", sa.LargeBinary(length=33), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_freezes")),
    )
    op.create_index("ix_freezes_nkp_hash", "freezes", ["nkp_hash"], unique=False)


def _operators() -> None:
    op.create_table(
        "operators",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=True),
        sa.Column("once_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("once_until", Instant, nullable=True),
        sa.Column("added_by", sa.String(length=64), nullable=True),
        sa.Column("invited_by", sa.String(length=64), nullable=True),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("disabled_at", Instant, nullable=True),
        sa.Column("mac", sa.LargeBinary(length=33), nullable=True),
        sa.CheckConstraint(
            "role IN ('viewer', 'agent', 'editor', 'publisher', 'admin')",
            name=op.f("ck_operators_role"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("name", name=op.f("uq_operators_name")),
        sa.UniqueConstraint("once_hash", name=op.f("uq_operators_once_hash")),
    )


def _message_refs() -> None:
    op.create_table(
        "message_refs",
        sa.Column("carrier", sa.String(length=20), nullable=False),
        sa.Column("carrier_ref", sa.String(length=64), nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("carrier", "carrier_ref", name=op.f("pk_message_refs")),
    )
    op.create_index("ix_message_refs_received_at", "message_refs", ["received_at"], unique=False)


def _parts() -> None:
    op.create_table(
        "parts",
        sa.Column("id", Id, nullable=False),
        sa.Column("carrier", sa.String(length=20), nullable=False),
        sa.Column("carrier_ref", sa.String(length=64), nullable=False),
        sa.Column("sender_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sender_id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("total", sa.SmallInteger(), nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=True),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("message_ref", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parts")),
        sa.UniqueConstraint(
            "carrier",
            "sender_hash",
            "reference",
            "number",
            "carrier_ref",
            name=op.f("uq_parts_carrier_sender_hash_reference_number_carrier_ref"),
        ),
    )
    op.create_index("ix_parts_received_at", "parts", ["received_at"], unique=False)
    op.create_index(
        "ix_parts_waiting",
        "parts",
        ["received_at"],
        unique=False,
        sqlite_where=sa.text("text IS NOT NULL"),
        postgresql_where=sa.text("text IS NOT NULL"),
    )


def _past_bindings() -> None:
    op.create_table(
        "past_bindings",
        sa.Column("phone_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("nkp_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("phone_hash", "nkp_hash", name=op.f("pk_past_bindings")),
    )


def _past_drafts() -> None:
    op.create_table(
        "past_drafts",
        sa.Column("id", Id, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("based_on", sa.Integer(), nullable=False),
        sa.Column("authors", sa.Text(), nullable=False),
        sa.Column("ended_at", Instant, nullable=False),
        sa.Column("ended_by", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_drafts")),
    )


def _phones() -> None:
    op.create_table(
        "phones",
        sa.Column("id", Id, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("number", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("stopped_at", Instant, nullable=True),
        sa.Column("language", sa.String(length=2), server_default="id", nullable=False),
        sa.Column("wants_news", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("last_message_id", Id, nullable=True),
        sa.Column("last_reply_id", Id, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phones")),
        sa.UniqueConstraint("hash", name=op.f("uq_phones_hash")),
        postgresql_with={"fillfactor": 80},
    )


def _rejections() -> None:
    op.create_table(
        "rejections",
        sa.Column("id", Id, nullable=False),
        sa.Column("nkp_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejections")),
    )
    op.create_index("ix_rejections_nkp_hash", "rejections", ["nkp_hash", "at"], unique=False)


def _reply_tallies() -> None:
    op.create_table(
        "reply_tallies",
        sa.Column("hour", Instant, nullable=False),
        sa.Column("carrier", sa.String(length=20), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("replies", sa.BigInteger(), nullable=False),
        sa.Column("segments", sa.BigInteger(), nullable=False),
        sa.Column("waited", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "carrier", "bucket", name=op.f("pk_reply_tallies")),
    )


def _send_tallies() -> None:
    op.create_table(
        "send_tallies",
        sa.Column("hour", Instant, nullable=False),
        sa.Column("carrier", sa.String(length=20), nullable=False),
        sa.Column("ending", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("settled", sa.String(length=20), nullable=False),
        sa.Column("sends", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "carrier", "ending", "code", "settled", name=op.f("pk_send_tallies")
        ),
    )


def _tallies() -> None:
    op.create_table(
        "tallies",
        sa.Column("hour", Instant, nullable=False),
        sa.Column("carrier", sa.String(length=20), nullable=False),
        sa.Column("keyword", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("answered", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "carrier", "keyword", "outcome", "reason", name=op.f("pk_tallies")
        ),
    )


def _transcripts() -> None:
    op.create_table(
        "transcripts",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcripts")),
    )


def _bindings() -> None:
    op.create_table(
        "bindings",
        sa.Column("id", Id, nullable=False),
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("nkp_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("nkp", sa.LargeBinary(), nullable=True),
        sa.Column("bound_at", Instant, nullable=False),
        sa.Column("consent", sa.LargeBinary(), nullable=True),
        sa.Column("consented_at", Instant, nullable=False),
        sa.Column("on_file", sa.LargeBinary(), nullable=True),
        sa.Column("on_file_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("made_by", sa.String(length=10), nullable=False),
        sa.Column("tells_from", Instant, nullable=True),
        sa.Column("used_at", Instant, nullable=False),
        sa.Column("wrong_answers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("wrong_since", Instant, nullable=True),
        sa.Column("mac", sa.LargeBinary(length=33), nullable=True),
        sa.Column("ended_at", Instant, nullable=True),
        sa.Column("lapsed_at", Instant, nullable=True),
        sa.CheckConstraint(
            "made_by IN ('consent', 'code', 'officer')", name=op.f("ck_bindings_made_by")
        ),
        sa.ForeignKeyConstraint(
            ["phone_id"], ["phones.id"], name=op.f("fk_bindings_phone_id_phones")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bindings")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_bindings_lapsed_at",
        "bindings",
        ["lapsed_at"],
        unique=False,
        sqlite_where=sa.text("lapsed_at IS NOT NULL"),
        postgresql_where=sa.text("lapsed_at IS NOT NULL"),
    )
    op.create_index("ix_bindings_on_file_hash", "bindings", ["on_file_hash"], unique=False)
    op.create_index("ix_bindings_phone_id", "bindings", ["phone_id"], unique=False)
    op.create_index(
        "uq_bindings_nkp_hash_active",
        "bindings",
        ["nkp_hash"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", Id, nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("text_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("closed_at", Instant, nullable=True),
        sa.Column("assigned_to", Id, nullable=True),
        sa.CheckConstraint(
            "kind IN ('complaint', 'data_request', 'access_request')", name=op.f("ck_cases_kind")
        ),
        sa.ForeignKeyConstraint(
            ["assigned_to"], ["operators.id"], name=op.f("fk_cases_assigned_to_operators")
        ),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name=op.f("fk_cases_phone_id_phones")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("number", name=op.f("uq_cases_number")),
    )
    op.create_index("ix_cases_message_id", "cases", ["message_id"], unique=False)
    op.create_index(
        "ix_cases_open",
        "cases",
        ["id"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_cases_phone_id", "cases", ["phone_id"], unique=False)
    op.create_table(
        "case_exports",
        sa.Column("case_id", Id, nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("approved_by", sa.String(length=64), nullable=True),
        sa.Column("approved_at", Instant, nullable=True),
        sa.Column("mac", sa.LargeBinary(length=33), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_case_exports_case_id_cases")
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_exports")),
    )


def _codes() -> None:
    op.create_table(
        "codes",
        sa.Column("id", Id, nullable=False),
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("nkp_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("nkp", sa.LargeBinary(), nullable=False),
        sa.Column("on_file_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("on_file", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("wrong_tries", sa.Integer(), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("ended_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name=op.f("fk_codes_phone_id_phones")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_codes")),
    )
    op.create_index("ix_codes_nkp_hash", "codes", ["nkp_hash"], unique=False)
    op.create_index("ix_codes_on_file_hash", "codes", ["on_file_hash"], unique=False)
    op.create_index("ix_codes_phone_id", "codes", ["phone_id"], unique=False)


def _guesses() -> None:
    op.create_table(
        "guesses",
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("identity_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["phone_id"], ["phones.id"], name=op.f("fk_guesses_phone_id_phones")
        ),
        sa.PrimaryKeyConstraint("phone_id", "identity_hash", name=op.f("pk_guesses")),
    )
    op.create_index("ix_guesses_at", "guesses", ["at", "phone_id"], unique=False)
    op.create_index("ix_guesses_identity_hash", "guesses", ["identity_hash"], unique=False)


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", Id, nullable=False),
        sa.Column("carrier", sa.String(length=20), nullable=False),
        sa.Column("carrier_ref", sa.String(length=64), nullable=False),
        sa.Column("sender_id", sa.String(length=64), nullable=False),
        sa.Column("phone_id", Id, nullable=True),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("text_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("keyword", sa.String(length=20), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("configuration", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("due_at", Instant, nullable=True),
        sa.CheckConstraint(
            "state IN ('received', 'answered', 'failed')", name=op.f("ck_messages_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("ix_messages_carrier", "messages", ["carrier", "id"], unique=False)
    op.create_index("ix_messages_keyword", "messages", ["keyword", "id"], unique=False)
    op.create_index("ix_messages_outcome", "messages", ["outcome", "id"], unique=False)
    op.create_index("ix_messages_phone_id", "messages", ["phone_id", "id"], unique=False)
    op.create_index("ix_messages_received_at", "messages", ["received_at", "id"], unique=False)
    op.create_index(
        "ix_messages_not_answered",
        "messages",
        ["state", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('received', 'failed')"),
        postgresql_where=sa.text("state IN ('received', 'failed')"),
    )
    op.create_index(
        "ix_messages_texts",
        "messages",
        ["received_at"],
        unique=False,
        sqlite_where=sa.text("text IS NOT NULL"),
        postgresql_where=sa.text("text IS NOT NULL"),
    )


def _named() -> None:
    op.create_table(
        "named",
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("identity_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("is_decoy", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name=op.f("fk_named_phone_id_phones")),
        sa.PrimaryKeyConstraint("phone_id", "identity_hash", name=op.f("pk_named")),
    )
    op.create_index(
        "ix_named_decoys",
        "named",
        ["at", "phone_id"],
        unique=False,
        sqlite_where=sa.text("is_decoy = true"),
        postgresql_where=sa.text("is_decoy = true"),
    )
    op.create_index("ix_named_identity_hash", "named", ["identity_hash"], unique=False)


def _pages() -> None:
    op.create_table(
        "pages",
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("texts", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name=op.f("fk_pages_phone_id_phones")),
        sa.PrimaryKeyConstraint("phone_id", name=op.f("pk_pages")),
    )


def _questions() -> None:
    op.create_table(
        "questions",
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("asked", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.CheckConstraint(
            "kind IN ('consent', 'choice', 'draft', 'suggestion', 'identity')",
            name=op.f("ck_questions_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["phone_id"], ["phones.id"], name=op.f("fk_questions_phone_id_phones")
        ),
        sa.PrimaryKeyConstraint("phone_id", name=op.f("pk_questions")),
    )


def _registrations() -> None:
    op.create_table(
        "registrations",
        sa.Column("id", Id, nullable=False),
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("given", sa.LargeBinary(), nullable=True),
        sa.Column("agreed_by", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("ended_at", Instant, nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'accepted', 'refused', 'replaced', 'code', 'lapsed')",
            name=op.f("ck_registrations_state"),
        ),
        sa.ForeignKeyConstraint(
            ["phone_id"], ["phones.id"], name=op.f("fk_registrations_phone_id_phones")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
    )
    op.create_index(
        "ix_registrations_given",
        "registrations",
        ["made_at"],
        unique=False,
        sqlite_where=sa.text("given IS NOT NULL"),
        postgresql_where=sa.text("given IS NOT NULL"),
    )
    op.create_index("ix_registrations_phone_id", "registrations", ["phone_id"], unique=False)
    op.create_index(
        "ix_registrations_waiting",
        "registrations",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("operator_id", Id, nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
        sa.Column("mac", sa.LargeBinary(length=33), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_sessions_operator_id_operators")
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_operator_id", "sessions", ["operator_id"], unique=False)


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("operator_id", Id, nullable=False),
        sa.Column("asked", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("is_to_stop", sa.Boolean(), nullable=False),
        sa.Column("found", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
        sa.CheckConstraint("kind IN ('rehearsal', 'search')", name=op.f("ck_tasks_kind")),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'stopped', 'failed')",
            name=op.f("ck_tasks_state"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_tasks_operator_id_operators")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index("ix_tasks_operator_id", "tasks", ["operator_id", "id"], unique=False)
    op.create_index(
        "ix_tasks_rehearsal",
        "tasks",
        ["kind"],
        unique=True,
        sqlite_where=sa.text("kind = 'rehearsal' AND state IN ('waiting', 'running')"),
        postgresql_where=sa.text("kind = 'rehearsal' AND state IN ('waiting', 'running')"),
    )


def _wrong_codes() -> None:
    op.create_table(
        "wrong_codes",
        sa.Column("id", Id, nullable=False),
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["phone_id"], ["phones.id"], name=op.f("fk_wrong_codes_phone_id_phones")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wrong_codes")),
    )
    op.create_index("ix_wrong_codes_at", "wrong_codes", ["at"], unique=False)
    op.create_index("ix_wrong_codes_phone_id", "wrong_codes", ["phone_id", "at"], unique=False)


def _registration_looks() -> None:
    op.create_table(
        "registration_looks",
        sa.Column("registration_id", Id, nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["registrations.id"],
            name=op.f("fk_registration_looks_registration_id_registrations"),
        ),
        sa.PrimaryKeyConstraint("registration_id", "actor", name=op.f("pk_registration_looks")),
    )


def _replies() -> None:
    op.create_table(
        "replies",
        sa.Column("id", Id, nullable=False),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("binding_id", Id, nullable=True),
        sa.Column("carrier", sa.String(length=20), nullable=False),
        sa.Column("sender_id", sa.String(length=64), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("wording", sa.String(length=60), nullable=True),
        sa.Column("encoding", sa.String(length=10), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("due_at", Instant, nullable=True),
        sa.Column("lease_until", Instant, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("carrier_ref", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=20), nullable=True),
        sa.Column("waited", sa.Float(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'unknown', 'expired', 'sent', 'refused',"
            " 'undelivered', 'delivered')",
            name=op.f("ck_replies_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replies")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("ix_replies_message_id", "replies", ["message_id"], unique=False)
    op.create_index("ix_replies_phone_id", "replies", ["phone_id", "id"], unique=False)
    op.create_index(
        "ix_replies_texts",
        "replies",
        ["made_at"],
        unique=False,
        sqlite_where=sa.text("text IS NOT NULL"),
        postgresql_where=sa.text("text IS NOT NULL"),
    )
    op.create_index(
        "ix_replies_unfinished",
        "replies",
        ["state", "carrier", "sender_id", "priority", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'sending', 'unknown')"),
        postgresql_where=sa.text("state IN ('queued', 'sending', 'unknown')"),
    )
    op.create_index(
        "ix_replies_notice_due",
        "replies",
        ["carrier", "sender_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'expired' AND due_at IS NOT NULL"),
        postgresql_where=sa.text("state = 'expired' AND due_at IS NOT NULL"),
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", Id, nullable=False),
        sa.Column("reply_id", Id, nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("ended_at", Instant, nullable=True),
        sa.Column("ending", sa.String(length=20), nullable=True),
        sa.Column("carrier_ref", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=20), nullable=True),
        sa.Column("settled", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "ending IN ('sent', 'refused', 'retry', 'unknown')", name=op.f("ck_attempts_ending")
        ),
        sa.CheckConstraint(
            "settled IN ('report', 'found', 'absent', 'resent', 'closed')",
            name=op.f("ck_attempts_settled"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "ix_attempts_open",
        "attempts",
        ["started_at"],
        unique=False,
        sqlite_where=sa.text("ending IS NULL"),
        postgresql_where=sa.text("ending IS NULL"),
    )
    op.create_index("ix_attempts_reply_id", "attempts", ["reply_id"], unique=False)


def _month_partitions() -> None:
    """Makes the partitions of rows that have no month of their own. Those of months are made when
    they are due (smsgw.storage.partitions)."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in ("messages", "replies", "attempts"):
        month = "to_char(now() AT TIME ZONE 'UTC', 'YYMM')::bigint * 1000000000000"
        default = f"{month} + nextval('{table}_id_seq'::regclass)"
        op.execute(f"ALTER TABLE {table} ALTER COLUMN id SET DEFAULT {default}")
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
