"""What is one letter away from a keyword is meant as the keyword, unless it is a word itself."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import Command, Grammar, Keyword, Words
from grammar.suggest import SimilarWords, is_typo, similar

WORDS = Words(
    fillers=frozenset(["SAYA", "MINTA"]),
    labels={},
    choices={"ID/EN": {"en": ("EN",)}},
    doubts=frozenset(["BERAPA"]),
    real_words=frozenset(["UANG", "DANA", "BAHAS", "RAPOR", "BATAS", "DATAR"]),
)
KEYWORDS = [
    Keyword("saldo", "SALDO [<NKP>]", bare="NKP"),
    Keyword("ulang", "ULANG"),
    Keyword("data_saya", "DATA SAYA", ("MINTA DATA",), asked=True),
    Keyword("bahasa", "BAHASA <ID/EN>"),
    Keyword("lapor", "LAPOR <ISI>"),
    Keyword("daftar", "DAFTAR SALDO#<NIK>[#<NAMA>]#<TGL_LAHIR>#<NKP>"),
    Keyword("stop", "STOP", ("BATAL",), alone=True, opt_outs=("STOP", "BATAL")),
]
GRAMMAR = Grammar(KEYWORDS, WORDS)
WITHOUT_LIST = Grammar(KEYWORDS, replace(WORDS, real_words=frozenset()))
FIELDS = "SALDO#3171011708900000#17-08-1990#19012345678"


some_word = st.text("ABC", min_size=3, max_size=7)


@given(some_word, st.lists(some_word, max_size=12, unique=True))
def test_the_index_finds_what_a_comparison_with_each_word_finds(
    written: str, words: list[str]
) -> None:
    words += [written[1:], f"{written}A", written[1] + written[0] + written[2:]]
    assert SimilarWords(words).of(written) == similar(written, words)


@pytest.mark.parametrize("slip", ["SALD", "SALDOO", "SALFO", "SADLO", "ASLDO", "XSALDO", "ALDO"])
def test_the_index_finds_each_kind_of_slip(slip: str) -> None:
    assert is_typo(slip, "SALDO")
    assert SimilarWords(["KLAIM", "SALDO"]).of(slip) == ["SALDO"]


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("uang", "ulang"),
        ("uang belum masuk", "ulang"),
        ("rapor dibagi besok", "lapor"),
        ("minta dana", "data_saya"),
        ("batas saldo", "stop"),
    ],
)
def test_a_word_of_the_language_is_no_slip(text: str, keyword: str) -> None:
    assert WITHOUT_LIST.parse(text).keyword == keyword
    assert GRAMMAR.parse(text).keyword != keyword


@pytest.mark.parametrize(
    ("text", "keyword"),
    [("bahas en", "bahasa"), (f"datar {FIELDS}", "daftar")],
)
def test_a_word_beside_all_that_a_keyword_asks_for_is_a_slip(text: str, keyword: str) -> None:
    said = GRAMMAR.parse(text)
    assert isinstance(said, Command)
    assert (said.keyword, said.is_slip) == (keyword, True)


def test_a_word_beside_any_number_is_no_slip() -> None:
    assert GRAMMAR.parse("uang 19012345678").keyword == "saldo"


@pytest.mark.parametrize(
    "text",
    [
        "ulagn",
        "ulagn jawaban tadi belum",
        "saya minta ulagn jawaban tadi belum",  # fillers do not count
        "ulagn 19012345678 kartu lama yang belum terbaca",
        "lapro perusahaan tempat kerja tidak bayar upah",
        f"dafatr {FIELDS} nama ibu kandung alamat desa",
    ],
)
def test_a_slip_counts_in_a_few_words_beside_a_number_and_before_a_text(text: str) -> None:
    said = GRAMMAR.parse(text)
    assert isinstance(said, Command)
    assert said.is_slip


def test_a_slip_does_not_count_among_many_words() -> None:
    assert GRAMMAR.parse("ulagn jawaban tadi belum datang").keyword is None
    assert GRAMMAR.parse("ulagn jawaban tadi 2 kali").keyword == "ulang"
    assert GRAMMAR.parse("ulagn jawaban tadi belum 2 kali").keyword is None


def test_a_slip_of_two_words_is_in_no_word_of_the_language() -> None:
    assert GRAMMAR.parse("minta dtaa").keyword == "data_saya"


def test_an_opt_out_with_a_slip_stops_before_a_balance_is_told() -> None:
    assert GRAMMAR.parse("batla saldo").keyword == "stop"
    assert GRAMMAR.parse("batas saldo").keyword == "saldo"
