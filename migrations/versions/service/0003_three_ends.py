"""Replies expire, have a priority, and are settled when nobody knows whether they went out."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Instant = sa.DateTime(timezone=True)
STATES = "'queued', 'sending', 'unknown', 'sent', 'refused', 'undelivered', 'delivered'"
QUEUED = sa.text("state = 'queued'")
UNFINISHED = sa.text("state IN ('queued', 'sending', 'unknown')")


def upgrade() -> None:
    _states("messages", "'received', 'answered', 'failed'")
    op.drop_index("ix_replies_state", "replies")
    with op.batch_alter_table("replies") as batch:
        batch.add_column(sa.Column("priority", sa.SmallInteger()))
        batch.add_column(sa.Column("expires_at", Instant))
        batch.add_column(sa.Column("waited", sa.Float()))
        batch.alter_column("due_at", existing_type=Instant, nullable=True)
    replies = sa.table("replies", sa.column("priority"), sa.column("expires_at", Instant))
    soon = datetime.now(UTC) + timedelta(hours=2)
    op.execute(replies.update().values(priority=0, expires_at=soon))
    with op.batch_alter_table("replies") as batch:
        batch.alter_column("priority", existing_type=sa.SmallInteger(), nullable=False)
        batch.alter_column("expires_at", existing_type=Instant, nullable=False)
    _states("replies", STATES + ", 'expired'")
    queue = ["carrier", "lane", "priority", "id"]
    op.create_index(
        "ix_replies_queue", "replies", queue, sqlite_where=QUEUED, postgresql_where=QUEUED
    )
    op.create_index(
        "ix_replies_unfinished",
        "replies",
        ["state", "due_at"],
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    )
    with op.batch_alter_table("attempts") as batch:
        batch.add_column(sa.Column("settled", sa.String(20)))
        batch.create_check_constraint(
            op.f("ck_attempts_settled"),
            "settled IN ('report', 'found', 'absent', 'resent', 'closed')",
        )


def downgrade() -> None:
    with op.batch_alter_table("attempts") as batch:
        batch.drop_constraint(op.f("ck_attempts_settled"), type_="check")
        batch.drop_column("settled")
    op.drop_index("ix_replies_unfinished", "replies")
    op.drop_index("ix_replies_queue", "replies")
    op.execute("UPDATE replies SET state = 'refused' WHERE state = 'expired'")
    op.execute("UPDATE replies SET due_at = made_at WHERE due_at IS NULL")
    _states("replies", STATES)
    with op.batch_alter_table("replies") as batch:
        batch.drop_column("waited")
        batch.drop_column("expires_at")
        batch.drop_column("priority")
        batch.alter_column("due_at", existing_type=Instant, nullable=False)
    op.create_index("ix_replies_state", "replies", ["state", "lane", "due_at"])
    op.execute("UPDATE messages SET state = 'answered' WHERE state = 'failed'")
    _states("messages", "'received', 'answered'")


def _states(table: str, listed: str) -> None:
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(op.f(f"ck_{table}_state"), type_="check")
        batch.create_check_constraint(op.f(f"ck_{table}_state"), f"state IN ({listed})")
