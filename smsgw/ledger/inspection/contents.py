"""Looks at rows of the ledger, and finds what people would get no answer from."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from smsgw import phone
from smsgw.ledger import values
from smsgw.ledger.inspection.columns import PHONES, READ, WHAT
from smsgw.ledger.inspection.finding import Finding
from smsgw.ledger.inspection.masking import shape, word
from smsgw.ledger.values import NEEDED, TABLES, Read, UnreadableValue, number_on_file

FEW = 0.01  # of the rows that were read, in which something may stand that cannot be read
SHOWN = 3
VOCABULARIES = {
    "participants.status": values.STATUSES,
    "claims.stage": values.STAGES,
    "offices.timezone": values.TIMEZONES,
    "rates.unit": {"percent", "rupiah"},
}
REGISTERING = ("nik", "birth_date", "phone")  # nobody registers without
KEYS: Mapping[str, tuple[str, ...]] = {
    "participants": ("nkp",),
    "balances": ("nkp", "as_of"),
    "contributions": ("nkp", "month"),
}
ONE_ROW = {
    "participants": "show one row a participant, with the number on file",
    "balances": "show one row a participant and day",
    "contributions": "sum the rows of a month: GROUP BY nkp, month",
}
NEEDED_IN = {TABLES[kind]: names for kind, names in NEEDED.items()}
Values = Sequence[Any]
Row = Mapping[Any, Any]


def check(table: str, rows: Sequence[Row], zone: ZoneInfo) -> Iterator[Finding]:
    """Yields what is wrong in rows that were read as they are there."""
    if not rows:
        return
    for name, read in READ[table].items():
        if name not in rows[0]:
            continue
        found = [row[name] for row in rows]
        place = f"{table}.{name}"
        if place in VOCABULARIES:
            yield from _words(place, found)
        elif read in PHONES:
            yield from _phones(place, read, found, zone)
        else:
            yield from _unreadable(place, read, found, zone)
        yield from _empty(table, name, found, [as_read(read, value, zone) for value in found])
    yield from twice(table, rows, zone)


def twice(table: str, rows: Sequence[Row], zone: ZoneInfo) -> Iterator[Finding]:
    """Yields a finding where rows stand for the same."""
    names = KEYS.get(table, ())
    if not rows or not names or not rows[0].keys() >= set(names):
        return
    keys = Counter[tuple[Hashable, ...]](
        tuple(as_read(READ[table][name], row[name], zone) for name in names) for row in rows
    )
    doubled = [key for key, count in keys.items() if count > 1 and None not in key]
    if doubled:
        what = " and ".join(names)
        problem = f"{len(doubled)} of {len(keys)} stand in several rows, by {what}"
        yield Finding(table, problem, ONE_ROW[table])


def nothing(table: str) -> Finding | None:
    """Returns what to say of a table without rows, where that matters."""
    if table == "participants":
        problem = "it holds nobody; everybody is told that the number is not known"
        return Finding(table, problem, "look at its conditions")
    if table == "offices":
        return Finding(table, "it holds no office", "KANTOR finds none", is_note=True)
    if table == "rates":
        return Finding(table, "it holds no rate", "INFO leaves rates out", is_note=True)
    return None


def channels(rows: Sequence[Row]) -> Iterator[Finding]:
    if not any(row.get("channel") == "call_centre" and row.get("value") for row in rows):
        problem = "there is no call_centre, which replies name"
        yield Finding("contacts", problem, "add a row: call_centre, and its number as value")


def _words(place: str, found: Values) -> Iterator[Finding]:
    known = VOCABULARIES[place]
    read = [" ".join(str(value).split()) for value in found if value is not None]
    unknown = Counter(each for each in read if each and not {each, each.upper()} & known)
    if unknown:
        shown = ", ".join(word(each, rows) for each, rows in unknown.most_common(SHOWN))
        problem = f"{sum(unknown.values())} of {len(found)} are no known word, such as {shown}"
        remedy = f"translate them in the view (CASE) to {', '.join(sorted(known))}, or to NULL"
        yield Finding(place, problem, remedy)


def _phones(place: str, read: Read, found: Values, zone: ZoneInfo) -> Iterator[Finding]:
    written = [value for value in found if value is not None and str(value).strip()]
    none = [value for value in written if as_read(read, value, zone) is None]
    others = [
        value
        for value in written
        if as_read(read, value, zone) is not None and not phone.is_e164(str(value))
    ]
    if none:
        what = "can get no SMS" if read is number_on_file else "are no number"
        problem = f"{len(none)} of {len(found)} {what}, such as {_shapes(none)}"
        remedy = "say NULL in the view where a number is of no use, and correct the rest"
        yield Finding(place, problem, remedy, is_note=_are_few(none, found))
    if others:
        problem = f"{len(others)} of {len(found)} are not E.164 and are read as a number, such as "
        remedy = "of several numbers the first that can get SMS counts; write +62812… in the view"
        yield Finding(place, problem + _shapes(others), remedy, is_note=True)


def _unreadable(place: str, read: Read, found: Values, zone: ZoneInfo) -> Iterator[Finding]:
    bad = [value for value in found if value is not None and _fails(read, value, zone)]
    if bad:
        shown = ", ".join(sorted({shape(value) for value in bad[:SHOWN]}))
        problem = f"{len(bad)} of {len(found)} cannot be read as {WHAT.get(read, 'text')}: {shown}"
        yield Finding(place, problem, "convert them in the view", is_note=_are_few(bad, found))


def _empty(table: str, name: str, found: Values, read: Values) -> Iterator[Finding]:
    place, gone = f"{table}.{name}", found.count(None)
    if table == "participants" and name in REGISTERING and read.count(None) == len(read):
        problem = f"none of {len(read)} rows has one; nobody can register without"
        yield Finding(place, problem, "look at what the view takes it from")
    elif name in NEEDED_IN.get(table, ()) and gone:
        problem = f"{gone} of {len(read)} rows have none, and are not read"
        remedy = "leave such rows out in the view, or complete them"
        yield Finding(place, problem, remedy, is_note=_are_few([None] * gone, read))


def _shapes(found: Values) -> str:
    shown = dict.fromkeys(shape(value, keeps_beginning=True) for value in found)
    return ", ".join(list(shown)[:SHOWN])


def _are_few(bad: Values, found: Values) -> bool:
    return len(bad) < len(found) * FEW


def as_read(how: Read, value: Any, zone: ZoneInfo) -> Any:
    return _outcome(lambda: None if value is None else how(value, zone))


def _fails(read: Read, value: Any, zone: ZoneInfo) -> bool:
    return _outcome(lambda: (read(value, zone),)) is None


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except UnreadableValue:
        return None
