"""The operators' console: operators, what they publish and wait for, and sums by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Instant = sa.DateTime(timezone=True)
WAITS, GIVEN = sa.text("state = 'waiting'"), sa.text("given IS NOT NULL")
NOT_CLOSED = sa.text("closed_at IS NULL")
AT_WORK = sa.text("kind = 'rehearsal' AND state IN ('waiting', 'running')")
TABLES = (
    *("reply_tallies", "tallies", "registrations", "tasks", "transcripts", "drafts"),
    *("configurations", "sessions", "operators"),
)


def upgrade() -> None:
    _operators()
    _configurations()
    _waiting()
    _tallies()
    with op.batch_alter_table("cases") as batch:
        batch.add_column(sa.Column("assigned_to", Id))
        batch.create_foreign_key(
            op.f("fk_cases_assigned_to_operators"), "operators", ["assigned_to"], ["id"]
        )
    op.create_index(
        "ix_cases_open", "cases", ["id"], sqlite_where=NOT_CLOSED, postgresql_where=NOT_CLOSED
    )
    op.create_index("ix_guesses_at", "guesses", ["at", "phone_id"])
    op.add_column("messages", sa.Column("configuration", sa.Integer()))
    op.add_column("replies", sa.Column("wording", sa.String(60)))
    op.create_index("ix_messages_received_at", "messages", ["received_at", "id"])
    for column in ("carrier", "keyword", "outcome"):
        op.create_index(f"ix_messages_{column}", "messages", [column, "id"])


def downgrade() -> None:
    for column in ("outcome", "keyword", "carrier", "received_at"):
        op.drop_index(f"ix_messages_{column}", "messages")
    with op.batch_alter_table("replies") as batch:
        batch.drop_column("wording")
    with op.batch_alter_table("messages") as batch:
        batch.drop_column("configuration")
    op.drop_index("ix_guesses_at", "guesses")
    op.drop_index("ix_cases_open", "cases")
    with op.batch_alter_table("cases") as batch:
        batch.drop_constraint(op.f("fk_cases_assigned_to_operators"), type_="foreignkey")
        batch.drop_column("assigned_to")
    for table in TABLES:
        op.drop_table(table)


def _operators() -> None:
    op.create_table(
        "operators",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("password", sa.String(200)),
        sa.Column("once_hash", sa.LargeBinary(32)),
        sa.Column("once_until", Instant),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("disabled_at", Instant),
        sa.CheckConstraint(
            "role IN ('viewer', 'agent', 'editor', 'publisher', 'admin')",
            name=op.f("ck_operators_role"),
        ),
        sa.UniqueConstraint("name", name=op.f("uq_operators_name")),
        sa.UniqueConstraint("once_hash", name=op.f("uq_operators_once_hash")),
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("operator_id", Id, nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_sessions_operator_id_operators")
        ),
    )
    op.create_index("ix_sessions_operator_id", "sessions", ["operator_id"])


def _configurations() -> None:
    op.create_table(
        "configurations",
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("published_at", Instant, nullable=False),
        sa.Column("published_by", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("was", sa.Integer()),
    )
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text()),
        sa.Column("based_on", sa.Integer(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
        sa.Column("authors", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_drafts_one")),
    )
    op.create_table(
        "transcripts",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
    )


def _waiting() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("operator_id", Id, nullable=False),
        sa.Column("asked", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("is_to_stop", sa.Boolean(), nullable=False),
        sa.Column("found", sa.LargeBinary()),
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
    )
    op.create_index("ix_tasks_operator_id", "tasks", ["operator_id", "id"])
    op.create_index(
        "ix_tasks_rehearsal",
        "tasks",
        ["kind"],
        unique=True,
        sqlite_where=AT_WORK,
        postgresql_where=AT_WORK,
    )
    op.create_table(
        "registrations",
        sa.Column("id", Id, primary_key=True),
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("given", sa.LargeBinary()),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
        sa.CheckConstraint(
            "state IN ('waiting', 'accepted', 'refused', 'replaced', 'code', 'lapsed')",
            name=op.f("ck_registrations_state"),
        ),
        sa.ForeignKeyConstraint(
            ["phone_id"], ["phones.id"], name=op.f("fk_registrations_phone_id_phones")
        ),
    )
    op.create_index("ix_registrations_phone_id", "registrations", ["phone_id"])
    op.create_index(
        "ix_registrations_waiting",
        "registrations",
        ["id"],
        sqlite_where=WAITS,
        postgresql_where=WAITS,
    )
    op.create_index(
        "ix_registrations_given",
        "registrations",
        ["made_at"],
        sqlite_where=GIVEN,
        postgresql_where=GIVEN,
    )


def _tallies() -> None:
    op.create_table(
        "tallies",
        sa.Column("hour", Instant, primary_key=True),
        *(
            sa.Column(name, sa.String(20), primary_key=True)
            for name in ("carrier", "keyword", "outcome", "reason")
        ),
        sa.Column("messages", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "reply_tallies",
        sa.Column("hour", Instant, primary_key=True),
        sa.Column("carrier", sa.String(20), primary_key=True),
        sa.Column("bucket", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("replies", sa.BigInteger(), nullable=False),
        sa.Column("segments", sa.BigInteger(), nullable=False),
        sa.Column("waited", sa.Float(), nullable=False),
    )
