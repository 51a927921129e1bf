"""Creates the tables of holidays, and of planned changes of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0002_from_0001"
down_revision = "0001"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "holidays",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("added_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_holidays")),
    )
    op.create_table(
        "planned_changes",
        sa.Column("id", Id, nullable=False),
        sa.Column("table_name", sa.String(length=40), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("holds_from", sa.Date(), nullable=False),
        sa.Column("planned_by", sa.String(length=64), nullable=False),
        sa.Column("planned_at", Instant, nullable=False),
        sa.Column("fault", sa.String(length=20), nullable=True),
        sa.Column("mac", sa.LargeBinary(length=33), nullable=False),
        sa.CheckConstraint(
            "fault IN ('changed', 'refused')", name=op.f("ck_planned_changes_fault")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planned_changes")),
    )
    op.create_index("ix_planned_changes_holds_from", "planned_changes", ["holds_from"])


def downgrade() -> None:
    op.drop_table("planned_changes")
    op.drop_table("holidays")
