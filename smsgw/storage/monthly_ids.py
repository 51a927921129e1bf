"""Gives rows of a monthly table ids that begin with their month.

PostgreSQL keeps each month of messages, replies and attempts in a partition by id. So a row is
found by its id alone, and nothing that names it has to know when it was made:

    2611000000004711    row 4711, made in November 2026, by UTC

The number behind the month counts on from one month to the next. Ids from before 2026 have no
month. SQLite has no partitions, and the same ids.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, func, literal_column, select

MONTH = 10**12  # ids of a month
FIRST = 2601
KEY = "month_of"  # in the info of a table: the column that says when a row was made


def month_of(at: datetime) -> int:
    """Returns what ids begin with, such as 2611; 0 before there were months."""
    utc = at.astimezone(UTC)
    month = (utc.year - 2000) * 100 + utc.month
    return month if month >= FIRST else 0


def first_id(at: datetime) -> int:
    """Returns the lowest id of a month."""
    return month_of(at) * MONTH


def first_id_after(at: datetime) -> int:
    """Returns the lowest id of the month that follows."""
    return next_month(month_of(at)) * MONTH if month_of(at) else FIRST * MONTH


def sequence_of(id_: int) -> int:
    """Returns the number behind the month."""
    return id_ % MONTH


def next_month(month: int) -> int:
    return month + 1 if month % 100 < 12 else month + 89


def months_between(oldest: int, newest: int) -> list[int]:
    """Returns what ids begin with, from the one to the other; 0 for those without a month."""
    months = [oldest // MONTH]
    while months[-1] < newest // MONTH:
        months.append(next_month(months[-1]) if months[-1] else FIRST)
    return months


def ids_of_month(id_: int) -> range:
    """Returns all ids of the month of one; those without a month are together."""
    month = id_ // MONTH
    return range(month * MONTH, (month + 1) * MONTH) if month else range(FIRST * MONTH)


def month_begins(id_: ColumnElement[int]) -> ColumnElement[int]:
    """Returns the lowest id of the month of one. What comes of a message is in no partition before
    that of the message."""
    return id_ - id_ % literal_column(str(MONTH), type_=BigInteger)


def begins(month: int) -> datetime:
    return datetime(2000 + month // 100, month % 100, 1, tzinfo=UTC)


def months_ago(now: datetime, count: int) -> datetime:
    """Returns when the month began that was so many months ago, by UTC."""
    utc = now.astimezone(UTC)
    months = utc.year * 12 + utc.month - 1 - count
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def is_monthly(table: Table) -> bool:
    return KEY in table.info


def made_at(table: Table) -> str:
    """Returns the name of the column that says when a row was made."""
    return str(table.info[KEY])


def next_id(table: Table, first: ColumnElement[int]) -> ColumnElement[int]:
    """Takes the next id on PostgreSQL. `first`: the lowest one of the month, for a table that has
    ids by month."""
    sequence: ColumnElement[Any] = literal_column(f"'{table.name}_id_seq'::regclass")
    number = func.nextval(sequence, type_=BigInteger)
    return first + number if is_monthly(table) else number


def free_ids(connection: Connection, table: Table, first: int, count: int) -> range:
    """Returns ids that are free on SQLite, until the end of the transaction. They go on from the
    last one, also where the clock was set back."""
    found = connection.execute(select(func.max(table.c.id))).scalar()
    last = max(found or 0, first + sequence_of(found or 0))
    return range(last + 1, last + 1 + count)
