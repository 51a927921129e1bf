"""Creates the participant ledger with the columns of its CSV files."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "balances",
        sa.Column("nkp", sa.String(length=20), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("contributions", sa.BigInteger(), nullable=True),
        sa.Column("returns", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("nkp", "as_of", name=op.f("pk_balances")),
    )
    op.create_table(
        "claims",
        sa.Column("claim_no", sa.String(length=20), nullable=False),
        sa.Column("nkp", sa.String(length=20), nullable=True),
        sa.Column("program", sa.String(length=10), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("stage", sa.String(length=20), nullable=True),
        sa.Column("filed_on", sa.Date(), nullable=True),
        sa.Column("updated_on", sa.Date(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("claim_no", name=op.f("pk_claims")),
    )
    with op.batch_alter_table("claims", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_claims_nkp"), ["nkp"], unique=False)

    op.create_table(
        "contacts",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("hours", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_contacts")),
    )
    op.create_table(
        "contributions",
        sa.Column("nkp", sa.String(length=20), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("jht", sa.BigInteger(), nullable=True),
        sa.Column("jp", sa.BigInteger(), nullable=True),
        sa.Column("jkk", sa.BigInteger(), nullable=True),
        sa.Column("jkm", sa.BigInteger(), nullable=True),
        sa.Column("jkp", sa.BigInteger(), nullable=True),
        sa.Column("paid_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("nkp", "month", name=op.f("pk_contributions")),
    )
    op.create_table(
        "offices",
        sa.Column("code", sa.String(length=10), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("city", sa.String(length=60), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("hours", sa.Text(), nullable=True),
        sa.Column("timezone", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_offices")),
    )
    with op.batch_alter_table("offices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_offices_city"), ["city"], unique=False)

    op.create_table(
        "participants",
        sa.Column("nkp", sa.String(length=20), nullable=False),
        sa.Column("nik", sa.String(length=16), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("phone", sa.String(length=16), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("category", sa.String(length=10), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=True),
        sa.Column("status_since", sa.Date(), nullable=True),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("employer", sa.Text(), nullable=True),
        sa.Column("emergency_name", sa.Text(), nullable=True),
        sa.Column("emergency_phone", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("nkp", name=op.f("pk_participants")),
    )
    with op.batch_alter_table("participants", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_participants_nik"), ["nik"], unique=False)
        batch_op.create_index(batch_op.f("ix_participants_phone"), ["phone"], unique=False)

    op.create_table(
        "programs",
        sa.Column("nkp", sa.String(length=20), nullable=False),
        sa.Column("program", sa.String(length=10), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("nkp", "program", "since", name=op.f("pk_programs")),
    )
    op.create_table(
        "rates",
        sa.Column("program", sa.String(length=20), nullable=False),
        sa.Column("category", sa.String(length=30), nullable=False),
        sa.Column("item", sa.String(length=30), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("value", sa.String(length=20), nullable=True),
        sa.Column("unit", sa.String(length=10), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "program", "category", "item", "effective_from", name=op.f("pk_rates")
        ),
    )


def downgrade() -> None:
    op.drop_table("rates")
    op.drop_table("programs")
    with op.batch_alter_table("participants", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_participants_phone"))
        batch_op.drop_index(batch_op.f("ix_participants_nik"))

    op.drop_table("participants")
    with op.batch_alter_table("offices", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_offices_city"))

    op.drop_table("offices")
    op.drop_table("contributions")
    op.drop_table("contacts")
    with op.batch_alter_table("claims", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_claims_nkp"))

    op.drop_table("claims")
    op.drop_table("balances")
