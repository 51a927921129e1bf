"""Writes many rows in one statement.

On PostgreSQL they go as one array a column, so that the statement is the same for any number of
rows, and is prepared once. SQLite takes them one after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    Update,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy import column as named_column
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

PLACE = "place"  # of a row among those that are given

Columns = Mapping[str, ColumnElement[Any]]
Row = Mapping[str, Any]


class BulkInsert:
    """Inserts rows that have values for these columns, and `id` made by the database."""

    def __init__(self, table: Table, *names: str) -> None:
        rows = _unnested({name: table.c[name].type for name in names})
        given = select(*(rows.c[name] for name in names)).order_by(rows.c[PLACE])
        self._from_arrays = insert(table).from_select(names, given).returning(table.c.id)
        self._one = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        self._names = names

    def run(self, connection: Connection, rows: Sequence[Row]) -> list[int]:
        """Returns the ids, in the order of the rows. Raises IntegrityError."""
        if not rows:
            return []
        if connection.dialect.name != "postgresql":
            return list(connection.execute(self._one, list(rows)).scalars())
        made = connection.execute(self._from_arrays, _arrays(self._names, rows))
        return sorted(made.scalars())  # they are given in the order of the rows


class BulkUpdate:
    """Updates rows by values that each has for itself. `build` makes the statement from them, by
    name."""

    def __init__(
        self, types: Mapping[str, TypeEngine[Any]], build: Callable[[Columns], Update]
    ) -> None:
        rows = _unnested(types)
        self._from_arrays = build({name: rows.c[name] for name in types})
        self._one = build({name: bindparam(name, type_=type_) for name, type_ in types.items()})
        self._names = tuple(types)

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Returns how many were updated."""
        if not rows:
            return 0
        if connection.dialect.name != "postgresql":
            return connection.execute(self._one, list(rows)).rowcount
        return connection.execute(self._from_arrays, _arrays(self._names, rows)).rowcount


def _unnested(types: Mapping[str, TypeEngine[Any]]) -> Any:
    arrays = (bindparam(name, type_=ARRAY(type_)) for name, type_ in types.items())
    columns = (named_column(name, type_) for name, type_ in types.items())
    table = func.unnest(*arrays).table_valued(*columns, with_ordinality=PLACE, name="rows")
    return table.render_derived()


def _arrays(names: Sequence[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names}
