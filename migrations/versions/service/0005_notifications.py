"""Creates the tables of notifications, and an index that finds the bindings of a participant."""

import sqlalchemy as sa
from alembic import op

revision = "0005_from_0001"
down_revision = "0004_from_0001"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Instant = sa.DateTime(timezone=True)
KINDS = "kind IN ('balance', 'contribution', 'claim', 'data', 'status')"
STATES = (
    "state IN ('planned', 'queued', 'sent', 'delivered', 'failed', 'expired', 'ended', 'moot', "
    "'stopped')"
)
UNDER_WAY = sa.text("ended_at IS NULL")
PLANNED = sa.text("state = 'planned'")
UNSETTLED = sa.text("state IN ('queued', 'sent')")


def _required(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def _kinds(table: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(KINDS, name=op.f(f"ck_{table}_kind"))


def upgrade() -> None:
    _create_subscriptions()
    _create_kinds()
    _create_runs()
    _create_notifications()
    op.create_index("ix_bindings_nkp_hash", "bindings", ["nkp_hash", "bound_at"])


def _create_subscriptions() -> None:
    op.create_table(
        "subscriptions",
        _required("id", Id),
        _required("kind", sa.String(length=20)),
        _required("phone_id", Id),
        _required("consented_at", Instant),
        sa.Column("consent", sa.LargeBinary()),
        sa.Column("ended_at", Instant),
        sa.Column("mac", sa.LargeBinary(length=33)),
        _kinds("subscriptions"),
        sa.ForeignKeyConstraint(
            ["phone_id"], ["phones.id"], name=op.f("fk_subscriptions_phone_id_phones")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint("kind", "phone_id", name=op.f("uq_subscriptions_kind_phone_id")),
    )
    op.create_index("ix_subscriptions_phone_id", "subscriptions", ["phone_id"])
    op.create_table(
        "notification_digests",
        _required("binding_id", Id),
        _required("kind", sa.String(length=20)),
        _required("digest", sa.LargeBinary(length=320)),
        _kinds("notification_digests"),
        sa.PrimaryKeyConstraint("binding_id", "kind", name=op.f("pk_notification_digests")),
    )


def _create_kinds() -> None:
    op.create_table(
        "notification_kinds",
        _required("kind", sa.String(length=20)),
        _required("is_on", sa.Boolean()),
        _required("is_paused", sa.Boolean()),
        _required("changed_by", sa.String(length=64)),
        _required("changed_at", Instant),
        sa.Column("dry_run_at", Instant),
        sa.Column("looked_at", Instant),
        sa.Column("changes_until", Instant),
        _required("mac", sa.LargeBinary(length=33)),
        _kinds("notification_kinds"),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_notification_kinds")),
    )
    op.create_table(
        "notification_days",
        _required("day", sa.Date()),
        _required("segments", sa.BigInteger()),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_notification_days")),
    )


def _create_runs() -> None:
    table = "notification_runs"
    op.create_table(
        table,
        _required("id", Id),
        _required("kind", sa.String(length=20)),
        _required("state", sa.String(length=20)),
        _required("is_dry", sa.Boolean()),
        _required("started_by", sa.String(length=64)),
        _required("started_at", Instant),
        _required("cursor", Id),
        _required("looked_at", sa.Integer()),
        _required("found", sa.Integer()),
        sa.Column("samples", sa.String(length=200)),
        sa.Column("audience", sa.String(length=20)),
        sa.Column("audience_of", sa.String(length=20)),
        sa.Column("text_id", sa.Text()),
        sa.Column("text_en", sa.Text()),
        sa.Column("expires_at", Instant),
        sa.Column("approved_by", sa.String(length=64)),
        sa.Column("approved_at", Instant),
        sa.Column("ended_at", Instant),
        _required("mac", sa.LargeBinary(length=33)),
        _kinds(table),
        sa.CheckConstraint(
            "state IN ('looking', 'waiting', 'sending', 'done', 'stopped')",
            name=op.f("ck_notification_runs_state"),
        ),
        sa.CheckConstraint(
            "audience IN ('all', 'office', 'program', 'list')",
            name=op.f("ck_notification_runs_audience"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_runs")),
    )
    _create_partial_index("ix_notification_runs_under_way", table, ["id"], UNDER_WAY)
    op.create_table(
        "notification_lists",
        _required("run_id", Id),
        _required("nkp_hash", sa.LargeBinary(length=32)),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["notification_runs.id"],
            name=op.f("fk_notification_lists_run_id_notification_runs"),
        ),
        sa.PrimaryKeyConstraint("run_id", "nkp_hash", name=op.f("pk_notification_lists")),
    )


def _create_notifications() -> None:
    table = "notifications"
    op.create_table(
        table,
        _required("id", Id),
        _required("run_id", Id),
        _required("kind", sa.String(length=20)),
        _required("period", sa.String(length=24)),
        _required("nkp_hash", sa.LargeBinary(length=32)),
        _required("phone_id", Id),
        _required("binding_id", Id),
        sa.Column("about", sa.LargeBinary(length=16)),
        _required("state", sa.String(length=20)),
        _required("made_at", Instant),
        _required("due_at", Instant),
        _required("expires_at", Instant),
        sa.Column("queued_at", Instant),
        sa.Column("reply_id", Id),
        _required("says_stop", sa.Boolean()),
        _kinds(table),
        sa.CheckConstraint(STATES, name=op.f("ck_notifications_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint(
            "nkp_hash", "kind", "period", name=op.f("uq_notifications_nkp_hash_kind_period")
        ),
    )
    op.create_index("ix_notifications_phone_id", table, ["phone_id", "id"])
    op.create_index("ix_notifications_run_id", table, ["run_id", "state"])
    op.create_index("ix_notifications_made_at", table, ["made_at"])
    _create_partial_index("ix_notifications_planned", table, ["due_at", "id"], PLANNED)
    _create_partial_index("ix_notifications_unsettled", table, ["made_at", "id"], UNSETTLED)


def _create_partial_index(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_index("ix_bindings_nkp_hash", "bindings")
    for table in (
        "notifications",
        "notification_lists",
        "notification_runs",
        "notification_days",
        "notification_kinds",
        "notification_digests",
        "subscriptions",
    ):
        op.drop_table(table)
