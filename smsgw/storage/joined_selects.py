"""Reads what several selects find in one statement, for the cost of one trip."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, func, literal_column, select

from smsgw.storage.bulk import PLACE, BulkSelect
from smsgw.storage.prepared import Prepared

Rows = Sequence[Mapping[str, Any]]


class _Place(NamedTuple):
    """Says where the columns of a select stand in a row, behind its number."""

    name: str
    first: int
    columns: Sequence[str]


class JoinedSelects:
    """Selects on PostgreSQL what several BulkSelects do. The first column of each is its key; one
    whose rows have an order gives it as `place`."""

    def __init__(self, selects: Mapping[str, BulkSelect]) -> None:
        self._selects = selects
        self._statement = cache(self._join)

    def run(self, connection: Connection, keys: Mapping[str, Sequence[Any]]) -> dict[str, Rows]:
        """Returns by name what each select that has keys here finds for them."""
        statement, places = self._statement(tuple(keys))
        given = {f"keys{place}": list(each) for place, each in enumerate(keys.values())}
        found: dict[str, list[Mapping[str, Any]]] = {name: [] for name in keys}
        for which, *row in statement.run(connection, given):
            name, first, columns = places[which]
            if row[first] is not None:  # its key: it found something
                values = row[first : first + len(columns)]
                found[name].append(dict(zip(columns, values, strict=True)))
        return {**found}

    def _join(self, names: tuple[str, ...]) -> tuple[Prepared, list[_Place]]:
        """Joins each select with a number, beside which its rows stand."""
        number = func.generate_series(0, len(names) - 1).table_valued("number", name="n")
        joined: FromClause = number.render_derived()
        which, places, ordered = joined.c.number, list[_Place](), list[ColumnElement[Any]]()
        parts = []
        for place, name in enumerate(names):
            part = self._selects[name].part(f"keys{place}").subquery(f"s{place}")
            joined = joined.outerjoin(part, which == literal_column(str(place)))
            first = places[-1].first + len(places[-1].columns) if places else 0
            places.append(_Place(name, first, part.c.keys()))
            ordered += [part.c[PLACE]] if PLACE in part.c else []
            parts.append(part)
        statement = select(which, *parts).select_from(joined).order_by(which, *ordered)
        return Prepared(statement), places
