"""Reads and writes many rows in one statement.

On PostgreSQL they go as one JSON text, so that the statement is the same for any number of rows
and is planned once; psycopg takes three times as long to write arrays. SQLite takes a list, or one
row after the other.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    CursorResult,
    Integer,
    Select,
    Table,
    Text,
    Update,
    any_,
    bindparam,
    cast,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy import column as named_column
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

PLACE, ROWS, COUNT, KEYS = "place", "rows", "row_count", "keys"

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
        self._from_all = build(_among_all(columns, is_typed))

    def run(
        self, connection: Connection, keys: Sequence[Any], **parameters: object
    ) -> CursorResult[*tuple[Any, ...]]:
        if connection.dialect.name != "postgresql":
            return connection.execute(self._from_list, {KEYS: list(keys), **parameters})
        if len(self._columns) > 1:
            rows = [dict(zip(map(str, range(len(key))), key, strict=True)) for key in keys]
            return connection.execute(self._from_all, {**_json(rows), **parameters})
        return connection.execute(self._from_all, {KEYS: list(keys), **parameters})


class BulkInsert:
    """Inserts rows that have values for these columns, and `id` made by the database."""

    def __init__(self, table: Table, *names: str) -> None:
        rows = _rows({name: table.c[name].type for name in names})
        given = select(*(rows.c[name] for name in names)).order_by(rows.c[PLACE])
        self._from_json = insert(table).from_select(names, given).returning(table.c.id)
        self._one = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        self._names = names

    def run(self, connection: Connection, rows: Sequence[Row]) -> list[int]:
        """Returns the ids, in the order of the rows. Raises IntegrityError."""
        if not rows:
            return []
        if connection.dialect.name != "postgresql":
            return list(connection.execute(self._one, list(rows)).scalars())
        made = connection.execute(self._from_json, _json(rows))
        return sorted(made.scalars())  # they are given in the order of the rows


class BulkUpdate:
    """Updates rows by values that each has for itself. `build` makes the statement from them, by
    name."""

    def __init__(
        self, types: Mapping[str, TypeEngine[Any]], build: Callable[[Columns], Update]
    ) -> None:
        rows = _rows(types)
        self._from_json = build({name: rows.c[name] for name in types})
        self._one = build({name: bindparam(name, type_=type_) for name, type_ in types.items()})

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Returns how many were updated."""
        if not rows:
            return 0
        if connection.dialect.name != "postgresql":
            return connection.execute(self._one, list(rows)).rowcount
        return connection.execute(self._from_json, _json(rows)).rowcount


def _among(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    which = columns[0] if len(columns) == 1 else tuple_(*columns)
    return which.in_(bindparam(KEYS, expanding=True))


def _among_all(columns: Sequence[ColumnElement[Any]], is_typed: bool) -> ColumnElement[bool]:
    if len(columns) == 1:
        type_ = ARRAY(columns[0].type) if is_typed else columns[0].type
        return columns[0] == any_(bindparam(KEYS, type_=type_))
    rows = _rows({str(place): column.type for place, column in enumerate(columns)})
    return tuple_(*columns).in_(select(*(rows.c[str(place)] for place in range(len(columns)))))


def _rows(types: Mapping[str, TypeEngine[Any]]) -> Any:
    """Builds a table of the rows that are given. Its limit tells PostgreSQL how few they are: it
    takes any JSON for a hundred, and would rather read a whole table than look so many up."""
    columns = [named_column(name, type_) for name, type_ in types.items()]
    given = func.json_to_recordset(cast(bindparam(ROWS, type_=Text), JSON))
    table = given.table_valued(*columns, named_column(PLACE, Integer), name="given")
    derived = table.render_derived(with_types=True)
    return select(derived).limit(bindparam(COUNT, type_=Integer)).subquery("few")


def _json(rows: Sequence[Row]) -> dict[str, object]:
    placed = [{**row, PLACE: place} for place, row in enumerate(rows)]
    return {ROWS: json.dumps(placed, default=_plain), COUNT: len(placed)}


def _plain(value: object) -> str:
    """Writes what JSON has no form for as PostgreSQL reads it. Raises ValueError, TypeError."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    if isinstance(value, datetime):
        raise ValueError("a naive time has no place in the database")
    raise TypeError(type(value).__name__)
