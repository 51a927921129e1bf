"""Keeps each month's messages, replies and attempts in partitions of their own, on PostgreSQL.

Partitions are made ahead. A row whose month has none goes into the default partition, so that
nothing is lost; once its month has one, it moves there.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine, func, insert, select, text
from sqlalchemy.exc import OperationalError

from smsgw.storage.monthly_ids import FIRST, MONTH, begins, month_of, next_month
from smsgw.storage.tables.messages import deleted_months

AHEAD = 2  # months
LOCK = 7_267_494  # any number, the same for whoever makes or drops partitions
LOCKED_FOR = "3s"  # messages wait behind who waits for their table, and for 5 s at most
NOT_AVAILABLE = "55P03"

TABLES = ("messages", "replies", "attempts")


class Busy(Exception):
    """Says that the tables are in use by somebody who does not let them go."""


def is_partition(name: str) -> bool:
    """Tells a partition from a table, by its name."""
    table, _, month = name.rpartition("_")
    return table in TABLES and (month == "default" or month.isdigit())


def has_partitions(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"


def months(connection: Connection) -> set[int]:
    """Returns the months that each of the tables has a partition for."""
    found = connection.execute(text(PARTITIONS)).scalars().all()
    of_each = [
        {int(name.rpartition("_")[2]) for name in found if name.startswith(f"{table}_")}
        for table in TABLES
    ]
    return set.intersection(*of_each)


def missing(connection: Connection, now: datetime, ahead: int = AHEAD) -> list[int]:
    """Returns which of this month and the next ones have no partition."""
    wanted = [month_of(now)]
    for _ in range(ahead if wanted[0] else 0):
        wanted.append(next_month(wanted[-1]))
    return sorted({each for each in wanted if each} - months(connection))


def strays(connection: Connection) -> Sequence[int]:
    """Returns the months of rows in the default partitions, where a clock was away or wrong. Raises
    Busy."""
    of_each = (f"SELECT id / {MONTH} FROM {table}_default" for table in TABLES)  # noqa: S608
    with _giving_up(connection):
        found = connection.execute(text(" UNION ".join(of_each))).scalars().all()
    return sorted(month for month in found if month >= FIRST)


def make(engine: Engine, wanted: Sequence[int]) -> None:
    """Makes the partitions of months, each in a transaction of its own. Raises Busy."""
    for month in wanted:
        _change(engine, (each for table in TABLES for each in _making(table, month)), month)


def drop(engine: Engine, month: int) -> None:
    """Drops a month with all its rows, and remembers that. Raises Busy."""
    with _changing(engine) as connection:
        for table in TABLES:
            connection.execute(text(f"DROP TABLE IF EXISTS {table}_{month}"))
        note_deleted(connection, month)


def note_deleted(connection: Connection, month: int) -> None:
    """Remembers that rows of a month were deleted, whatever number of months is set later."""
    is_noted = select(deleted_months).where(deleted_months.c.month == month)
    if connection.execute(is_noted).first() is None:
        connection.execute(insert(deleted_months).values(month=month))


def rows_since(connection: Connection, kept_since: datetime) -> datetime:
    """Returns since when all rows are there, which by the settings are kept since `kept_since`."""
    last = connection.execute(select(func.max(deleted_months.c.month))).scalar()
    return kept_since if last is None else max(kept_since, begins(next_month(last)))


# Those of months alone.
PARTITIONS = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_class p ON p.oid = i.inhparent
    WHERE p.relname IN ('messages', 'replies', 'attempts') AND c.relname ~ '_[0-9]+$'
        AND p.relnamespace = current_schema()::regnamespace
"""


def _making(table: str, month: int) -> Iterable[str]:
    """Returns the statements that make a partition, with the rows of its month that are in the
    default one."""
    name, first, end = f"{table}_{month}", month * MONTH, (month + 1) * MONTH
    return (
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"WITH moved AS (DELETE FROM {table}_default WHERE id >= {first} AND id < {end} "  # noqa: S608
        f"RETURNING *) INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})",
    )


def _change(engine: Engine, statements: Iterable[str], month: int) -> None:
    """Runs the statements in one transaction, unless the month has been made meanwhile."""
    with _changing(engine) as connection:
        if month in months(connection):
            return
        for each in statements:
            connection.execute(text(each))


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    """Lets one at a time change partitions, in a transaction. Raises Busy."""
    with engine.begin() as connection, _giving_up(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        yield connection


@contextmanager
def _giving_up(connection: Connection) -> Iterator[None]:
    """Lets no statement wait long for a lock. Raises Busy where one would."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCKED_FOR}'"))
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != NOT_AVAILABLE:
            raise
        raise Busy from error
