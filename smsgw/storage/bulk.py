"""Reads and writes many rows in one statement.

On PostgreSQL their values go as one array a column, so that the statement is the same for any
number of rows, and is planned once. SQLite takes a list, or one row after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Select,
    Table,
    Update,
    any_,
    bindparam,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy import column as named_column
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

PLACE = "place"  # of a row among those that are given
KEYS = "keys"

Columns = Mapping[str, ColumnElement[Any]]
Row = Mapping[str, Any]


class BulkSelect:
    """Selects the rows that have one of many keys. `build` makes the statement from the condition
    that says so; a key is a value, or a tuple where there are several columns. `is_typed`: not
    where the database alone knows the column's type."""

    def __init__(
        self,
        build: Callable[[ColumnElement[bool]], Select[*tuple[Any, ...]]],
        *columns: ColumnElement[Any],
        is_typed: bool = True,
    ) -> None:
        self._columns = columns
        self._from_list = build(_among(columns))
        self._from_arrays = build(_in_arrays(columns, is_typed))

    def run(
        self, connection: Connection, keys: Sequence[Any], **parameters: object
    ) -> CursorResult[*tuple[Any, ...]]:
        if connection.dialect.name != "postgresql":
            return connection.execute(self._from_list, {KEYS: list(keys), **parameters})
        if len(self._columns) == 1:
            return connection.execute(self._from_arrays, {KEYS: list(keys), **parameters})
        arrays = {
            f"{KEYS}_{place}": [key[place] for key in keys] for place in range(len(self._columns))
        }
        return connection.execute(self._from_arrays, {**arrays, **parameters})


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


def _among(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    which = columns[0] if len(columns) == 1 else tuple_(*columns)
    return which.in_(bindparam(KEYS, expanding=True))


def _in_arrays(columns: Sequence[ColumnElement[Any]], is_typed: bool) -> ColumnElement[bool]:
    if len(columns) == 1:
        type_ = ARRAY(columns[0].type) if is_typed else columns[0].type
        return columns[0] == any_(bindparam(KEYS, type_=type_))
    names = {f"{KEYS}_{place}": column.type for place, column in enumerate(columns)}
    rows = _unnested(names)
    return tuple_(*columns).in_(select(*(rows.c[name] for name in names)))


def _unnested(types: Mapping[str, TypeEngine[Any]]) -> Any:
    arrays = (bindparam(name, type_=ARRAY(type_)) for name, type_ in types.items())
    columns = (named_column(name, type_) for name, type_ in types.items())
    table = func.unnest(*arrays).table_valued(*columns, with_ordinality=PLACE, name="rows")
    return table.render_derived()


def _arrays(names: Sequence[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names}
