"""Checks that a number is read however its groups are separated, or asked for; it is never
ignored."""

from datetime import date

import pytest

from grammar import Command, Misread, Reason
from smsgw.configuration import compiler

GRAMMAR = compiler.load_shipped().grammar
NKP, NIK, BORN = "20098765432", "3273055010920000", date(1992, 10, 10)
DASHES = "‐‑‒–—―−﹣－➖~•"


@pytest.mark.parametrize(
    "written",
    [
        *(f"200{mark}9876{mark}5432" for mark in f"{DASHES}-,/:;*+=#_\\|·xX"),
        *(f"200 {mark} 9876 {mark} 5432" for mark in "-–,/:.="),
        "200, 9876, 5432",
        "200,9876/5432",
        "200...9876...5432",
        "2️⃣0️⃣0️⃣9️⃣8️⃣7️⃣6️⃣5️⃣4️⃣3️⃣2️⃣",
        "2\ufe0e0\ufe0e09876\ufe0e5432",
        "2\u20e30\u20e30\u20e39876 5432",
        "②⓪⓪9876 5432",
        "2,0,0,9,8,7,6,5,4,3,2",
        "\u202a200\u202c9876\u200b5432",
        "２００－９８７６－５４３２",
    ],
)
def test_an_nkp_is_read_with_any_grouping(written: str) -> None:
    for text in (
        f"SALDO {written}",
        f"IURAN 2025 {written}",
        f"tolong cek saldo kpj {written} pak",
    ):
        parsed = GRAMMAR.parse(text)
        assert isinstance(parsed, Command), text
        assert parsed.fields["nkp"] == NKP


@pytest.mark.parametrize("written", ["200 9876 / 5432"])
def test_groups_may_use_two_kinds_of_separator(written: str) -> None:
    assert GRAMMAR.parse(f"SALDO {written}").fields == {"nkp": NKP}


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("200,9876,543", "10"),
        ("200/9876/54321", "12"),
        ("200–9876–543", "10"),
        ("19012,34567", "10"),
        ("200 9876", "7"),
        ("200 - 9876 - 543", "10"),
        ("2️⃣0️⃣0️⃣9️⃣8️⃣7️⃣6️⃣", "7"),
        ("200x9876x543", "10"),
        ("12:34:56:78", "8"),
        ("200 9876 5432 1", "12"),
        ("200-9876-5432-100", "14"),
        ("200,9876,5432,1", "12"),
    ],
)
def test_a_number_of_the_wrong_length_is_reported(written: str, digits: str) -> None:
    for text in (f"SALDO {written}", f"IURAN {written}", f"DATA kpj {written}"):
        parsed = GRAMMAR.parse(text)
        assert isinstance(parsed, Misread), text
        assert (parsed.reason, parsed.slot, parsed.read) == (Reason.WRONG_LENGTH, "NKP", digits)


@pytest.mark.parametrize("written", ["2757", "09/2025", "31 10", "2024/2025", "12"])
def test_a_month_or_a_short_number_is_no_nkp(written: str) -> None:
    parsed = GRAMMAR.parse(f"SALDO {written}")
    assert isinstance(parsed, Command)
    assert parsed.fields == {}


@pytest.mark.parametrize(
    "before",
    ["25", "1)", "1.", "2757", "2757-", "12 25", "(1)", "no 1", "62", "2025", "#3", "98981"],
)
@pytest.mark.parametrize("keyword", ["SALDO", "IURAN", "STATUS", "DATA", "JP", "KLAIM"])
def test_eleven_digits_are_an_nkp_whatever_stands_before(keyword: str, before: str) -> None:
    for text in (f"{keyword} {before} {NKP}", f"{keyword} {before} KPJ {NKP}"):
        parsed = GRAMMAR.parse(text)
        assert isinstance(parsed, Command), text
        assert parsed.fields["nkp"] == NKP


@pytest.mark.parametrize("before", ["2757", "2025"])
def test_a_short_number_is_not_glued_to_groups(before: str) -> None:
    parsed = GRAMMAR.parse(f"IURAN {before} 200 9876 5432")
    assert parsed.fields["nkp"] == NKP
    assert GRAMMAR.parse(f"SALDO {before} 200 9876 5432").fields == {"nkp": NKP}
    assert GRAMMAR.parse("SALDO 200 9876 5432 2757").fields == {"nkp": NKP}


@pytest.mark.parametrize("written", ["+62 81234567890", "62-81234567890", "+62 812–3456–7890"])
def test_a_phone_number_is_still_read_as_a_phone_number(written: str) -> None:
    parsed = GRAMMAR.parse(f"SALDO {written}")
    assert isinstance(parsed, Misread)
    assert parsed.reason is Reason.PHONE_NUMBER


@pytest.mark.parametrize("dash", [*DASHES, "-", ".", "/", "_", ":", ",", " - ", " – ", " ", ""])
def test_a_cases_number_is_read_with_any_dash(dash: str) -> None:
    parsed = GRAMMAR.parse(f"STATUS ADU{dash}251031{dash}0042")
    assert isinstance(parsed, Command)
    assert parsed.fields == {"number": "ADU2510310042"}


@pytest.mark.parametrize("label", ["NIK", "KTP", "no ktp", ""])
@pytest.mark.parametrize(
    "written",
    [
        *(f"3273{mark}0550{mark}1092{mark}0000" for mark in f"{DASHES}-,/:;*+#_ "),
        "32 73 05 501092 0000",
        "327305 501092 0000",
        "32–73–05–50–10–92–0000",
        "32,73,05,501092,0000",
    ],
)
def test_a_nik_is_read_with_any_grouping(label: str, written: str) -> None:
    for text in (f"STATUS {label} {written}", f"DAFTAR {label} {written}#10-10-1992#{NKP}"):
        assert GRAMMAR.parse(text).fields["nik"] == NIK, text


@pytest.mark.parametrize(
    "born",
    [
        *(f"10{mark}10{mark}1992" for mark in f"{DASHES}-,\\_/.:;*+=|#·"),
        *(f"10 {mark} 10 {mark} 92" for mark in "-–,/"),
        "1992,10,10",
        "1992–10–10",
        "10, 10, 1992",
        "10 Okt, 1992",
        "10_Okt_1992",
        "10,OKT,1992",
        "1️⃣0️⃣-10-1992",
        "１０－１０－１９９２",
        "10–Oktober–1992",
    ],
)
@pytest.mark.parametrize("mark", ["#", ",", "*", " ", "/"])
def test_a_birth_date_is_read_with_any_separator(born: str, mark: str) -> None:
    parsed = GRAMMAR.parse(mark.join(["DAFTAR SALDO", NIK, "SITI AMINAH", born, NKP]))
    assert isinstance(parsed, Command), parsed
    assert (parsed.fields["birth_date"], parsed.fields["nkp"]) == (BORN, NKP)


@pytest.mark.parametrize(
    "text",
    [
        f"DAFTAR {NIK[:4]} 0550 1092 0000 10 10 1992 200 9876 5432",
        f"DAFTAR,{NIK[:4]},0550,1092,0000,10-10-1992,200,9876,5432",
        f"DAFTAR SALDO,{NIK},10,10,1992,200-9876-5432",
        f"DAFTAR#{NIK[:4]}–0550–1092–0000#10–10–1992#200–9876–5432",
    ],
)
def test_a_registration_with_grouped_numbers_is_read(text: str) -> None:
    assert GRAMMAR.parse(text).fields == {"nik": NIK, "birth_date": BORN, "nkp": NKP}


@pytest.mark.parametrize("mark", ["#", ",", "/"])
def test_fields_of_wrong_lengths_are_not_joined(mark: str) -> None:
    parsed = GRAMMAR.parse(mark.join(["DAFTAR SALDO", NIK, "SITI", "10-10-1992", NKP[:10]]))
    assert isinstance(parsed, Misread)
    assert (parsed.reason, parsed.slot, parsed.read) == (Reason.WRONG_LENGTH, "NKP", "10")
    parsed = GRAMMAR.parse("DAFTAR#3171011#200987654#SITI#10-10-1992")
    assert isinstance(parsed, Misread)
    assert parsed.reason is Reason.WRONG_LENGTH
