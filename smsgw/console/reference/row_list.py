"""Shows the rows of a table of the ledger: those that are looked for, a page at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import request

from smsgw.console import list_pages
from smsgw.ledger.reference_tables import DATED, Fields, LedgerRow

ROWS = 50
LONGEST_SEARCH = 60
FUTURE, IN_FORCE, PAST = "future", "in force", "past"


@dataclass(frozen=True, slots=True)
class ShownRow:
    id: int  # its place in the list
    fields: Fields
    name: str | None  # in addresses, where it can be changed
    state: str | None  # of a rate


def own(rows: Sequence[LedgerRow], today: date) -> list[ShownRow]:
    in_force = _in_force(rows, today.isoformat())
    return [
        ShownRow(place, row.fields, row.name, _state(row, in_force, today.isoformat()))
        for place, row in enumerate(rows, 1)
    ]


def foreign(rows: Iterable[Fields]) -> list[ShownRow]:
    return [ShownRow(place, fields, None, None) for place, fields in enumerate(rows, 1)]


def page_of(rows: Sequence[ShownRow]) -> dict[str, Any]:
    """Returns what the template shows of the rows that the address asks for."""
    search = " ".join(request.args.get("q", "").split())[:LONGEST_SEARCH]
    words = search.casefold().split()
    found = [row for row in rows if all(_holds(row, word) for word in words)]

    def after(place: int | None, most: int) -> Sequence[ShownRow]:
        return [row for row in found if row.id > (place or 0)][:most]

    listed = list_pages.read(after, ROWS)
    kept = {"q": search} if search else {}
    return {"listed": listed, "search": search, "kept": kept, "count": len(found)}


def _holds(row: ShownRow, word: str) -> bool:
    return any(word in field.casefold() for field in row.fields.values())


def _in_force(rows: Iterable[LedgerRow], today: str) -> set[str]:
    """Returns the names of the rates that count today."""
    newest: dict[tuple[str, ...], LedgerRow] = {}
    for row in rows:
        if row.fields.get(DATED, "9") <= today:
            of = (row.fields["program"], row.fields["category"], row.fields["item"])
            newest[of] = max(newest.get(of, row), row, key=lambda each: each.fields[DATED])
    return {row.name for row in newest.values()}


def _state(row: LedgerRow, in_force: set[str], today: str) -> str | None:
    if DATED not in row.fields:
        return None
    if row.name in in_force:
        return IN_FORCE
    return FUTURE if row.fields[DATED] > today else PAST
