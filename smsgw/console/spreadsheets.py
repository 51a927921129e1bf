"""Writes CSV for spreadsheets: an apostrophe keeps them from taking a text for a formula."""

import csv
import io
from collections.abc import Iterable
from enum import StrEnum

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # how a cell begins that a spreadsheet computes

SEPARATORS = (
    ",",
    ";",
    "\t",
)  # spreadsheets of some languages write the second; a copy has the third


class SpreadsheetFault(StrEnum):
    NOT_UTF8 = "this is not UTF-8"
    BROKEN = "a quote is opened and not closed, or stands inside a cell"
    WIDTH = "it has another number of cells than the heading"


class NotRead(ValueError):
    """Says why a file was not read. `row` is the number of the faulty row; the heading is 0."""

    def __init__(self, why: SpreadsheetFault, row: int) -> None:
        super().__init__(f"row {row}: {why}")
        self.why, self.row = why, row


def line(cells: Iterable[object]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(map(harmless, cells))
    return written.getvalue()


def harmless(cell: object) -> object:
    """Returns the cell, with an apostrophe before a text that a spreadsheet would take for a
    formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def plain(cell: str) -> str:
    """Returns what `harmless` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def decode(octets: bytes) -> str:
    """Raises NotRead."""
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotRead(SpreadsheetFault.NOT_UTF8, octets[: error.start].count(b"\n")) from None


def read(text: str) -> list[list[str]]:
    """Returns the heading and the rows, all equally wide, without empty ones. Raises NotRead."""
    heading = text.lstrip().partition("\n")[0]
    separator = max(SEPARATORS, key=heading.count)
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for cells in reader:
            row = [plain(cell.strip()) for cell in cells]
            if any(row):
                rows.append(row)
                if len(row) != len(rows[0]):
                    raise NotRead(SpreadsheetFault.WIDTH, len(rows) - 1)
    except csv.Error:
        raise NotRead(SpreadsheetFault.BROKEN, len(rows)) from None
    return rows
