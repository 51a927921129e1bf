"""Languages, codes, cases, pages; what a binding hangs on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("phones") as batch:
        batch.add_column(sa.Column("language", sa.String(2), nullable=False, server_default="id"))
        batch.add_column(
            sa.Column("wants_news", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("bindings") as batch:
        batch.add_column(sa.Column("on_file", sa.LargeBinary()))
        batch.add_column(sa.Column("used_at", Instant))
    op.execute("UPDATE bindings SET used_at = bound_at")
    with op.batch_alter_table("bindings") as batch:
        batch.alter_column("used_at", existing_type=Instant, nullable=False)
    _kinds("'consent', 'choice', 'draft', 'suggestion'")
    op.create_table(
        "codes",
        sa.Column("id", Id, nullable=False),
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("nkp_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("nkp", sa.LargeBinary(), nullable=False),
        sa.Column("on_file_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("on_file", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("wrong_tries", sa.Integer(), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name="fk_codes_phone_id_phones"),
        sa.PrimaryKeyConstraint("id", name="pk_codes"),
    )
    for column in ("phone_id", "nkp_hash", "on_file_hash"):
        op.create_index(f"ix_codes_{column}", "codes", [column])
    op.create_table(
        "freezes",
        sa.Column("nkp_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("nkp_hash", name="pk_freezes"),
    )
    op.create_table(
        "pages",
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("texts", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name="fk_pages_phone_id_phones"),
        sa.PrimaryKeyConstraint("phone_id", name="pk_pages"),
    )
    op.create_table(
        "named",
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("identity_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name="fk_named_phone_id_phones"),
        sa.PrimaryKeyConstraint("phone_id", "identity_hash", name="pk_named"),
    )
    op.create_index("ix_named_identity_hash", "named", ["identity_hash"])
    op.create_table(
        "cases",
        sa.Column("id", Id, nullable=False),
        sa.Column("number", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("phone_id", Id, nullable=False),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("closed_at", Instant),
        sa.CheckConstraint("kind IN ('complaint', 'data_request')", name="ck_cases_kind"),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name="fk_cases_phone_id_phones"),
        sa.PrimaryKeyConstraint("id", name="pk_cases"),
        sa.UniqueConstraint("number", name="uq_cases_number"),
    )
    op.create_index("ix_cases_phone_id", "cases", ["phone_id"])


def downgrade() -> None:
    for table in ("cases", "named", "pages", "freezes", "codes"):
        op.drop_table(table)
    op.execute("DELETE FROM questions WHERE kind IN ('draft', 'suggestion')")
    _kinds("'consent', 'choice'")
    with op.batch_alter_table("bindings") as batch:
        batch.drop_column("used_at")
        batch.drop_column("on_file")
    with op.batch_alter_table("phones") as batch:
        batch.drop_column("wants_news")
        batch.drop_column("language")


def _kinds(listed: str) -> None:
    with op.batch_alter_table("questions") as batch:
        batch.drop_constraint(op.f("ck_questions_kind"), type_="check")
        batch.create_check_constraint(op.f("ck_questions_kind"), f"kind IN ({listed})")
