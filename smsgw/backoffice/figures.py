"""Counts the messages of a day for a warehouse, so that nobody can be found in the figures.

A row counts five messages at least. Rows that would count fewer are added up into one row of their
hour, in which `*` stands for their values; if that is still too few, with the smallest other rows
of the hour. An hour with fewer than five messages is added to a row of the day in the same way. So
every row, and every difference between a total and the rows, stands for five messages or for none.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Row, func, select

from smsgw import phone
from smsgw.messaging.hourly_counts import hour_of
from smsgw.runtime import Runtime
from smsgw.storage.tables.counts import tallies
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

COLUMNS = ("hour", "carrier", "keyword", "outcome", "reason", "region", "segments", "messages")
LEAST = 5  # messages of a row
SEVERAL = "*"
AT_ONCE = 1000  # rows that are fetched in one piece


class NotOver(Exception):
    """Says that the day still runs."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Names a row. `hour` is its start, or `*`; `region` is a calling code."""

    hour: str
    carrier: str = SEVERAL
    keyword: str = SEVERAL
    outcome: str = SEVERAL
    reason: str = SEVERAL
    region: str = SEVERAL


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts messages and the segments of their replies, unless these are not known any more."""

    messages: int
    segments: int | None

    def __add__(self, other: "Sums") -> "Sums":
        known = None not in {self.segments, other.segments}
        segments = (self.segments or 0) + (other.segments or 0) if known else None
        return Sums(self.messages + other.messages, segments)


Cells = Mapping[Key, Sums]


def of_day(rt: Runtime, day: date) -> Iterator[tuple[str, ...]]:
    """Yields the rows as COLUMNS names them. Raises NotOver."""
    if day >= rt.today:
        raise NotOver(f"{day} is not over; figures of a day are complete after it")
    with rt.reading(streams=True) as tx:
        cells = _counted(tx, rt, day)
    for key, sums in sorted(folded(cells).items()):
        segments = "" if sums.segments is None else str(sums.segments)
        yield (*astuple(key), segments, str(sums.messages))


def folded(cells: Cells) -> dict[Key, Sums]:
    """Adds up what is too little to be shown, hour by hour, and then what is left of the day."""
    by_hour: dict[str, dict[Key, Sums]] = defaultdict(dict)
    for key, sums in cells.items():
        by_hour[key.hour][key] = sums
    shown: dict[Key, Sums] = {}
    left: dict[Key, Sums] = {}
    for hour, of_hour in by_hour.items():
        rows = _fold(of_hour, Key(hour))
        is_enough = all(each.messages >= LEAST for each in rows.values())
        (shown if is_enough else left).update(rows)
    if not left:
        return shown
    rows = _fold({**shown, **left}, Key(SEVERAL))
    return {key: sums for key, sums in rows.items() if sums.messages >= LEAST}


def _fold(cells: Cells, into: Key) -> dict[Key, Sums]:
    """Adds up the cells that are too small, and the smallest others until they are enough."""
    ordered = sorted(cells.items(), key=lambda item: (item[1].messages, item[0]))
    small = [item for item in ordered if item[1].messages < LEAST]
    if not small:
        return dict(cells)
    others = ordered[len(small) :]
    total = _sum([sums for _, sums in small])
    while total.messages < LEAST and others:
        total += others.pop(0)[1]
    return {**dict(others), into: total}


def _sum(sums: Collection[Sums]) -> Sums:
    total = Sums(0, 0)
    for each in sums:
        total += each
    return total


def _counted(tx: Transaction, rt: Runtime, day: date) -> dict[Key, Sums]:
    """Counts the rows; of an hour whose rows are gone, or some of them, its hourly counts."""
    begins, ends = (_midnight(rt, each) for each in (day, day + timedelta(days=1)))
    cells: dict[Key, Sums] = {}
    rows_of: dict[str, int] = defaultdict(int)
    for row in _messages(tx, begins, ends):
        key = _key(rt, row, _region(tx, row))
        cells[key] = cells.get(key, Sums(0, 0)) + Sums(1, int(row.segments or 0))
        rows_of[key.hour] += 1
    tallied = _tallied(tx, rt, begins, ends)
    for hour, of_hour in tallied.items():
        if _sum(of_hour.values()).messages > rows_of[hour]:
            cells = {key: sums for key, sums in cells.items() if key.hour != hour} | of_hour
    return cells


def _messages(tx: Transaction, begins: datetime, ends: datetime) -> Iterator[Row[Any]]:
    segments = select(func.sum(replies.c.segments)).where(replies.c.message_id == messages.c.id)
    at = messages.c.received_at
    found = (
        select(messages.c.carrier, messages.c.keyword, messages.c.outcome, messages.c.reason)
        .add_columns(at.label("hour"), phones.c.id, phones.c.number, phones.c.hash)
        .add_columns(segments.scalar_subquery().label("segments"))
        .outerjoin_from(messages, phones, phones.c.id == messages.c.phone_id)
        .where(at >= begins, at < ends)
    )
    return iter(tx.connection.execute(found, execution_options={"yield_per": AT_ONCE}))


def _region(tx: Transaction, row: Row[Any]) -> str:
    number = tx.opened(row.number, Ciphertext.PHONE, row.id, row.hash)
    return phone.calling_code(number) if number and phone.is_e164(number) else ""


def _tallied(
    tx: Transaction, rt: Runtime, begins: datetime, ends: datetime
) -> dict[str, dict[Key, Sums]]:
    at = tallies.c.hour
    found = select(tallies).where(at >= begins, at < ends, tallies.c.carrier != "")
    by_hour: dict[str, dict[Key, Sums]] = defaultdict(dict)
    for row in tx.connection.execute(found):
        key = _key(rt, row, "")
        by_hour[key.hour][key] = Sums(row.messages, None)
    return by_hour


def _key(rt: Runtime, row: Row[Any], region: str) -> Key:
    hour = hour_of(row.hour).astimezone(rt.settings.zone).isoformat(timespec="minutes")
    return Key(hour, row.carrier, row.keyword or "", row.outcome, row.reason or "", region)


def _midnight(rt: Runtime, day: date) -> datetime:
    return datetime.combine(day, time(), rt.settings.zone)
