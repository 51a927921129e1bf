"""Sentences are read by the concepts in them, and each word of a concept is needed."""

import pytest

from grammar.concepts import ConceptReader, forms_of, undrawn
from tests.support.sentences import ADVICE, needless

CONCEPTS = ConceptReader(
    {
        "WITHDRAW": ["CAIR", "AMBIL"],
        "CARD": ["KARTU"],
        "OLD_CARD": ["KARTU LAMA"],
        "I": ["SAYA"],
        "NOT": ["GA", "TIDAK", "TEU ACAN"],
        "FORGOT": ["LUPA", "<NOT> INGAT"],
    }
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CAIR", {"WITHDRAW": {0}}),
        ("DICAIRKAN", {"WITHDRAW": {0}}),
        ("CAIRRR", {"WITHDRAW": {0}}),
        ("KARTUNYA SAYA", {"CARD": {0}, "I": {1}}),
        ("KARTU LAMA SAYA", {"CARD": {0}, "OLD_CARD": {0, 1}, "I": {2}}),
        ("KARTU BARU KARTU", {"CARD": {0, 2}}),
        ("AMBILKANNYA", {"WITHDRAW": {0}}),
        ("KARTUNYA GA INGAT", {"CARD": {0}, "NOT": {1}, "FORGOT": {1, 2}}),
        ("TIDAK INGAT", {"NOT": {0}, "FORGOT": {0, 1}}),
        ("NOT INGAT", {}),
        ("TEU ACAN INGAT", {"NOT": {0, 1}}),
        ("RUMAH", {}),
        ("", {}),
    ],
)
def test_phrases_and_any_form_of_their_words_are_found(
    text: str, found: dict[str, set[int]]
) -> None:
    assert CONCEPTS.read(text.split()) == found


@pytest.mark.parametrize(
    "word",
    [
        "DICAIR",
        "NGCAIR",
        "NGECAIR",
        "KECAIR",
        "TERCAIR",
        "BERCAIR",
        "SECAIR",
        "CAIRNYA",
        "CAIRNE",
        "CAIRE",
        "CAIRKU",
        "CAIRMU",
        "CAIRKAN",
        "CAIRKEUN",
        "CAIRIN",
        "CAIRAN",
        "CAIRI",
        "CAIRLAH",
        "CAIRKAH",
        "CAIRNA",
    ],
)
def test_each_beginning_and_ending_is_read(word: str) -> None:
    assert CONCEPTS.read([word]) == {"WITHDRAW": {0}}


@pytest.mark.parametrize("word", ["IKAN", "DIA", "TERAS"])
def test_no_stem_is_shorter_than_four_letters(word: str) -> None:
    assert list(forms_of(word)) == [word]


@pytest.mark.parametrize("word", ["HPNYA", "OTPNYA", "JHTKU"])
def test_before_an_ending_that_says_whose_a_stem_may_be_shorter(word: str) -> None:
    assert word.removesuffix("NYA").removesuffix("KU") in forms_of(word)


@pytest.mark.parametrize("word", ["BUKU", "ANYA"])
def test_yet_two_letters_stay_before_such_an_ending(word: str) -> None:
    assert list(forms_of(word)) == [word]


@pytest.mark.parametrize(
    ("drawn", "plain"), [("YAAA", "YA"), ("YAA", "YA"), ("OKEEEE", "OKE"), ("AA", "AA"), ("A", "A")]
)
def test_letters_drawn_out_count_once(drawn: str, plain: str) -> None:
    assert undrawn(drawn) == plain


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["concepts.", "unrelated"])
def test_each_word_is_needed_by_a_sentence(place: str) -> None:
    assert needless(place) == [], ADVICE
