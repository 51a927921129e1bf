"""Tables that keywords look values up in, and what may be wrong with one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from smsgw import gsm7
from smsgw.configuration.document import Table
from smsgw.configuration.explanation import NOT_A_NAME, parse
from smsgw.configuration.schema import AN_ID, TableShape, key_of

MOST_ROWS, MOST_COLUMNS, WIDEST_CELL = 1000, 10, 100
A_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,29}")


def tables_of(raw: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Table]:
    return {
        name: Table(
            table["columns"],
            {
                key_of(row[0]): {
                    column: gsm7.to_gsm7(cell)
                    for column, cell in zip(table["columns"], row, strict=True)
                }
                for row in table["rows"]
            },
        )
        for name, table in raw.items()
    }


def table_faults(name: str, table: Any) -> Iterator[str]:
    if not isinstance(name, str):
        return iter([f"table {name}: {NOT_A_NAME}"])
    shape = parse(TableShape, table, f"table {name}")
    return iter(shape) if isinstance(shape, list) else _table_faults(name, shape)


def _table_faults(name: str, table: TableShape) -> Iterator[str]:
    columns, rows = table.columns, table.rows
    odd = [each for each in columns if not A_COLUMN.fullmatch(each)]
    if not AN_ID.fullmatch(name):
        yield f"table {name}: a name is 2 to 20 of a-z, 0-9 and _, a letter first"
    if not 1 < len(columns) <= MOST_COLUMNS or len(set(columns)) < len(columns):
        yield f"table {name}: 2 to {MOST_COLUMNS} columns of different names are needed"
    if odd:
        yield f"table {name}: {', '.join(odd)} is no column; use a-z, 0-9 and _, a letter first"
    if not 1 <= len(rows) <= MOST_ROWS:
        yield f"table {name}: it has {len(rows)} rows; 1 to {MOST_ROWS} are possible"
    first_rows: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        fault = _row_fault(row, len(columns), first_rows, number)
        if fault is not None:
            yield f"table {name}, row {number}: {fault}"


def _row_fault(
    row: Sequence[Any], width: int, first_rows: dict[str, int], number: int
) -> str | None:
    if len(row) != width or not all(isinstance(cell, str) for cell in row):
        return f"{width} texts are needed"
    if any(len(cell) > WIDEST_CELL for cell in row):
        return f"a cell has {WIDEST_CELL} characters at most"
    key = key_of(row[0])
    if not key:
        return "its first column is what people type"
    if first_rows.setdefault(key, number) != number:
        return f"{row[0]} stands in row {first_rows[key]} too"
    return None
