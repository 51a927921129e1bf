"""Reads ledger files as spreadsheets write them, in batches of rows whose fields are still text."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from smsgw.ledger.csv_format import File

SEPARATORS = (",", ";", "\t")  # spreadsheets of some languages write the second
BATCH = 500  # rows of 13 columns stay under SQLite's 32,766 parameters
LONGEST_FOUND = 200  # characters of a heading
NOTHING_TO_REPLACE = "no row follows, and --replace would delete all; leave the file away"
UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")  # as it begins where it is read as UTF-8
HALF = re.compile("[\ud800-\udfff]")  # of a character that is not UTF-8

Progress = Callable[[int], object]  # told how many octets were read since
# The number of its line; what is wrong with the row as such, and how it reads; then its fields.
RawRow = list[Any]
BEFORE_FIELDS = 3


class Unreadable(Exception):
    """Says why a file cannot be read from this line on."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


class Batch(NamedTuple):
    columns: Sequence[str]  # in the file's order
    rows: list[RawRow]


def read(
    file: File, path: Path, since: date | None = None, progress: Progress = lambda octets: None
) -> Iterator[Batch]:
    """Yields the rows; without those whose dates are all before `since`. Raises Unreadable."""
    with path.open("rb") as octets:
        lines = io.TextIOWrapper(octets, "utf-8-sig", errors="surrogateescape", newline="")
        heading, separator, at = _heading(lines)
        if heading.startswith(UTF_16):
            raise Unreadable(1, "this is UTF-16; save it as UTF-8")
        reader = csv.reader(
            chain([heading], lines), delimiter=separator, skipinitialspace=True, strict=True
        )
        told = 0
        try:
            columns = _columns(file, next(reader, []), at)
            rows = _rows(reader, columns, at - 1)
            kept = rows if since is None else _newer(rows, columns, file, since)
            while batch := list(islice(kept, BATCH)):
                _mark_unstorable(batch, columns)
                yield Batch(columns, batch)
                progress(octets.tell() - told)
                told = octets.tell()
        except csv.Error as error:
            raise Unreadable(reader.line_num + at, f"cannot be read: {error}") from None
        progress(octets.tell() - told)


def _heading(lines: Iterable[str]) -> tuple[str, str, int]:
    """Returns the heading, its separator, and the line it is in: spreadsheets may write `sep=;`
    before it."""
    each = iter(lines)
    first = next(each, "")
    if first.lower().startswith("sep="):
        return next(each, ""), first[len("sep=")], 2
    return first, max(SEPARATORS, key=first.count), 1


def _columns(file: File, found: list[str], at: int) -> list[str]:
    if sorted(found) != sorted(file.kinds):
        named = f"found {','.join(found)[:LONGEST_FOUND]}" if found else "it is empty"
        raise Unreadable(at, f"the columns must be {','.join(file.kinds)}; {named}")
    return found


def _rows(reader: Any, columns: Sequence[str], lines_before: int) -> Iterator[RawRow]:
    """Yields them whole: a row with too many or too few fields has none, and says so."""
    width = len(columns)
    for fields in reader:
        if len(fields) == width:
            yield [reader.line_num + lines_before, "", "", *map(str.strip, fields)]
        elif fields:
            wrong = f"has not {width} fields"
            yield [reader.line_num + lines_before, wrong, shown(fields), *[""] * width]


def _newer(
    rows: Iterable[RawRow], columns: Sequence[str], file: File, since: date
) -> Iterator[RawRow]:
    """Leaves out rows that are older: one of their dates can be read, and none is as new. A month
    is as new as its last day."""
    places = [BEFORE_FIELDS + columns.index(name) for name in file.dated]
    limit = since.isoformat()
    for row in rows:
        dates = [row[place] for place in places if row[place]]
        is_new = not dates or any(each >= limit[: len(each)] for each in dates)
        if is_new or not all(_is_dated(file, columns, place, row[place]) for place in places):
            yield row


def _is_dated(file: File, columns: Sequence[str], place: int, field: str) -> bool:
    rules = file.kinds[columns[place - BEFORE_FIELDS]].rules
    return not field or all(rule.allows(field) for rule in rules)


def _mark_unstorable(batch: list[RawRow], columns: Sequence[str]) -> None:
    """Marks rows with what no database stores as text."""
    fields = "".join(chain.from_iterable(row[BEFORE_FIELDS:] for row in batch))
    if fields.isascii() and "\0" not in fields:
        return
    for row in batch:
        wrong = _unstorable(row[BEFORE_FIELDS:], columns)
        if wrong is not None:
            row[1:] = [wrong, shown(row[BEFORE_FIELDS:]), *[""] * len(columns)]


def _unstorable(fields: Sequence[str], columns: Sequence[str]) -> str | None:
    for column, field in zip(columns, fields, strict=True):
        if "\0" in field:
            return f"{column} holds a NUL"
        if not field.isascii() and HALF.search(field):
            return f"{column} is not UTF-8"
    return None


def shown(fields: Iterable[object]) -> str:
    """Returns a row as one text that can be stored anywhere, without octets that are no text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    octets = text.getvalue().encode("utf-8", "surrogateescape")
    return octets.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
