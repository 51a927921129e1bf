from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from smsgw.runtime import Runtime
from smsgw.storage import literals

NOW = datetime(2026, 11, 29, 23, 59, 59, 5, tzinfo=UTC)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", ["19012345678", "", " ", "NULL", "a,b", "{}", 'a"b', "\\", '\\"', "'", "é\n"]),
        ("bytea", [b"", b"\x00\xff", b'\\"{},']),
        ("bigint", [0, -1, 202611000000012345]),
        ("timestamptz", [NOW]),
        ("text", []),
    ],
)
def test_an_array_is_read_as_it_was_given(rt: Runtime, kind: str, values: list[Any]) -> None:
    with rt.reading() as tx:
        read = text(f"SELECT CAST(:it AS {kind}[])")
        assert tx.connection.execute(read, {"it": literals.array(values)}).scalar_one() == values


@pytest.mark.parametrize("write", [literals.array, lambda it: literals.json_rows([{"at": it[0]}])])
def test_a_naive_time_is_refused(write: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"naive|datetime"):
        write([NOW.replace(tzinfo=None)])
