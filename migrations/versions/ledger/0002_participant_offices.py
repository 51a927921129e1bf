"""Creates the table that says whose office is which."""

import sqlalchemy as sa
from alembic import op

revision = "0002_from_0001"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "participant_offices",
        sa.Column("nkp", sa.String(length=20), nullable=False),
        sa.Column("office", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("nkp", name="pk_participant_offices"),
    )


def downgrade() -> None:
    op.drop_table("participant_offices")
