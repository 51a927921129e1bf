"""Bringing a database's schema to where this version needs it.

Two histories, each with one head: the service's tables, and the ledger's, which may live in the
same database or in one of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

Which = Literal["service", "ledger"]
PATIENCE = 60_000  # milliseconds for another migrator to be done
VERSION_TABLES: dict[Which, str] = {"service": "alembic_version", "ledger": "ledger_version"}


def upgrade(engine: Engine, which: Which, revision: str = "head") -> None:
    with _rebuilding(engine) as connection:
        command.upgrade(_config(which, connection=connection), revision)


def downgrade(engine: Engine, which: Which, revision: str) -> None:
    with _rebuilding(engine) as connection:
        command.downgrade(_config(which, connection=connection), revision)


@cache
def head(which: Which) -> str | None:
    return ScriptDirectory.from_config(_config(which)).get_current_head()


def fault(engine: Engine, which: Which, remedy: str) -> str | None:
    """What is wrong with a schema; None where it is the one that this version needs. Raises
    SQLAlchemyError."""
    at, wanted = current(engine, which), head(which)
    if at == wanted:
        return None
    told = f"its schema is {at or 'absent'}, not {wanted}; run {remedy}"
    is_known = at is None or at in _known(which)
    return told if is_known else f"{told}, or start the version that it is for"


def current(engine: Engine, which: Which) -> str | None:
    """None for a database that was never migrated."""
    with engine.connect() as connection:
        table = {"version_table": VERSION_TABLES[which]}
        return MigrationContext.configure(connection, opts=table).get_current_revision()


@cache
def _known(which: Which) -> frozenset[str]:
    scripts = ScriptDirectory.from_config(_config(which))
    return frozenset(each.revision for each in scripts.walk_revisions())


@contextmanager
def _rebuilding(engine: Engine) -> Iterator[Connection]:
    """SQLite changes a table by making it anew, which no row that points to it may forbid."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            yield connection
            return
        driver = connection.connection.cursor()  # the setting is deaf inside a transaction
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute(f"PRAGMA busy_timeout={PATIENCE}")
        try:
            yield connection
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _config(which: Which, **attributes: object) -> Config:
    scripts = resources.files("migrations")
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("version_locations", str(scripts / "versions" / which))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(attributes, version_table=VERSION_TABLES[which])
    return config
