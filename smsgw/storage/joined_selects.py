"""Reads in one statement what would be several, for the cost of one trip."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Table,
    bindparam,
    func,
    literal_column,
    select,
)

from smsgw.storage import literals
from smsgw.storage.bulk import COUNT, FIRST, KEYS, BulkSelect
from smsgw.storage.compiled_statement import CompiledStatement
from smsgw.storage.monthly_ids import first_id, next_id

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
        names = tuple(sorted(keys))
        statement, places = self._statement(names)
        given = {f"keys{place}": literals.array(keys[name]) for place, name in enumerate(names)}
        found: dict[str, list[Mapping[str, Any]]] = {name: [] for name in keys}
        for which, *row in statement.run(connection, given):
            name, first, columns = places[which]
            if row[first] is not None:  # its key: it found something
                values = row[first : first + len(columns)]
                found[name].append(dict(zip(columns, values, strict=True)))
        return {**found}

    def _join(self, names: tuple[str, ...]) -> tuple[CompiledStatement, list[_Place]]:
        """Joins each select with a number, beside which its rows stand."""
        # Constants: of parameters PostgreSQL expects a thousand numbers, and plans each time.
        ends = [literal_column(str(each), Integer) for each in (0, len(names) - 1)]
        number = func.generate_series(*ends).table_valued("number")
        joined: FromClause = number.render_derived(name="n")
        which, places, ordered = joined.c.number, list[_Place](), list[ColumnElement[Any]]()
        parts = []
        for place, name in enumerate(names):
            part = self._selects[name].part(f"keys{place}").subquery(f"s{place}")
            joined = joined.outerjoin(part, which == literal_column(str(place)))
            first = places[-1].first + len(places[-1].columns) if places else 0
            places.append(_Place(name, first, part.c.keys()))
            ordered += [part.c[literals.PLACE]] if literals.PLACE in part.c else []
            parts.append(part)
        statement = select(which, *parts).select_from(joined).order_by(which, *ordered)
        return CompiledStatement(statement), places


class SelectWithIds:
    """Selects on PostgreSQL what a BulkSelect does, and takes ids as BulkIds does."""

    def __init__(self, bulk: BulkSelect, *tables: Table) -> None:
        # Seen through a subquery, no count is few or many: PostgreSQL plans once for all.
        count = select(bindparam(COUNT, type_=Integer)).scalar_subquery()
        series = func.generate_series(literal_column("1"), count)
        first = bindparam(FIRST, type_=BigInteger)
        taken = (func.array_agg(next_id(table, first)).label(table.name) for table in tables)
        ids = select(*taken).select_from(series).subquery("ids")
        found = bulk.part(KEYS).subquery("found")
        # The ids stand in a row of their own, beside which nothing is found.
        both = func.generate_series(literal_column("0"), literal_column("1"))
        number = both.table_valued("number").render_derived(name="n")
        which = number.c.number
        joined = number.outerjoin(ids, which == literal_column("0"))
        joined = joined.outerjoin(found, which == literal_column("1"))
        self._statement = CompiledStatement(select(ids, found).select_from(joined))
        self._width = len(tables)  # columns with ids

    def run(
        self,
        connection: Connection,
        given: Mapping[str, object],
        keys: Sequence[Any],
        count: int,
        at: datetime,
    ) -> tuple[list[Any], list[tuple[int, ...]]]:
        """Returns the rows as named tuples, and `count` times an id for each table, of the month of
        `at`."""
        ours = {KEYS: literals.array(keys), COUNT: count, FIRST: first_id(at)}
        rows = self._statement.records(connection, {**given, **ours})
        taken = next(row for row in rows if row[0] is not None)[: self._width]
        found = [row for row in rows if row[self._width] is not None]
        return found, list(zip(*taken, strict=True))
