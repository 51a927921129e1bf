"""Rows of the ledger's small tables are changed one at a time, and nothing is overwritten."""

from dataclasses import replace

import pytest

from smsgw.ledger import reference_tables
from smsgw.ledger.reference_tables import LedgerRow, RowChanged, RowExists
from smsgw.runtime import Runtime


def one(rt: Runtime, table: str, key: str) -> LedgerRow:
    rows = reference_tables.rows(rt.ledger.engine, table)
    return next(row for row in rows if row.key == key)


def edited(row: LedgerRow, **fields: str) -> LedgerRow:
    return replace(row, fields={**row.fields, **fields})


def test_fields_read_as_the_files_have_them(rt: Runtime) -> None:
    rate = one(rt, "rates", "JKM PU employer 2015-07-01")
    assert list(rate.fields.values()) == [
        *("JKM", "PU", "employer", "2015-07-01", "0.30", "percent", ""),
    ]
    assert one(rt, "contacts", "whatsapp").fields["hours"] == ""


@pytest.mark.parametrize("table", reference_tables.NAMES)
def test_a_row_is_added_changed_and_deleted(rt: Runtime, table: str) -> None:
    engine = rt.ledger.engine
    before = reference_tables.rows(engine, table)
    fields = dict.fromkeys(reference_tables.columns(table), "X")
    fields |= {"effective_from": "2026-01-01", "value": "+1e2"} if table == "rates" else {}
    row = reference_tables.read(table, fields)
    reference_tables.apply(engine, None, row)
    reference_tables.apply(engine, None, row)  # as whoever died in between does
    assert one(rt, table, row.key).fields == row.fields
    changed = edited(row, hours="Y") if "hours" in fields else edited(row, note="")
    for _ in range(2):
        reference_tables.apply(engine, row, changed)
    assert one(rt, table, row.key).fields == changed.fields
    for _ in range(2):
        reference_tables.apply(engine, changed, None)
    assert reference_tables.rows(engine, table) == before


def test_what_somebody_else_changed_is_not_overwritten(rt: Runtime) -> None:
    engine = rt.ledger.engine
    shown = one(rt, "offices", "JKT01")
    reference_tables.apply(engine, shown, edited(shown, phone="021-1"))
    with pytest.raises(RowChanged):
        reference_tables.apply(engine, shown, edited(shown, phone="021-2"))
    with pytest.raises(RowChanged):
        reference_tables.apply(engine, shown, None)
    reference_tables.apply(engine, shown, edited(shown, hours="Sen-Kam"))  # another field
    there = one(rt, "offices", "JKT01")
    assert (there.fields["phone"], there.fields["hours"]) == ("021-1", "Sen-Kam")
    with pytest.raises(RowExists):
        reference_tables.apply(engine, None, edited(shown, city="Bogor"))
    reference_tables.apply(engine, there, None)
    with pytest.raises(RowChanged):
        reference_tables.apply(engine, there, edited(there, phone="021-3"))


def test_a_row_is_named_and_marked_by_letters(rt: Runtime) -> None:
    """Digits would read as a number of somebody."""
    shown = one(rt, "offices", "JKT01")
    changed = edited(shown, hours="")
    assert shown.name == changed.name
    assert shown.mark != changed.mark
    assert (shown.name + shown.mark).isalpha()


def test_what_is_looked_up_in_a_foreign_ledger_is_shown(rt: Runtime) -> None:
    rows = reference_tables.foreign_rows(rt.ledger.engine, "contacts")
    assert {"channel": "call_centre", "value": "175"}.items() <= rows[0].items()
    assert "code" not in reference_tables.foreign_rows(rt.ledger.engine, "offices")[0]
