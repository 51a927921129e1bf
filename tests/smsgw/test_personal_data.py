import pytest

from smsgw.personal_data import may_identify


@pytest.mark.parametrize(
    "text",
    [
        "19012345678",
        "NIK 3171 0117 0890 0000",
        "0812-3456-7890 minta ditelepon",
        "budi@example.id",
    ],
)
def test_a_long_number_or_an_address_may_identify_somebody(text: str) -> None:
    assert may_identify(text)


@pytest.mark.parametrize(
    "text", ["saldo saya 2025", "31-10-2025", "08.00-15.30", "", "kode 12345678"]
)
def test_a_date_or_a_short_number_identifies_nobody(text: str) -> None:
    assert not may_identify(text)


def test_fictitious_numbers_identify_nobody() -> None:
    text = "SALDO 19012345678 dari +6281234567890"
    assert not may_identify(text, {"19012345678", "+6281234567890"})
    assert may_identify(text, {"19012345678"})
