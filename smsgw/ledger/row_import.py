"""Imports ledger files row by row, in the caller's transaction: on SQLite, and small ledgers.

Rows are checked here and written in slices. The first bad row stops the writing but not the
reading, unless bad rows may be left out. Keys that stand twice are found by their digest, about a
hundred octets of memory a row.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from smsgw.ledger import csv_reading, rules
from smsgw.ledger.csv_faults import Fault, Faults
from smsgw.ledger.csv_format import FILES, File, Value
from smsgw.ledger.csv_reading import BEFORE_FIELDS, RawRow, Unreadable
from smsgw.ledger.load_request import LoadRequest, LoadResult

SLICE = 500  # rows

Row = dict[str, Value]


def load(connection: Connection, request: LoadRequest, faults: Faults) -> dict[str, LoadResult]:
    """Returns what became of each file. What it wrote must not be committed where there are faults
    that forbid it."""
    return {
        name: _FileImport(connection, FILES[name], path, faults).load(request)
        for name, path in request.files.items()
    }


class _FileImport:
    def __init__(self, connection: Connection, file: File, path: Path, faults: Faults) -> None:
        self._connection, self._file, self._path = connection, file, path
        self._faults = faults
        self._first_lines: dict[bytes, int] = {}
        self._kept: set[bytes] = set()  # keys of bad rows, whose older ones are not deleted

    def load(self, request: LoadRequest) -> LoadResult:
        read = 0
        try:
            for columns, rows in csv_reading.read(
                self._file, self._path, request.since, request.progress
            ):
                read += len(rows)
                self._write([row for each in rows if (row := self._row(columns, each))])
        except Unreadable as error:
            self._faults.add_fatal(self._path.name, error.line, str(error))
            return LoadResult(0)
        self._faults.check_share(self._path.name, read)
        if request.replace and not self._first_lines:
            self._faults.add_fatal(self._path.name, 1, csv_reading.NOTHING_TO_REPLACE)
        deleted = self._delete_absent() if request.replace and self._faults.is_loading else 0
        rejected = self._faults.rejected(self._path.name)
        return LoadResult(len(self._first_lines), deleted, rejected)

    def _row(self, columns: Iterable[str], raw: RawRow) -> Row | None:
        line, wrong, shown = raw[:BEFORE_FIELDS]
        fields = dict(zip(columns, raw[BEFORE_FIELDS:], strict=True))
        wrong = wrong or self._wrong(fields)
        key = self._key(fields)
        if not wrong and key in self._first_lines:
            same = ", ".join(self._file.key)
            wrong = f"has the same {same} as line {self._first_lines[key]}"
        if wrong:
            text = shown or csv_reading.shown(raw[BEFORE_FIELDS:])
            self._faults.add(Fault(self._path.name, line, wrong, text))
            self._kept.add(key)
            return None
        self._first_lines[key] = line
        return {
            column: kind.value(fields[column]) if fields[column] else None
            for column, kind in self._file.kinds.items()
        }

    def _key(self, fields: Mapping[str, str]) -> bytes:
        """Returns the key's digest; where it cannot be read, one that no other row has."""
        kinds = {column: self._file.kinds[column] for column in self._file.key}
        if any(rules.fault(kind.rules, fields[column]) for column, kind in kinds.items()):
            return b""
        return _digest(kind.value(fields[column]) for column, kind in kinds.items())

    def _wrong(self, fields: Mapping[str, str]) -> str | None:
        for column, kind in self._file.kinds.items():
            says = rules.fault(kind.rules, fields[column]) if fields[column] else None
            if says is not None:
                return f"{column} {says}"
        absent = [column for column in self._file.key if not fields[column]]
        return f"{absent[0]} is empty" if absent else None

    def _write(self, rows: list[Row]) -> None:
        if not rows or not self._faults.is_loading:
            return
        is_postgres = self._connection.dialect.name == "postgresql"
        insert = postgresql.insert if is_postgres else sqlite.insert
        statement = insert(self._file.table)
        others = {
            column: statement.excluded[column]
            for column in self._file.kinds
            if column not in self._file.key
        }
        statement = statement.on_conflict_do_update(
            index_elements=list(self._file.key), set_=others
        )
        self._connection.execute(statement, rows)

    def _delete_absent(self) -> int:
        columns = [self._file.table.c[column] for column in self._file.key]
        held = self._first_lines.keys() | self._kept
        gone = [
            key for key in self._connection.execute(select(*columns)) if _digest(key) not in held
        ]
        named = [f"key_{column.name}" for column in columns]
        same = [
            column == bindparam(name, type_=column.type)
            for name, column in zip(named, columns, strict=True)
        ]
        for few in _slices(gone):
            keys = [dict(zip(named, key, strict=True)) for key in few]
            self._connection.execute(delete(self._file.table).where(*same), keys)
        return len(gone)


def _slices(rows: list[Any]) -> Iterator[list[Any]]:
    return (rows[first : first + SLICE] for first in range(0, len(rows), SLICE))


def _digest(key: Iterable[object]) -> bytes:
    return blake2b("\0".join(map(str, key)).encode(), digest_size=8).digest()
