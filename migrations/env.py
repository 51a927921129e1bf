"""Runs a history over the connection that smsgw.storage.migrations hands in."""

from alembic import context
from sqlalchemy import text

from smsgw.storage.migrations import is_declared
from smsgw.storage.schema_version import LOCKED_FOR

CONNECTION = context.config.attributes["connection"]
LOCK = 7_267_493  # any number, the same for every migrator
PATIENCE = "60s"  # for another one

context.configure(
    connection=CONNECTION,
    target_metadata=context.config.attributes.get("target_metadata"),
    version_table=context.config.attributes["version_table"],
    include_name=is_declared,
    render_as_batch=CONNECTION.dialect.name == "sqlite",
    # On SQLite too: between two revisions another migrator would make the tables of the second.
    transactional_ddl=True,
)
with context.begin_transaction():
    if CONNECTION.dialect.name == "postgresql":
        # Two release steps at once would race for the same tables.
        CONNECTION.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
        CONNECTION.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        CONNECTION.execute(text(f"SET LOCAL lock_timeout = '{LOCKED_FOR}'"))
    context.run_migrations()
    if CONNECTION.dialect.name == "sqlite":
        orphans = CONNECTION.exec_driver_sql("PRAGMA foreign_key_check").all()
        if orphans:
            raise RuntimeError(f"rows that point to nothing: {orphans}")
CONNECTION.commit()
