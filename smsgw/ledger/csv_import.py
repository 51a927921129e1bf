"""Imports the ledger's CSV files: upsert by key, all or nothing.

Whoever reads meanwhile waits for nothing and sees what was there before, until the one commit at
the end: PostgreSQL's readers never wait for writers, and on SQLite the ledger is a file of its own
(settings), whose readers do not either.

Files are read and written in one pass inside one transaction, in batches, so that memory stays
flat; the first bad row stops the writing but not the reading, and the transaction is rolled back.
Keys that stand twice are found by their digest, eight octets a row.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from importlib import resources
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from smsgw.ledger.csv_format import FILES, File, Value

SEPARATORS = (",", ";", "\t")  # spreadsheets of some languages write the second
BATCH = 500  # rows of 13 columns stay under SQLite's 32,766 parameters
FAULTS_NAMED = 100
LONGEST_FOUND = 200  # characters of a heading
UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")  # as it begins where it is read as UTF-8

Row = dict[str, Value]
Progress = Callable[[int], object]  # told how many octets were read since


class LoadResult(NamedTuple):
    rows: int
    deleted: int = 0


class LoadError(Exception):
    """Says that nothing was loaded. Its text names every bad row by file and line."""


def load(
    engine: Engine,
    folder: Path,
    *,
    replace: bool = False,
    progress: Progress = lambda octets: None,
) -> dict[str, LoadResult]:
    """Returns what became of each file of `folder`. Files that are absent are left alone.

    `replace` also deletes what a present file no longer holds. Raises LoadError.
    """
    try:
        with engine.begin() as connection:
            return load_into(connection, folder, replace=replace, progress=progress)
    except DBAPIError as error:
        raise LoadError(f"the ledger could not be written{why(error)}") from None


def why(error: DBAPIError) -> str:
    """Returns the rest of a sentence."""
    if "database is locked" in str(error.orig):
        return "; another one writes it, try again when that has ended"
    return f" ({type(error).__name__}); run smsgw migrate first"


def load_into(
    connection: Connection,
    folder: Path,
    *,
    replace: bool = False,
    progress: Progress = lambda octets: None,
) -> dict[str, LoadResult]:
    """Does the same in the caller's transaction, which must not be committed after LoadError."""
    present = {name: path for name in FILES if (path := folder / f"{name}.csv").is_file()}
    if not present:
        raise LoadError(f"{folder} holds none of {', '.join(f'{name}.csv' for name in FILES)}")
    faults = Faults()
    counts = {
        name: _load_file(connection, FILES[name], path, faults, replace, progress)
        for name, path in present.items()
    }
    faults.raise_if_any()
    return counts


class Faults:
    """Collects bad rows, and names the first hundred of them."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self._count = 0

    def add(self, path: Path, line: int, what: str) -> None:
        self._count += 1
        if len(self._named) < FAULTS_NAMED:
            self._named.append(f"{path.name}:{line}: {what}")

    def __bool__(self) -> bool:
        return self._count > 0

    def raise_if_any(self) -> None:
        if self:
            more = self._count - len(self._named)
            raise LoadError("\n".join([*self._named, *([f"and {more} more"] if more else [])]))


def _load_file(
    connection: Connection,
    file: File,
    path: Path,
    faults: Faults,
    replace: bool,
    progress: Progress,
) -> LoadResult:
    first_lines: dict[bytes, int] = {}
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        rows = _rows(file, path, _with_progress(lines, progress), faults, first_lines)
        while batch := list(islice(rows, BATCH)):
            if not faults:
                _upsert(connection, file, batch)
    if replace and not first_lines:
        faults.add(path, 1, "no row follows, and --replace would delete all; leave the file away")
    deleted = _delete_absent(connection, file, first_lines) if replace and not faults else 0
    return LoadResult(len(first_lines), deleted)


def _with_progress(lines: Iterable[str], progress: Progress) -> Iterator[str]:
    for line in lines:
        progress(len(line))
        yield line


def _rows(
    file: File, path: Path, lines: Iterator[str], faults: Faults, first_lines: dict[bytes, int]
) -> Iterator[Row]:
    heading, separator, at = _heading(lines)
    if heading.startswith(UTF_16):
        faults.add(path, 1, "this is UTF-16; save it as UTF-8")
        return
    reader = csv.DictReader(
        chain([heading], lines), delimiter=separator, skipinitialspace=True, strict=True
    )
    try:
        columns = reader.fieldnames or ()
        if set(columns) != set(file.readers):
            found = f"found {','.join(columns)[:LONGEST_FOUND]}" if columns else "it is empty"
            faults.add(path, at, f"the columns must be {','.join(file.readers)}; {found}")
            return
        for raw in reader:
            row = _row(file, raw, path, reader.line_num + at - 1, faults, first_lines)
            if row is not None:
                yield row
    except csv.Error as error:
        faults.add(path, reader.line_num + at, f"cannot be read: {error}")


def _heading(lines: Iterator[str]) -> tuple[str, str, int]:
    """Returns the heading, its separator, and the line it is in: spreadsheets may write `sep=;`
    before it."""
    first = next(lines, "")
    if first.lower().startswith("sep="):
        return next(lines, ""), first[len("sep=")], 2
    return first, max(SEPARATORS, key=first.count), 1


def _row(
    file: File,
    raw: Mapping[str | Any, Any],
    path: Path,
    line: int,
    faults: Faults,
    first_lines: dict[bytes, int],
) -> Row | None:
    if None in raw or None in raw.values():
        faults.add(path, line, f"has not {len(file.readers)} fields")
        return None
    row: Row = {}
    for column, read in file.readers.items():
        field = raw[column].strip()
        try:
            row[column] = read(_checked(field, file.table.c[column].type)) if field else None
        except ValueError as error:
            faults.add(path, line, f"{column} {error}")
            return None
    absent = [column for column in file.key if row[column] is None]
    if absent:
        faults.add(path, line, f"{absent[0]} is empty")
        return None
    key = _digest(row[column] for column in file.key)
    if key in first_lines:
        faults.add(path, line, f"has the same {', '.join(file.key)} as line {first_lines[key]}")
        return None
    first_lines[key] = line
    return row


def _checked(field: str, kind: TypeEngine[Any]) -> str:
    longest = getattr(kind, "length", None)
    if longest is not None and len(field) > longest:
        raise ValueError(f"has {len(field)} characters, {longest} at most")
    if "\0" in field:
        raise ValueError("holds a NUL")
    if re.search("[\ud800-\udfff]", field):
        raise ValueError("is not UTF-8")
    return field


def _digest(key: Iterable[object]) -> bytes:
    return blake2b("\0".join(map(str, key)).encode(), digest_size=8).digest()


def _upsert(connection: Connection, file: File, batch: list[Row]) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(file.table)
    others = {c: statement.excluded[c] for c in file.readers if c not in file.key}
    statement = statement.on_conflict_do_update(index_elements=list(file.key), set_=others)
    connection.execute(statement, batch)


def _delete_absent(connection: Connection, file: File, first_lines: Mapping[bytes, int]) -> int:
    columns = [file.table.c[column] for column in file.key]
    gone = [key for key in connection.execute(select(*columns)) if _digest(key) not in first_lines]
    named = [f"key_{column.name}" for column in columns]
    same = [
        column == bindparam(name, type_=column.type)
        for name, column in zip(named, columns, strict=True)
    ]
    for first in range(0, len(gone), BATCH):
        keys = [dict(zip(named, key, strict=True)) for key in gone[first : first + BATCH]]
        connection.execute(delete(file.table).where(*same), keys)
    return len(gone)


def reference_folder() -> Path:
    """Returns the folder of the packaged ledger of fictitious people."""
    return Path(str(resources.files("smsgw.ledger") / "seeds"))
