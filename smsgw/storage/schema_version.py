"""Tells which revision of a schema a database has, and whether this version can run with it.

Every process asks this when it starts. Alembic, which `migrations` changes schemas with, is not
needed for it.
"""

import re
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

from sqlalchemy import Engine, Select, String, column, inspect, select, table, text

Which = Literal["service", "ledger"]
VERSION_TABLES: dict[Which, str] = {"service": "alembic_version", "ledger": "ledger_version"}
LOCKED_FOR = "3s"  # others wait behind who waits for a table, and messages for 5 s at most
NUMBER = re.compile(r"[0-9]{4}")
LATER = re.compile(r"(?P<number>[0-9]{4})_from_(?P<oldest>[0-9]{4})")
REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)

# Where a schema of ours can be: elsewhere the ledger is somebody's own.
HAVE_SCHEMAS = {"postgresql", "sqlite"}


def fault(engine: Engine, which: Which, remedy: str) -> str | None:
    """Returns what is wrong with a schema; None where this version can run with it. Raises
    SQLAlchemyError."""
    at = current(engine, which)
    if is_usable(which, at):
        return None
    problem = f"its schema is {at or 'absent'}, not {head(which)}; run {remedy}"
    is_known = at is None or at in known(which)
    return problem if is_known else f"{problem}, or start the version that it is for"


def is_usable(which: Which, at: str | None) -> bool:
    """Tells whether this version can run with the revision `at`."""
    return at == head(which) or runs_with(head(which), at)


def runs_with(own: str | None, at: str | None) -> bool:
    """Tells whether the version whose newest revision is `own` can run with the later schema `at`,
    which says so itself: 0003_from_0002 leaves all that a version of 0002 needs."""
    later, number = LATER.fullmatch(at or ""), NUMBER.match(own or "")
    return bool(later and number and later["oldest"] <= number[0] < later["number"])


def current(engine: Engine, which: Which) -> str | None:
    """Returns the revision of the schema; None if the database was never migrated."""
    with engine.connect().execution_options(read_only=True) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCKED_FOR}'"))
        if not inspect(connection).has_table(VERSION_TABLES[which]):
            return None
        return connection.execute(stored(which)).scalar()


def stored(which: Which) -> Select[str]:
    """Builds the select of the revision that a database has."""
    return select(column("version_num", String)).select_from(table(VERSION_TABLES[which]))


def head(which: Which) -> str:
    """Returns the newest revision that this version knows."""
    return known(which)[-1]


@cache
def known(which: Which) -> tuple[str, ...]:
    """Returns the revisions that this version knows, oldest first. Their numbers begin the names of
    their files."""
    folder = resources.files("migrations") / "versions" / which
    files = [each for each in folder.iterdir() if NUMBER.match(each.name)]
    return tuple(_revision(each) for each in sorted(files, key=lambda each: each.name))


def _revision(file: Traversable) -> str:
    (revision,) = REVISION.findall(file.read_text())
    return str(revision)
