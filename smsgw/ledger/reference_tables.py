"""Reads and changes what is small and the same for everybody, a row at a time: offices, rates and
contacts of a ledger that is ours. Fields are text, as the CSV files have them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from smsgw.ledger.csv_format import FILES, File, Value
from smsgw.ledger.rules import Rule
from smsgw.ledger.statements import LOOK_UPS
from smsgw.storage import engines

NAMES = ("offices", "rates", "contacts")
DATED = "effective_from"  # in the key of rates
LETTERS = str.maketrans("0123456789", "ghijklmnop")

Fields = Mapping[str, str]  # by column; empty where the ledger has nothing


class RowExists(Exception):
    """There is a row with this key."""


class RowChanged(Exception):
    """The row is no longer what it was when it was shown."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    table: str
    fields: Fields

    @property
    def name(self) -> str:
        """Names the row in addresses."""
        return _digest([self.fields[column] for column in FILES[self.table].key])

    @property
    def mark(self) -> str:
        """Returns what differs once any field does."""
        return _digest(sorted(self.fields.items()))

    @property
    def key(self) -> str:
        """Names the row for people."""
        return " ".join(self.fields[column] for column in FILES[self.table].key)


def columns(table: str) -> Sequence[str]:
    return list(FILES[table].kinds)


def rows(engine: Engine, table: str) -> list[LedgerRow]:
    """Returns all rows by their key. Raises SQLAlchemyError."""
    file = FILES[table]
    chosen = select(*_columns(file)).order_by(*(file.table.c[column] for column in file.key))
    with engines.reading(engine).connect() as connection:
        return [_row(table, each._mapping) for each in connection.execute(chosen)]


def foreign_rows(engine: Engine, table: str) -> list[Fields]:
    """Returns what is looked up in a ledger of somebody else's. Raises SQLAlchemyError."""
    with engines.reading(engine).connect() as connection:
        found = connection.execute(LOOK_UPS[table])
        return [{name: _text(value) for name, value in row._mapping.items()} for row in found]


def faults(table: str, fields: Fields) -> dict[str, Rule | None]:
    """Returns the rule that a field breaks, by its column; None where a part of the key is
    empty."""
    file = FILES[table]
    found: dict[str, Rule | None] = {}
    for column, kind in file.kinds.items():
        field = fields[column]
        broken = next((rule for rule in kind.rules if field and not rule.allows(field)), None)
        if broken or (column in file.key and not field):
            found[column] = broken
    return found


def read(table: str, fields: Fields) -> LedgerRow:
    """Returns the row that fields without faults make, each as the ledger will hold it."""
    values = _values(FILES[table], {column: fields[column] for column in columns(table)})
    return _row(table, values)


def apply(engine: Engine, before: LedgerRow | None, after: LedgerRow | None) -> None:
    """Adds a row, changes the fields that differ, or deletes it. It may be done before: then
    nothing happens. Raises RowExists, RowChanged, SQLAlchemyError."""
    row = before or after
    if row is None:
        raise ValueError("there is no row")
    file = FILES[row.table]
    with engine.begin() as connection:
        present = _find(connection, file, row)
        if after is not None and before is not None:
            _change(connection, file, present, before, after)
        elif after is not None:
            _add(connection, file, present, after)
        elif present is not None:
            _require(present.fields == row.fields)
            connection.execute(delete(file.table).where(_is(file, row)))


def _add(connection: Connection, file: File, present: LedgerRow | None, row: LedgerRow) -> None:
    if present is not None:
        if present.fields == row.fields:
            return
        raise RowExists
    try:
        connection.execute(insert(file.table).values(_values(file, row.fields)))
    except IntegrityError:
        raise RowExists from None


def _change(
    connection: Connection,
    file: File,
    present: LedgerRow | None,
    before: LedgerRow,
    after: LedgerRow,
) -> None:
    changed = {name: after.fields[name] for name in changes(before, after)}
    _require(present is not None)
    there = {name: present.fields[name] for name in changed} if present else {}
    if there == changed:
        return
    _require(there == {name: before.fields[name] for name in changed})
    same = update(file.table).where(_is(file, before))
    connection.execute(same.values(_values(file, changed)))


def _require(is_so: bool) -> None:
    if not is_so:
        raise RowChanged


def changes(before: LedgerRow, after: LedgerRow) -> list[str]:
    """Returns the columns whose fields differ."""
    return [name for name, field in after.fields.items() if field != before.fields[name]]


def _find(connection: Connection, file: File, row: LedgerRow) -> LedgerRow | None:
    """Finds the row that has the key, and keeps others from changing it."""
    chosen = select(*_columns(file)).where(_is(file, row)).with_for_update()
    found = connection.execute(chosen).first()
    return None if found is None else _row(row.table, found._mapping)


def _is(file: File, row: LedgerRow) -> ColumnElement[bool]:
    key = _values(file, {column: row.fields[column] for column in file.key})
    return and_(*(file.table.c[column] == value for column, value in key.items()))


def _columns(file: File) -> list[ColumnElement[Any]]:
    return [file.table.c[column] for column in file.kinds]


def _values(file: File, fields: Fields) -> dict[str, Value]:
    return {
        column: file.kinds[column].value(field) if field else None
        for column, field in fields.items()
    }


def _row(table: str, values: Mapping[Any, Any]) -> LedgerRow:
    return LedgerRow(table, {column: _text(values[column]) for column in columns(table)})


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else str("" if value is None else value)


def _digest(values: object) -> str:
    """Returns letters alone: nobody should take them for a number of somebody."""
    return sha256(json.dumps(values).encode()).hexdigest()[:24].translate(LETTERS)
