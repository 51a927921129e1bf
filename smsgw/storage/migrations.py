"""Brings a database's schema to where this version needs it, by Alembic.

There are two histories, each with one head: the service's tables, and the ledger's, which may live
in the same database or in one of its own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import OperationalError

from smsgw.storage import partitions
from smsgw.storage.schema_version import HAVE_SCHEMAS, VERSION_TABLES, Which, current, head

PATIENCE = 60.0  # seconds for another migrator to be done, on SQLite
TRIES, PAUSE = 3, 2.0  # seconds between two; who waits behind us is let through
LOCK_NOT_AVAILABLE = "55P03"


class NoSchemaHere(Exception):
    """Says that this database holds no schema of ours, and what to do."""


class TablesInUse(Exception):
    """Says that nothing was changed since others use the tables, who they are, and what to do."""


def upgrade(engine: Engine, which: Which, revision: str = "head") -> None:
    """Brings a schema up to date, the partitions of the next months too. Does without any lock
    where nothing is to do. Raises TablesInUse, NoSchemaHere."""
    require_home(engine)
    _try(engine, lambda: _upgrade(engine, which, revision))


def require_home(engine: Engine) -> None:
    """Raises NoSchemaHere."""
    if engine.dialect.name not in HAVE_SCHEMAS:
        raise NoSchemaHere(
            "smsgw makes and fills a ledger in PostgreSQL or SQLite only; in MySQL or MariaDB it "
            "reads your own tables or views: see docs/ledger.md, and run smsgw ledger check"
        )


def downgrade(engine: Engine, which: Which, revision: str) -> None:
    """Raises TablesInUse."""

    def change() -> None:
        with _rebuilding(engine) as connection:
            _run(connection, "downgrade", which, revision)

    _try(engine, change)


def is_declared(name: str | None, kind: str, _parent: object) -> bool:
    """Tells whether a table that was found is one that we declare, and not a partition."""
    return kind != "table" or not partitions.is_partition(name or "")


def _upgrade(engine: Engine, which: Which, revision: str) -> None:
    if revision != "head" or current(engine, which) != head(which):
        with _rebuilding(engine) as connection:
            _run(connection, "upgrade", which, revision)
    if which == "service" and revision == "head" and partitions.has_partitions(engine):
        with engine.connect() as connection:
            missing = partitions.missing(connection, datetime.now(UTC))
        partitions.make(engine, missing)


def _try(engine: Engine, change: Callable[[], None]) -> None:
    """Tries a few times. Each try waits for locks no longer than a message can wait behind it."""
    for number in range(TRIES):
        if number:
            time.sleep(PAUSE)
        try:
            change()
        except partitions.Busy:
            continue
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
        else:
            return
    with engine.connect() as connection:
        users = "; ".join(_shown(row) for row in connection.execute(text(USERS)))
    raise TablesInUse(
        f"nothing was changed, since others use the tables ({users or 'they have just ended'}); "
        "wait until they have ended, or end them, and run it again"
    )


# Sessions of others that hold locks on tables of ours, and for how long.
USERS = """
    SELECT a.pid, a.application_name AS name, string_agg(DISTINCT c.relname, ', ') AS tables,
        round(extract(epoch FROM clock_timestamp() - min(a.xact_start))) AS seconds
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.granted AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND a.pid <> pg_backend_pid()
        AND a.datname = current_database() AND c.relnamespace = current_schema()::regnamespace
    GROUP BY a.pid, a.application_name ORDER BY seconds DESC LIMIT 5
"""


def _shown(row: Row[Any]) -> str:
    who = f"process {row.pid}" + (f", {row.name}" if row.name else "")
    lasts = f", for {row.seconds} s" if row.seconds is not None else ""
    return f"{row.tables}: {who}{lasts}"


@contextmanager
def _rebuilding(engine: Engine) -> Iterator[Connection]:
    """Yields a connection whose foreign keys are off on SQLite. It changes a table by making it
    anew, which no row that points to it may forbid."""
    with engine.connect().execution_options(waits_for_writer=PATIENCE) as connection:
        if engine.dialect.name != "sqlite":
            yield connection
            return
        driver = connection.connection.cursor()  # the setting is deaf inside a transaction
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            yield connection
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _run(
    connection: Connection, way: Literal["upgrade", "downgrade"], which: Which, revision: str
) -> None:
    from alembic import command  # what only answers and sends does without
    from alembic.config import Config

    scripts = resources.files("migrations")
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("version_locations", str(scripts / "versions" / which))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, version_table=VERSION_TABLES[which])
    getattr(command, way)(config, revision)
