"""Checks what columns of foreign tables hold, and how we read it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from smsgw import phone
from smsgw.ledger import values
from smsgw.ledger.values import Read, UnreadableValue

JAKARTA = ZoneInfo("Asia/Jakarta")
OWN = "+6281234567890"
NONE = {None, "unreadable"}


def read(reader: Read, value: object) -> object:
    try:
        return reader(value, JAKARTA)
    except UnreadableValue:
        return "unreadable"


@pytest.mark.parametrize(
    "written",
    [
        "081234567890",
        "0812-3456-7890",
        "0812.3456.7890",
        "0812 3456 7890",
        "(0812) 3456-7890",
        "6281234567890",
        "62812-3456-7890",
        "+62 812-3456-7890",
        "+62 (0)812-3456-7890",
        "62081234567890",
        "006281234567890",
        "81234567890",
        "81234567890.0",
        "'081234567890",
        "HP: 081234567890",
        "081234567890 (istri)",
        "\u00a0081234567890\u200b ",
        "０８１２３４５６７８９０",
        "+62\u2011812\u20113456\u20117890",
        "081234567890 / 085700000003",
        "081234567890/085700000003",
        "081234567890; 085700000003",
        "081234567890, 085700000003",
        "081234567890 atau 085700000003",
        "081234567890\n085700000003",
        "021-5550123 / 081234567890",
        "0 / 081234567890",
        "- / 081234567890",
        81234567890,
        6281234567890,
        81234567890.0,
        Decimal("81234567890"),
        Decimal("6281234567890.00"),
    ],
)
def test_a_number_on_file_is_read_however_it_is_written(written: object) -> None:
    assert read(values.number_on_file, written) == OWN


@pytest.mark.parametrize(
    "written",
    [
        *("0", "-", "", " ", "000", "00000000000", "tidak ada", "NULL", "n/a", 0, Decimal(0)),
        *(
            "021-5550123",
            "(021) 5550123",
            "+62215550123",
            "2757",
            "175",
            "0800123456",
            "0809123456",
        ),
        *("0812****7890", "08123", "081234567890081299990001", "0812 3456 7890 0813 1111 2222"),
        *("6.2812345678E+12", "8.1e10", "0812345678901234567", "budi@mail.id", True),
        *(Decimal("NaN"), Decimal("1.5"), -81234567890, float("inf"), b"0812", "+"),
    ],
)
def test_numbers_that_cannot_receive_sms_are_ignored(written: object) -> None:
    assert read(values.number_on_file, written) in NONE


def test_the_quick_path_for_numbers_agrees_with_the_full_one() -> None:
    for first in range(10):
        for second in range(10):
            for length in range(8, 16):
                number = f"{first}{second}" + "3456789012345"[: length - 2]
                for written in (f"0{number}", f"62{number}", f"+62{number}"):
                    known = phone.e164(written)
                    expected = {known} if known and phone.can_get_sms(known) else NONE
                    assert read(values.number_on_file, written) in expected, written


def test_an_invalid_phone_is_reported_and_an_empty_one_is_not() -> None:
    assert read(values.number_on_file, "0812****7890") == "unreadable"
    assert read(values.number_on_file, "0") is None
    assert read(values.number_on_file, "021-5550123") is None
    assert read(values.any_phone, "021-5550123") == "+62215550123"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (19012345678, "19012345678"),
        (12345678, "00012345678"),
        (Decimal("19012345678"), "19012345678"),
        (Decimal("19012345678.00"), "19012345678"),
        ("19012345678         ", "19012345678"),
        ("190-1234.5678", "19012345678"),
        ("1901234567", "unreadable"),
        (190123456789, "unreadable"),
        (Decimal("NaN"), "unreadable"),
        (-1, "unreadable"),
        (0, None),
        ("00000000000", None),
    ],
)
def test_an_nkp_may_be_a_number(value: object, expected: object) -> None:
    assert read(values.digits(11), value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(1990, 8, 17), date(1990, 8, 17)),
        (datetime(1990, 8, 17), date(1990, 8, 17)),  # noqa: DTZ001
        (datetime(1990, 8, 17, tzinfo=JAKARTA), date(1990, 8, 17)),
        (datetime(2025, 8, 31, 17, tzinfo=UTC), date(2025, 9, 1)),
        ("1990-08-17", date(1990, 8, 17)),
        ("1990-08-17 00:00:00", date(1990, 8, 17)),
        ("1990-08-17T00:00:00.000", date(1990, 8, 17)),
        ("19900817", date(1990, 8, 17)),
        ("", None),
        ("17/08/1990", "unreadable"),
        ("0000-00-00", "unreadable"),
        (19900817, "unreadable"),
    ],
)
def test_a_day_may_be_a_time(value: object, expected: object) -> None:
    assert read(values.day, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1200001.50"), Decimal("1200001.50")),
        (1200001, Decimal(1200001)),
        (1200001.5, Decimal("1200001.5")),
        ("1200001.50", Decimal("1200001.50")),
        ("1.200.001", "unreadable"),
        ("1.200", "unreadable"),
        ("Rp1.200,00", "unreadable"),
        (Decimal("NaN"), "unreadable"),
        (float("inf"), "unreadable"),
    ],
)
def test_an_amount_is_exact_or_refused(value: object, expected: object) -> None:
    assert read(values.amount, value) == expected


def test_statuses_are_read_as_known_terms() -> None:
    status = values.one_of(values.STATUSES)
    read_values = [read(status, value) for value in ("AKTIF", " tidak  aktif ", "A", 1, "")]
    assert read_values == ["AKTIF", "TIDAK AKTIF", "unreadable", "unreadable", None]
