"""PINs, one-time codes, passwords and mothers' names go before anything is stored."""

import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import Grammar
from smsgw.configuration import compiler

PINS = ["PIN", "pin", "P I N", "P.I.N", "p-i-n", "pinku", "pinnya", "Pinmu", "OTP", "o t p"]
PINS += ["otpku", "mpin", "CVV", "kode otp", "kode verifikasi", "kode rahasianya"]
BEFORE = ["", ": ", " = ", " saya ", " ku ", " atm bca saya itu ", " yang baru adalah ", "\n"]
DIGITS = ["123456", "12 34 56", "1 2 3 4 5 6", "123-456", "1.2.3.4", "1234", "998 877", "12  34"]
DIGITS += ["satu dua tiga empat", "nol 1 dua 3", "one two three four"]
CARD = "19012345678"


@cache
def grammar() -> Grammar:
    return compiler.load_shipped().grammar


def redacted(text: str) -> str:
    return grammar().redact(text).text


@pytest.mark.parametrize("pin", PINS)
@pytest.mark.parametrize("before", BEFORE)
def test_digits_after_the_word_are_removed(pin: str, before: str) -> None:
    for digits in DIGITS:
        assert redacted(f"{pin}{before or ' '}{digits} ya") == f"{pin}{before or ' '}*** ya"


@pytest.mark.parametrize("pin", PINS)
@pytest.mark.parametrize("between", [" ", " itu ", " = ", " adalah ", " ini "])
def test_digits_before_the_word_are_removed(pin: str, between: str) -> None:
    for digits in DIGITS:
        assert redacted(f"{digits}{between}{pin} saya") == f"***{between}{pin} saya"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PIN123456", "PIN***"),
        ("otp445566 dari bank", "otp*** dari bank"),
        ("kode verifikasi: G-445566", "kode verifikasi: G-***"),
        ("sandi r4hasia", "sandi ***"),
        ("password: rahasiaku", "password: ***"),
        ("password saya adalah Kucing", "password saya adalah ***"),
        ("pass word Budi@1990! ya", "pass word *** ya"),
        ("sandinya garong", "sandinya ***"),
        ("kata kunci = kucing", "kata kunci = ***"),
        ("nama ibu kandung SUMIYATI", "nama ibu kandung ***"),
        ("nama ibuku Sri Wahyuni", "nama ibuku ***"),
        ("nama gadis ibunya: Rahayu", "nama gadis ibunya: ***"),
        ("ibu saya namanya sri wahyuni", "ibu saya namanya ***"),
        ("Siti Rahayu nama ibu saya", "*** nama ibu saya"),
        ("Sri Rahayu itu nama ibu kandung saya", "*** itu nama ibu kandung saya"),
        (f"SALDO {CARD} PIN 123456", f"SALDO {CARD} PIN ***"),
        (f"{CARD} pin 123456", f"{CARD} pin ***"),
        (f"PIN 123456 {CARD}", f"PIN *** {CARD}"),
        ("IURAN 2024 pin 4455", "IURAN 2024 pin ***"),
        ("password jmo Budi1990", "password jmo ***"),
        ("sandi akun jmo saya: kucing, tolong", "sandi akun jmo saya: ***, tolong"),
        ("pin 1234 dan otp 998877", "pin *** dan otp ***"),
    ],
)
def test_secrets_are_removed(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"lupa pin, cek saldo {CARD}",
        f"{CARD} pin saya lupa",
        "ada yg minta pin dari nomor 081234567890",
        "lupa pin, lahir 17-08-1990",
        "lupa password",
        "sandi saya apa",
        "pin saya hilang",
        "password saya lupa",
        "lupa nama ibu kandung",
        "sandi jmo lali",
        "password jmo piye carane",
        "lupa password jmo, klaim saya sampai mana",
        "ibu siti mau cek saldo",
        "kode pos 12345",
        "KODE BCDFGHJ",
        "saya 3 kali minta otp",
        f"DAFTAR SALDO#3374062903850000#JOKO#29-03-1985#{CARD}",
    ],
)
def test_other_text_is_kept(text: str) -> None:
    assert redacted(text) == text


@given(
    st.sampled_from(PINS),
    st.lists(st.sampled_from(["saya", "atm", "itu", "bca", "yg", "lama", "punya"]), max_size=5),
    st.text("0123456789", min_size=4, max_size=8),
    st.sampled_from(["", " ", ".", "-", " - "]),
    st.booleans(),
)
def test_no_digit_of_a_pin_stays(
    pin: str, words: list[str], digits: str, separator: str, is_before: bool
) -> None:
    value = separator.join(digits)
    said = [value, *words[:3], pin] if is_before else [pin, *words, value]
    assert not re.search(r"\d", redacted(" ".join(said)))


def test_the_time_depends_only_on_the_length() -> None:
    """A text of nothing but such words is read in as many steps as it has words."""
    for text in ("pin saya " * 178, "nama ibu " * 178, "1 " * 800, "sandi" * 320):
        assert len(redacted(text)) <= len(text) * 2
