from random import Random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from smsgw.phone import calling_code, can_get_sms, e164, is_fictitious, is_in, mask


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+6281234567890", "+6281234567890"),
        ("081234567890", "+6281234567890"),
        ("6281234567890", "+6281234567890"),
        ("62812345678", "+62812345678"),
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
        ("٠٨١٢٣٤٥٦٧٨٩٠", "+6281234567890"),
        ("0" * 400, None),
    ],
)
def test_phone_numbers_differ_from_names_and_short_codes(written: str, number: str | None) -> None:
    assert e164(written) == number


@pytest.mark.parametrize(
    "written",
    [
        *(f"0812{dash}3456{dash}7890" for dash in "‐‑‒–—―−﹣－➖~•·_/,"),
        "0812 – 3456 – 7890",
        "０８１２３４５６７８９０",
        "０８１２－３４５６－７８９０",
        "0812\u00a03456\u30007890",
        "0\ufe0f\u20e38\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e3 3456 7890",
        "0\ufe0e8\ufe0e12\u0332\u033634567890",
        *(
            f"{mark}0812{mark}3456 7890{mark}"
            for mark in "\u200b\u200e\u202a\u202c\u2066\u2069\ufeff"
        ),
        "\u202a+62 812-3456-7890\u202c",
        "tel:+62-812-3456-7890",
        "+62 (0) 812 3456 7890",
        "<081234567890>",
        "[0812] 3456 7890",
        '"081234567890"',
        "'081234567890",
        "＋62 812 3456 7890",
    ],
)
def test_a_number_is_read_however_it_was_pasted(written: str) -> None:
    assert e164(written) == "+6281234567890"


def test_countries_and_masks() -> None:
    assert is_in("+60123456789", ("62", "60"))
    assert not is_in("+14155550100", ("62", "60"))
    assert mask("+6281234567890") == "+6281*****7890"
    assert mask("0812345") == "08*****"
    assert is_fictitious("+6284000000001")
    assert not is_fictitious("+6281234567890")


def test_indonesian_mobile_numbers_are_those_of_phonenumbers() -> None:
    chance = Random(16)
    for length in (*range(8, 14),) * 300:
        number = f"+628{chance.randrange(10 ** (length - 1)):0{length - 1}}"
        known = phonenumbers.parse(number)
        kind = phonenumbers.number_type(known)
        assert can_get_sms(number) == (kind == PhoneNumberType.MOBILE or is_fictitious(number))
        if kind != PhoneNumberType.UNKNOWN:
            assert e164(number) == number
            assert calling_code(number) == "62"
