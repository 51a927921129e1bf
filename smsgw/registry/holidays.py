"""Stores the days on which the scheme does not work: deadlines of complaints leave them out. Days
of the setting SMSGW_HOLIDAYS count too."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.exc import IntegrityError

from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.cases import holidays
from smsgw.storage.transaction import Transaction

LONGEST_NAME = 100
WARNED_FROM = 10  # the month: next year's are decided on by then


class AlreadyAdded(Exception):
    """Somebody else added one of these days at this instant."""


def of_year(tx: Transaction, year: int) -> Sequence[Row[Any]]:
    found = select(holidays).where(_is_in(year)).order_by(holidays.c.day)
    return tx.connection.execute(found).all()


def all_days(tx: Transaction, further: Collection[date] = ()) -> frozenset[date]:
    """Returns every holiday, and `further` ones."""
    return frozenset(tx.connection.scalars(select(holidays.c.day))).union(further)


def count(tx: Transaction, year: int, further: Collection[date]) -> int:
    """Counts the holidays of a year, `further` ones among them."""
    days = set(tx.connection.scalars(select(holidays.c.day).where(_is_in(year))))
    return len(days.union(day for day in further if day.year == year))


def missing_year(tx: Transaction, today: date, further: Collection[date]) -> int | None:
    """Returns next year if it has no holidays although its beginning is near."""
    is_near = today.month >= WARNED_FROM
    return today.year + 1 if is_near and not count(tx, today.year + 1, further) else None


def add(tx: Transaction, names: Mapping[date, str], actor: str) -> list[date]:
    """Adds days by their names, and returns those that were not there. Raises AlreadyAdded."""
    known = all_days(tx)
    new = {day: name for day, name in sorted(names.items()) if day not in known}
    if not new:
        return []
    by = {"added_by": actor, "added_at": tx.now}
    rows = [{"day": day, "name": name, **by} for day, name in new.items()]
    try:
        tx.connection.execute(insert(holidays), rows)
    except IntegrityError:
        raise AlreadyAdded from None
    for day, name in new.items():
        audit.note(tx, Act.HOLIDAY_ADDED, actor, detail=f"{day}: {name}")
    return list(new)


def remove(tx: Transaction, day: date, actor: str) -> bool:
    """Removes a day. Returns False if it is not there."""
    gone = delete(holidays).where(holidays.c.day == day).returning(holidays.c.name)
    name = tx.connection.scalars(gone).first()
    if name is None:
        return False
    audit.note(tx, Act.HOLIDAY_REMOVED, actor, detail=f"{day}: {name}")
    return True


def _is_in(year: int) -> Any:
    return holidays.c.day.between(date(year, 1, 1), date(year, 12, 31))
