"""Reads and writes many rows in one statement.

On PostgreSQL they go as one JSON text, so that the statement is the same for any number of rows
and is planned once; psycopg takes three times as long to write arrays. SQLite takes a list, or one
row after the other. A trip costs a process as much as some ten rows: what is written to several
tables goes in one statement too (`write_all`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from psycopg.errors import DivisionByZero
from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Result,
    Select,
    Table,
    Text,
    Update,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy import column as named_column
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DataError
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.types import TypeEngine

from smsgw.storage import literals
from smsgw.storage.compiled_statement import CompiledStatement
from smsgw.storage.kept_connection import KeptConnection
from smsgw.storage.monthly_ids import first_id, free_ids, is_monthly, made_at, next_id
from smsgw.storage.transaction import Conflict

ROWS, COUNT, KEYS, FIRST = "rows", "row_count", "keys", "first_id"

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
        self._columns, self._build, self._is_typed = columns, build, is_typed
        self._from_list = build(_among(columns))
        self._from_all = self.part(KEYS)
        self._compiled = CompiledStatement(self._from_all)

    def part(self, name: str) -> Select[*tuple[Any, ...]]:
        """Builds a part of a larger statement for PostgreSQL, whose keys are given as `name`."""
        return self._build(_among_all(self._columns, self._is_typed, name))

    def run(
        self, connection: Connection, keys: Sequence[Any], **parameters: object
    ) -> Result[*tuple[Any, ...]]:
        given = {**self._given(connection, keys), **parameters}
        if connection.dialect.name == "postgresql":
            return self._compiled.run(connection, given)
        return connection.execute(self._from_list, given)

    def asked(
        self, connection: Connection, keys: Sequence[Any]
    ) -> tuple[Select[*tuple[Any, ...]], Row]:
        """Returns the statement that is run, and its parameters."""
        is_postgres = connection.dialect.name == "postgresql"
        statement = self._from_all if is_postgres else self._from_list
        return statement, self._given(connection, keys)

    def _given(self, connection: Connection, keys: Sequence[Any]) -> dict[str, object]:
        if connection.dialect.name != "postgresql":
            return {KEYS: list(keys)}
        if len(self._columns) > 1:
            return _few([dict(zip(map(str, range(len(key))), key, strict=True)) for key in keys])
        return {KEYS: literals.array(keys)}


class BulkIds:
    """Takes ids for rows that are to be written to tables together, so that they can name each
    other."""

    def __init__(self, *tables: Table) -> None:
        self._tables = tables
        count, first = bindparam(COUNT, type_=Integer), bindparam(FIRST, type_=BigInteger)
        of_rows = (next_id(table, first) for table in tables)
        self._next = CompiledStatement(select(*of_rows).select_from(func.generate_series(1, count)))

    def take(self, connection: Connection, count: int, at: datetime) -> list[tuple[int, ...]]:
        """Returns `count` times an id for each table, of the month of `at`. On SQLite, where one
        transaction writes at a time, they are free until its end."""
        first = first_id(at)
        if connection.dialect.name == "postgresql":
            given = {COUNT: count, FIRST: first}
            return [tuple(row) for row in self._next.run(connection, given, is_alone=True)]
        free = (free_ids(connection, table, first, count) for table in self._tables)
        return list(zip(*free, strict=True))


class BulkInsert:
    """Inserts rows that have values for these columns, and an `id` of their month, or made by the
    database, if it is not one of them."""

    def __init__(self, table: Table, *names: str) -> None:
        self._table, self._names = table, names
        self._key = next(iter(table.primary_key.columns))
        self._month_of = made_at(table) if is_monthly(table) and "id" not in names else None
        self._from_json = CompiledStatement(self._given(""))
        self._alone = insert(table)
        self._one = self._alone.returning(self._key, sort_by_parameter_order=True)

    def run(self, connection: Connection, rows: Sequence[Row]) -> list[int]:
        """Returns the ids, in the order of the rows. Raises IntegrityError."""
        if not rows:
            return []
        if connection.dialect.name != "postgresql":
            return list(connection.execute(self._one, self._numbered(connection, rows)).scalars())
        made = self._from_json.run(connection, self.parameters(rows))
        return sorted(made.scalars())  # they are given in the order of the rows

    def count(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Inserts, and returns how many were inserted. Raises IntegrityError."""
        if connection.dialect.name == "postgresql":
            return len(self.run(connection, rows))
        connection.execute(self._alone, self._numbered(connection, rows))
        return len(rows)

    def parameters(self, rows: Sequence[Row], name: str = "") -> dict[str, object]:
        if self._month_of is not None:
            rows = [{**row, FIRST: first_id(row[self._month_of])} for row in rows]
        return {name + ROWS: literals.json_rows(rows)}

    def part(self, name: str) -> CTE:
        """Builds a part of a larger statement."""
        return self._given(name).cte(name)

    def _given(self, name: str) -> ReturningInsert[Any]:
        types = {each: self._table.c[each].type for each in self._names}
        names, made_ids = list(self._names), []
        if self._month_of is not None:
            types, names = {**types, FIRST: BigInteger()}, [*names, "id"]
        rows = _given(types, name)
        if self._month_of is not None:
            made_ids = [next_id(self._table, rows.c[FIRST])]
        columns = (named_column(each, types[each]) for each in self._names)
        given = select(*columns, *made_ids).select_from(rows).order_by(named_column(literals.PLACE))
        return insert(self._table).from_select(names, given).returning(self._key)

    def _numbered(self, connection: Connection, rows: Sequence[Row]) -> list[Row]:
        """Gives the rows ids of the month of the first one, on SQLite."""
        if self._month_of is None:
            return list(rows)
        first = first_id(rows[0][self._month_of])
        free = free_ids(connection, self._table, first, len(rows))
        return [{**row, "id": id_} for row, id_ in zip(rows, free, strict=True)]


class BulkUpdate:
    """Updates rows by values that each has for itself. `build` makes the statement from them, by
    name."""

    def __init__(
        self, types: Mapping[str, TypeEngine[Any]], build: Callable[[Columns], Update]
    ) -> None:
        self._types, self._build = types, build
        self._from_json = CompiledStatement(self._given(""))
        self._one = build({name: bindparam(name, type_=type_) for name, type_ in types.items()})

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Returns how many were updated."""
        if not rows:
            return 0
        if connection.dialect.name != "postgresql":
            return connection.execute(self._one, list(rows)).rowcount
        return self._from_json.count(connection, self.parameters(rows))

    def count(self, connection: Connection, rows: Sequence[Row]) -> int:
        return self.run(connection, rows)

    def parameters(self, rows: Sequence[Row], name: str = "") -> dict[str, object]:
        return _few(rows, name)

    def part(self, name: str) -> CTE:
        """Builds a part of a larger statement."""
        return self._given(name).returning(literal_column("1").label("done")).cte(name)

    def _given(self, name: str) -> Update:
        rows = _rows(self._types, name)
        return self._build({each: rows.c[each] for each in self._types})


@dataclass(frozen=True, slots=True)
class Write:
    """Names rows and the statement that writes them."""

    statement: BulkInsert | BulkUpdate
    rows: Sequence[Row]


def write_all(
    connection: Connection,
    writes: Sequence[Write],
    *,
    is_last: bool = False,
    kept: KeptConnection | None = None,
) -> None:
    """Writes in this order. No part sees what another wrote. Raises Conflict where a row that
    should be updated is not there any more, IntegrityError where one cannot be inserted; then
    nothing may be committed. `is_last`: nothing else is written, so that PostgreSQL may commit
    it at once if nothing was before, on the `kept` connection if that is free."""
    wanted = [each for each in writes if each.rows]
    if connection.dialect.name == "postgresql" and (len(wanted) > 1 or (wanted and is_last)):
        given: dict[str, object] = {}
        for place, each in enumerate(wanted):
            given |= each.statement.parameters(each.rows, _part(place))
        joined = _joined(tuple(each.statement for each in wanted))
        try:
            joined.run(connection, given, is_alone=is_last, kept=kept)
        except DataError as error:
            if isinstance(error.orig, DivisionByZero):
                raise Conflict from None
            raise
    elif [each.statement.count(connection, each.rows) for each in wanted] != [
        len(each.rows) for each in wanted
    ]:
        raise Conflict


@cache
def _joined(statements: tuple[BulkInsert | BulkUpdate, ...]) -> CompiledStatement:
    """Builds one statement that runs all, in their order. It ends itself, by a division by zero,
    where fewer rows were updated than were given: it may already be committed when it returns."""
    parts = [each.part(_part(place)) for place, each in enumerate(statements)]
    are_there = [
        select(func.count()).select_from(part).scalar_subquery()
        == bindparam(_part(place) + COUNT, type_=Integer)
        for place, (part, each) in enumerate(zip(parts, statements, strict=True))
        if isinstance(each, BulkUpdate)
    ]
    one, none = literal_column("1", Integer), literal_column("0", Integer)
    checked = select(one // case((and_(true(), *are_there), one), else_=none))
    return CompiledStatement(checked.add_cte(*parts))


def _part(place: int) -> str:
    return f"p{place}"


def _among(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    which = columns[0] if len(columns) == 1 else tuple_(*columns)
    return which.in_(bindparam(KEYS, expanding=True))


def _among_all(
    columns: Sequence[ColumnElement[Any]], is_typed: bool, name: str
) -> ColumnElement[bool]:
    if len(columns) == 1 and is_typed:
        # Seen through a subquery, few keys look like many: PostgreSQL would plan anew for each few.
        given = select(bindparam(name, type_=Text)).scalar_subquery()
        return columns[0] == any_(cast(given, ARRAY(columns[0].type)))
    if len(columns) == 1:
        return columns[0] == any_(bindparam(name, type_=columns[0].type))
    rows = _rows({str(place): column.type for place, column in enumerate(columns)})
    return tuple_(*columns).in_(select(*(rows.c[str(place)] for place in range(len(columns)))))


def _rows(types: Mapping[str, TypeEngine[Any]], name: str = "") -> Any:
    """Builds a table of the rows that are given, to be joined with another. Its limit tells
    PostgreSQL how few they are: it takes any JSON for a hundred, and would rather read a whole
    table than look so many up."""
    count = select(bindparam(name + COUNT, type_=Integer)).scalar_subquery()
    columns = (named_column(each, type_) for each, type_ in types.items())
    return select(*columns).select_from(_given(types, name)).limit(count).subquery("few")


def _given(types: Mapping[str, TypeEngine[Any]], name: str = "") -> Any:
    """Builds a table of the rows that are given, for a statement or the part `name` of one. Short
    names keep a statement below the 4096 characters up to which psycopg remembers it."""
    columns = [named_column(name, type_) for name, type_ in types.items()]
    given = func.json_to_recordset(cast(bindparam(name + ROWS, type_=Text), JSON))
    table = given.table_valued(*columns, named_column(literals.PLACE, Integer))
    return table.render_derived(name="g", with_types=True)


def _few(rows: Sequence[Row], name: str = "") -> dict[str, object]:
    return {name + ROWS: literals.json_rows(rows), name + COUNT: len(rows)}
