"""Python and PostgreSQL find the same faults in a field, in the same words."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random

import pytest
from sqlalchemy import Column, Connection, MetaData, String, Table, case, insert, null, select

from smsgw.ledger import rules
from smsgw.ledger.csv_format import FILES, Kind
from smsgw.ledger.rules import REFUSED_PHONES, PhoneNumber
from smsgw.storage import engines

COLUMNS = {
    kind: f"{name}.{column}" for name, file in FILES.items() for column, kind in file.kinds.items()
}
KINDS = {name: kind for kind, name in COLUMNS.items()}  # each once
FIELDS = Table("tried_fields", MetaData(), Column("field", String))
# Each kind's own, and what is nearly one.
WRITTEN = [
    *("19012345678", "1901234567", "190123456789", "3171011708900000", "1", "0", "-1", "+1", "٣"),
    *("9223372036854775807", "9223372036854775808", "0000000000000000001", "00000000000000000001"),
    *(
        "10000000000000000000",
        "456000",
        "456.000",
        "456000.5",
        "1e3",
        "1E+30",
        ".5",
        "5.",
        ".",
        "-",
    ),
    *("0.30", "+3.7", "nan", "Infinity", "1_000", "123456789012345678901", "12345678901234567890"),
    *("2025-09-30", "2025-09-31", "2024-02-29", "2025-02-29", "2000-02-29", "1900-02-29"),
    *("0000-01-01", "0001-01-01", "9999-12-31", "20250930", "2025-W39-2", "20-2501-01"),
    *("2025-9-30", "2025-00-10", "2025-13-10", "2025-10-00", "30-09-2025", "2025-09-30T00:00"),
    *("2025-09", "2025-9", "2025-00", "2025-13", "0000-01", "0001-01", "202509", "2025-09-"),
    *("+6281234567890", "+628123456789", "+62812345678", "+62812345678901", "081234567890"),
    *("+6284123", "+62841", "+628400000000001", "+622112345678", "+60123456789", "+14155552671"),
    *("+15555555555", "+628023456789", "+62 812-3456-7890", "6281234567890", "+", "+62", "2757"),
    *("AKTIF", "TIDAK AKTIF", "aktif", "AKTIF ", "AKTIF|PU", "PU", "BPU", "JHT", "JHTX", "XJHT"),
    *("AGENDA", "SELESAI", "a" * 10, "a" * 11, "a" * 500, "a" * 501, "é" * 60, "😀" * 61, "a\nb"),
    *("2025-09-30\n", "19012345678\n", "JHT\nJHT", "\\d", "$1", "100%", "^", "'", '"', "\x1f"),
]


def fields() -> list[str]:
    """Returns them, and each with one character changed, left out or put in."""
    chance = Random(20251031)
    return sorted({*WRITTEN, *(_slip(chance.choice(WRITTEN), chance) for _ in range(1_000))} - {""})


def _slip(written: str, chance: Random) -> str:
    place = chance.randrange(len(written))
    put = chance.choice(["", *"0123456789-+.eE Aa/٣\n"])
    return written[:place] + put + written[place + chance.randrange(2) :]


@pytest.fixture(scope="module")
def tried(postgres_url: str) -> Iterator[Connection]:
    """Holds the fields, and those numbers that Python refuses, as an import notes them."""
    engine, doubtful = engines.engine(postgres_url), PhoneNumber()
    with engine.connect() as connection:
        FIELDS.create(connection)
        connection.execute(insert(FIELDS), [{"field": each} for each in fields()])
        REFUSED_PHONES.create(connection)
        numbers = connection.execute(
            select(FIELDS.c.field).where(doubtful.is_doubtful(FIELDS.c.field))
        ).scalars()
        refused = [{"number": number} for number in numbers if not doubtful.allows(number)]
        connection.execute(insert(REFUSED_PHONES), refused)
        yield connection
        connection.rollback()
    engine.dispose()


def found_there(connection: Connection, kind: Kind) -> dict[str, str | None]:
    broken = [
        (rule.breaks(FIELDS.c.field), rules.said(rule, FIELDS.c.field)) for rule in kind.rules
    ]
    what = case(*broken, else_=null())
    return {row.field: row.what for row in connection.execute(select(FIELDS, what.label("what")))}


@pytest.mark.parametrize("name", KINDS)
def test_python_and_postgresql_find_the_same_faults(tried: Connection, name: str) -> None:
    kind = KINDS[name]
    there = found_there(tried, kind)
    assert there == {field: rules.fault(kind.rules, field) for field in fields()}
    assert None in there.values()
    assert any(there.values())


@pytest.mark.parametrize("name", KINDS)
def test_what_is_allowed_becomes_the_same_value(tried: Connection, name: str) -> None:
    kind = KINDS[name]
    allowed = [field for field in fields() if rules.fault(kind.rules, field) is None]
    typed = kind.typed(FIELDS.c.field).label("typed")
    rows = tried.execute(select(FIELDS, typed).where(FIELDS.c.field.in_(allowed)))
    became = {row.field: row.typed for row in rows}
    if kind.value is Decimal:
        became = {field: Decimal(value) for field, value in became.items()}
    assert became == {field: kind.value(field) for field in allowed}
