"""Runs statements on PostgreSQL for less than they cost through SQLAlchemy.

Each time it runs a statement, SQLAlchemy looks it up, makes a context for it and reads the driver's
description of every column. Here all of that is worked out once for each statement. SQLAlchemy
still compiles it, converts what goes in and out, makes the rows, and turns the driver's errors into
its own; its listeners hear of each execution.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Result, Select, Update
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.sql.dml import ReturningInsert

from smsgw.storage.kept_connection import KeptConnection

Read = TypeVar("Read")
Convert = Callable[[Any], Any]
Parameters = Mapping[str, Any]

# Of a connection, by statement: a cursor that runs one again knows how to read its columns.
CURSORS = "smsgw.cursors"
DIALECT = PGDialect_psycopg(dbapi=psycopg)  # type: ignore[no-untyped-call]


class _Compiled(NamedTuple):
    text: str
    constants: Parameters  # what the statement itself holds
    conversions: Sequence[tuple[str, Convert]]  # of parameters to what the driver takes
    columns: SimpleResultMetaData
    results: Sequence[tuple[int, Convert]]  # conversions of columns, by their places
    make: Callable[[Iterable[Any]], Any]  # a named tuple of values


class CompiledStatement:
    """Holds a statement for PostgreSQL. It may select no NUMERIC, which SQLAlchemy converts by what
    the database says of the column."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | ReturningInsert[Any] | Update) -> None:
        self._statement = statement

    def run(
        self,
        connection: Connection,
        given: Parameters,
        *,
        is_alone: bool = False,
        kept: KeptConnection | None = None,
    ) -> Result[*tuple[Any, ...]]:
        """Returns all rows. `is_alone`: if no transaction has begun, PostgreSQL begins and commits
        one for this statement, which saves two trips; on the `kept` connection, if that is free,
        which is ready for it. Raises what SQLAlchemy raises."""
        if is_alone:
            with _committing(connection, kept) as ready:
                rows = self._execute(ready, given, psycopg.Cursor.fetchall)
        else:
            rows = self._execute(connection, given, psycopg.Cursor.fetchall)
        return IteratorResult(self._compiled.columns, iter(rows))

    def records(self, connection: Connection, given: Parameters) -> list[Any]:
        """Returns all rows as named tuples: a value of one is read in a tenth of the time that one
        of SQLAlchemy's rows takes. Raises what SQLAlchemy raises."""
        results, make = self._compiled.results, self._compiled.make
        records = []
        for row in self._execute(connection, given, psycopg.Cursor.fetchall):
            values = list(row)
            for place, convert in results:
                if values[place] is not None:
                    values[place] = convert(values[place])
            records.append(make(values))
        return records

    def count(self, connection: Connection, given: Parameters) -> int:
        """Returns how many rows were written. Raises what SQLAlchemy raises."""
        changed: int = self._execute(connection, given, attrgetter("rowcount"))
        return changed

    def _execute(
        self,
        connection: Connection,
        given: Parameters,
        read: Callable[[psycopg.Cursor[Any]], Read],
    ) -> Read:
        text, constants, conversions, *_ = self._compiled
        parameters = {**constants, **given}
        for name, convert in conversions:
            parameters[name] = convert(parameters[name])
        return _execute(connection, text, parameters, read)

    @cached_property
    def _compiled(self) -> _Compiled:
        compiled = self._statement.compile(dialect=DIALECT)
        converted = {
            name: bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)
            for bind, name in compiled.bind_names.items()
        }
        constants = {
            name: _converted(converted[name], compiled.params[name])
            for bind, name in compiled.bind_names.items()
            if not bind.required
        }
        given = [(n, each) for n, each in converted.items() if each and n not in constants]
        columns = list(self._statement.exported_columns)
        names = [str(getattr(each, "name", place)) for place, each in enumerate(columns)]
        types = (each.type.dialect_impl(DIALECT) for each in columns)
        record: Any = namedtuple("Record", names, rename=True)  # type: ignore[misc]
        processors = [each.result_processor(DIALECT, None) for each in types]
        return _Compiled(
            compiled.string,
            constants,
            given,
            SimpleResultMetaData(names, _processors=processors),
            [(place, convert) for place, convert in enumerate(processors) if convert],
            record._make,
        )


@contextmanager
def _committing(connection: Connection, kept: KeptConnection | None) -> Iterator[Connection]:
    """Yields a connection that commits each statement, unless a transaction has begun on the given
    one."""
    driver: Any = connection.connection.driver_connection
    if driver.autocommit or driver.info.transaction_status != TransactionStatus.IDLE:
        yield connection
        return
    with kept.taken_if_free() if kept else nullcontext() as free:
        if free is not None:
            yield free
            return
    driver.autocommit = True
    try:
        yield connection
    finally:
        if not driver.closed:
            driver.autocommit = False


def _converted(convert: Convert | None, value: Any) -> Any:
    return value if convert is None else convert(value)


def _execute(
    connection: Connection,
    text: str,
    given: Parameters,
    read: Callable[[psycopg.Cursor[Any]], Read],
) -> Read:
    driver: Any = connection.connection.driver_connection
    if not (driver.autocommit or connection.in_transaction()):
        connection.begin()
    # Whether there are listeners, and what is done about an error, SQLAlchemy itself asks so.
    is_heard = connection._has_events or connection.engine._has_events
    cursors = connection.info.setdefault(CURSORS, {})
    cursor = cursors.pop(text, None) or driver.cursor()
    asked = text
    try:
        if is_heard:
            for hear in connection.dispatch.before_cursor_execute:
                asked, given = hear(connection, cursor, asked, given, None, False)
        cursor.execute(asked, given)
        if is_heard:
            connection.dispatch.after_cursor_execute(connection, cursor, asked, given, None, False)
        found = read(cursor)
    except BaseException as error:
        if isinstance(error, psycopg.Error) or not isinstance(error, Exception):
            connection._handle_dbapi_exception(error, asked, given, cursor, None)
        raise
    cursors[text] = cursor
    return found
