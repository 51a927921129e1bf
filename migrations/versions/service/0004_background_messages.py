"""Creates the table of the operators' private messages."""

import sqlalchemy as sa
from alembic import op

revision = "0004_from_0001"
down_revision = "0003_from_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "background_messages",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_background_messages_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_background_messages")),
    )


def downgrade() -> None:
    op.drop_table("background_messages")
