import sys
import unicodedata

import pytest

from grammar import fold, normalise
from smsgw import gsm7

EVERY = [chr(each) for each in range(sys.maxunicode + 1)]


def test_every_dash_becomes_a_hyphen_in_and_out() -> None:
    dashes = [each for each in EVERY if unicodedata.category(each) == "Pd"] + ["\u2212"]
    assert {fold(each) for each in dashes} == {"-"}
    assert {gsm7.to_gsm7(each) for each in dashes} == {"-"}


def test_every_unicode_digit_is_read_as_a_digit() -> None:
    digits = {each: unicodedata.digit(each, None) for each in EVERY}
    wrong = [each for each, value in digits.items() if value is not None]
    wrong = [each for each in wrong if str(digits[each]) not in fold(each)]
    assert wrong == []


def test_invisible_characters_are_removed() -> None:
    gone = [each for each in EVERY if unicodedata.category(each) in {"Cf", "Mn", "Me"}]
    assert {fold(f"1{each}9") for each in [*gone, "\u3164", "\u115f", "\ufffc"]} == {"19"}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("2️⃣0️⃣0️⃣9️⃣", "2009"),
        ("①⑨⓪❶➊𝟏１", "1901111"),
        ("S̶A̶L̶D̶O̶ SÁLDÔ 𝐒𝐀𝐋𝐃𝐎 ＳＡＬＤＯ Ⓢⓐⓛⓓⓞ", "SALDO SALDO SALDO SALDO SALDO"),
        ("“siti” o’brien", "SITI OBRIEN"),
        (
            "10–10—1992 10∕10⁄1992 10·10・1992 10\\10|1992",
            "10-10-1992 10/10/1992 10.10.1992 10/10/1992",
        ),
        ("\u202asaldo\u202c\u2800jht\u00adku", "SALDO JHTKU"),
    ],
)
def test_look_alikes_are_read_as_what_they_look_like(text: str, plain: str) -> None:
    assert normalise(text) == plain
