"""Keys in the database, an audit of what was told and done, and texts that end."""

from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Instant = sa.DateTime(timezone=True)
HELD = sa.text("text IS NOT NULL")
ENDING = (
    ("phones", "number", sa.LargeBinary()),
    ("bindings", "nkp", sa.LargeBinary()),
    ("bindings", "consent", sa.LargeBinary()),
    ("messages", "text", sa.LargeBinary()),
    ("messages", "text_hash", sa.LargeBinary(32)),
    ("replies", "text", sa.LargeBinary()),
)


def upgrade() -> None:
    op.create_table(
        "data_keys",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("purpose", sa.String(10), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("retired_at", Instant),
        sa.CheckConstraint("purpose IN ('data', 'hash')", name=op.f("ck_data_keys_purpose")),
    )
    op.create_table(
        "audit",
        sa.Column("id", Id, primary_key=True),
        sa.Column("at", Instant, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("act", sa.String(40), nullable=False),
        sa.Column("phone_id", Id),
        sa.Column("message_id", Id),
        sa.Column("subject", sa.LargeBinary(32)),
        sa.Column("detail", sa.Text()),
        sa.Column("mac", sa.LargeBinary(32), nullable=False),
        sa.Column("number", sa.BigInteger()),
        sa.Column("seal", sa.LargeBinary(32)),
        sa.UniqueConstraint("number", name=op.f("uq_audit_number")),
    )
    unsealed = sa.text("number IS NULL")
    op.create_index(
        "ix_audit_unsealed", "audit", ["id"], sqlite_where=unsealed, postgresql_where=unsealed
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.LargeBinary(32), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_one")),
    )
    op.create_index("ix_cases_message_id", "cases", ["message_id"])
    _may_end(True)
    for table, at in (("messages", "received_at"), ("replies", "made_at")):
        op.create_index(f"ix_{table}_texts", table, [at], sqlite_where=HELD, postgresql_where=HELD)


def downgrade() -> None:
    """Without its keys what was sealed is lost to the version before, so this is for tests."""
    for table in ("messages", "replies"):
        op.drop_index(f"ix_{table}_texts", table)
    for table, column, kind in ENDING:
        ended = sa.table(table, sa.column(column, kind))
        op.execute(ended.update().where(ended.c[column].is_(None)).values({column: b""}))
    _may_end(False)
    op.drop_index("ix_cases_message_id", "cases")
    op.drop_table("audit_head")
    op.drop_index("ix_audit_unsealed", "audit")
    op.drop_table("audit")
    op.drop_table("data_keys")


def _may_end(nullable: bool) -> None:
    """A table at a time: SQLite makes each anew."""
    for table, columns in groupby(ENDING, key=itemgetter(0)):
        with op.batch_alter_table(table) as batch:
            for _, column, kind in columns:
                batch.alter_column(column, existing_type=kind, nullable=nullable)
