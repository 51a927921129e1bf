"""Counts how often an open question was asked again."""

import sqlalchemy as sa
from alembic import op

revision = "0003_from_0001"
down_revision = "0002_from_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    repeats = sa.Column("repeats", sa.Integer(), server_default="0", nullable=False)
    op.add_column("questions", repeats)


def downgrade() -> None:
    op.drop_column("questions", "repeats")
