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
        # With a constant default millions of rows need not be written.
        batch.add_column(
            sa.Column("priority", sa.SmallInteger(), nullable=False, server_default="0")
        )
        batch.add_column(
            sa.Column("expires_at", Instant, nullable=False, server_default="2000-01-01 00:00:00")
        )
        batch.add_column(sa.Column("waited", sa.Float()))
        batch.alter_column("due_at", existing_type=Instant, nullable=True)
    replies = sa.table(
        "replies",
        sa.column("state"),
        sa.column("made_at", Instant),
        sa.column("due_at", Instant),
        sa.column("expires_at", Instant),
    )
    now, validity = datetime.now(UTC), timedelta(hours=2)
    waits = replies.c.state.in_(["queued", "sending"]) & (replies.c.made_at > now - validity)
    op.execute(replies.update().where(waits).values(expires_at=now + validity))
    # Nobody looked into these until now; what is weeks old must not be sent again.
    op.execute(replies.update().where(replies.c.state == "unknown").values(due_at=None))
    with op.batch_alter_table("replies") as batch:
        batch.alter_column("priority", server_default=None)
        batch.alter_column("expires_at", server_default=None)
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
    op.create_index(
        "ix_attempts_open",
        "attempts",
        ["started_at"],
        sqlite_where=sa.text("ending IS NULL"),
        postgresql_where=sa.text("ending IS NULL"),
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
    op.drop_index("ix_attempts_open", "attempts")
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
