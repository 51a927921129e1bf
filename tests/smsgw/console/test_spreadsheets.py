import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.console import spreadsheets
from smsgw.console.spreadsheets import NotRead, SpreadsheetFault


@pytest.mark.parametrize("cell", ["=1+1", "+62812", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_cells_are_never_formulas(cell: str) -> None:
    assert spreadsheets.harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["saldo", "", "1=1", -2, 3, None])
def test_other_cells_are_unchanged(cell: object) -> None:
    assert spreadsheets.harmless(cell) == cell


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1))
def test_written_tables_read_back_the_same(cells: list[str]) -> None:
    (read,) = csv.reader(io.StringIO(spreadsheets.line(cells), newline=""))
    assert read == [spreadsheets.harmless(cell) for cell in cells]


KANTOR = [["Kota", "Telp"], ["Bogor", "+62251"], ["Solo; Sala", ""]]


@pytest.mark.parametrize(
    "text",
    [
        "Kota,Telp\nBogor,+62251\nSolo; Sala,\n",
        'Kota;Telp\r\nBogor;\'+62251\r\n\r\n;\r\n"Solo; Sala";\r\n',
        "Kota\tTelp\nBogor\t +62251 \nSolo; Sala\t",
        "".join(map(spreadsheets.line, KANTOR)),
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(text: str) -> None:
    assert spreadsheets.read(spreadsheets.decode(text.encode("utf-8-sig"))) == KANTOR
    assert spreadsheets.read(spreadsheets.decode(text.encode())) == KANTOR


@pytest.mark.parametrize(
    ("octets", "why", "row"),
    [
        (b"Kota,Telp\nBogor,1\nSal\xe9,2\n", SpreadsheetFault.NOT_UTF8, 2),
        (b"Kota,Telp\nBogor,1\nSolo\n", SpreadsheetFault.WIDTH, 2),
        (b"Kota,Telp\nBogor,1,2\n", SpreadsheetFault.WIDTH, 1),
        (b'Kota,Telp\nBogor,1\n"Solo,2\nX,3\n', SpreadsheetFault.BROKEN, 2),
        (b'Kota,Telp\n"Bo"gor,1\n', SpreadsheetFault.BROKEN, 1),
    ],
)
def test_an_invalid_table_says_why_and_where(
    octets: bytes, why: SpreadsheetFault, row: int
) -> None:
    with pytest.raises(NotRead) as refusal:
        spreadsheets.read(spreadsheets.decode(octets))
    assert (refusal.value.why, refusal.value.row) == (why, row)


def test_empty_text_has_no_rows() -> None:
    assert spreadsheets.read(" \n\n") == []
