"""CSV as spreadsheets open it: an apostrophe keeps them from taking a text for a formula."""

import csv
import io
from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # how a cell begins that a spreadsheet computes


def line(cells: Iterable[object]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(map(harmless, cells))
    return written.getvalue()


def harmless(cell: object) -> object:
    """Numbers are what they are; a text may be anybody's."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
