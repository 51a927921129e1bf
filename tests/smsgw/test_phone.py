import pytest

from smsgw.phone import e164, is_fictitious, is_in, mask


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+6281234567890", "+6281234567890"),
        ("081234567890", "+6281234567890"),
        ("6281234567890", "+6281234567890"),
        ("+62 812-3456-7890", "+6281234567890"),
        ("0062 812 3456 7890", "+6281234567890"),
        ("(0812) 3456.7890", "+6281234567890"),
        ("+60123456789", "+60123456789"),
        ("+6284000000001", "+6284000000001"),
        ("2757", None),
        ("98981", None),
        ("TELKOMSEL", None),
        ("", None),
        ("+999123456789", None),
        ("٠٨١٢٣٤٥٦٧٨٩٠", None),
        ("0" * 400, None),
    ],
)
def test_phones_are_told_from_names_and_short_codes(written: str, number: str | None) -> None:
    assert e164(written) == number


def test_countries_and_masks() -> None:
    assert is_in("+60123456789", ("62", "60"))
    assert not is_in("+14155550100", ("62", "60"))
    assert mask("+6281234567890") == "+6281*****7890"
    assert mask("0812345") == "08*****"
    assert is_fictitious("+6284000000001")
    assert not is_fictitious("+6281234567890")
