import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw import csvs


@pytest.mark.parametrize("cell", ["=1+1", "+62812", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert csvs.harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["saldo", "", "1=1", -2, 3, None])
def test_all_else_stays(cell: object) -> None:
    assert csvs.harmless(cell) == cell


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1))
def test_what_is_written_is_read_again(cells: list[str]) -> None:
    (read,) = csv.reader(io.StringIO(csvs.line(cells), newline=""))
    assert read == [csvs.harmless(cell) for cell in cells]
