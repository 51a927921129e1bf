"""Loads the reference ledger, with its dates moved as if it had been written this month."""

import csv
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache

from sqlalchemy import Connection, Engine, select

from smsgw.ledger.csv_format import FILES, File
from smsgw.ledger.csv_import import load_into, reference_folder
from smsgw.storage.tables.ledger import participants

WRITTEN_FOR = date(2025, 10, 1)
STAY = {"birth_date", "effective_from"}  # births, and rates that law sets by date


def prepare(engine: Engine, now: datetime) -> bool:
    """Loads it into an empty ledger, its dates moved by whole months. False where one is held."""
    months = months_since(now.date())
    with engine.begin() as connection:
        if connection.execute(select(participants.c.nkp).limit(1)).first() is not None:
            return False
        load_into(connection, reference_folder())
        for file in FILES.values():
            _move(connection, file, months)
    return True


@cache
def people() -> Sequence[Mapping[str, str]]:
    """Returns those of the reference ledger, as their file has them."""
    text = (reference_folder() / "participants.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def months_since(day: date) -> int:
    """Returns the whole months since the reference ledger was written."""
    return (day.year - WRITTEN_FOR.year) * 12 + day.month - WRITTEN_FOR.month


def shift_months(day: date, months: int) -> date:
    """Returns the same day `months` later, or the last one of a shorter month. The end of a month
    stays one."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    is_end = day.day == monthrange(day.year, day.month)[1]
    return date(year, month + 1, last if is_end else min(day.day, last))


def _move(connection: Connection, file: File, months: int) -> None:
    """Moves the dates of a table. It replaces all rows at once, so that none collides with its
    neighbour."""
    rows = [row._asdict() for row in connection.execute(select(file.table))]
    for row in rows:
        for column, value in row.items():
            if isinstance(value, date) and column not in STAY:
                row[column] = shift_months(value, months)
    connection.execute(file.table.delete())
    if rows:
        connection.execute(file.table.insert(), rows)
