"""What is a word of Indonesia's languages is read as no keyword with a typing slip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import normalise
from grammar.poster import read
from grammar.suggest import similar
from smsgw.configuration import compiler, real_words, validation

GRAMMAR = compiler.load_shipped().grammar
ENTRIES = validation.load_shipped().entries.values()
WAYS = {normalise(way) for each in ENTRIES for way in (read(each.poster).keyword, *each.aliases)}
KEYWORDS = sorted(way for way in WAYS if way.isalpha())
# SALDONYA is SALDO, by a rule of its own.
NO_KEYWORDS = sorted(
    word for word in real_words.load() - WAYS if word.removesuffix("NYA") not in WAYS
)


def test_no_word_of_the_lists_is_a_slip_of_a_keyword() -> None:
    said = {word: GRAMMAR.parse(word) for word in NO_KEYWORDS}
    assert [word for word, each in said.items() if each.keyword and each.word == word] == []


@pytest.mark.parametrize("word", ["uang", "dana", "pulang", "urang", "ilang", "banyu", "kowe"])
def test_indonesian_javanese_and_sundanese_words_are_no_slips(word: str) -> None:
    assert similar(word.upper(), KEYWORDS)
    assert GRAMMAR.parse(word).keyword is None
    assert GRAMMAR.parse(f"{word} belum datang juga").keyword is None


def test_many_words_of_the_lists_are_one_letter_away_from_a_keyword() -> None:
    four = [word for word in NO_KEYWORDS if len(word) < 5]
    assert sum(bool(similar(word, KEYWORDS)) for word in four) > 40


@given(st.lists(st.sampled_from(NO_KEYWORDS) | st.sampled_from(KEYWORDS), min_size=1, max_size=8))
def test_no_word_of_the_lists_is_a_slip_of_a_keyword_in_a_sentence(words: list[str]) -> None:
    assert GRAMMAR.parse(" ".join(words)).word not in NO_KEYWORDS


@pytest.mark.parametrize(
    ("slip", "keyword"),
    [
        ("saldi", "saldo"),
        ("slado", "saldo"),
        ("iurn", "iuran"),
        ("iran", "iuran"),
        ("statsu", "status"),
        ("klaem", "klaim"),
        ("pensuin", "jp"),
        ("kantro", "kantor"),
        ("bantaun", "bantuan"),
        ("tida", "tidak"),
        ("bener", "ya"),
        ("mandeg", "stop"),
        ("satus", "status"),
        ("telpon", "kontak"),
        ("brhenti", "stop"),
    ],
)
def test_what_is_no_word_of_the_lists_is_still_a_slip(slip: str, keyword: str) -> None:
    assert GRAMMAR.parse(slip).keyword == keyword


def test_the_lists_hold_lower_case_words_once_each_and_say_whose_they_are() -> None:
    for file in real_words.FOLDER.iterdir():
        lines = file.read_text("utf-8").splitlines()
        words = [line for line in lines if not line.startswith("#")]
        assert len(words) == len(set(words)) > 500
        assert [
            word
            for word in words
            if not (word.isascii() and word.isalpha() and word == word.lower())
        ] == []
        header = " ".join(line for line in lines if line.startswith("#"))
        assert "Source: " in header
        assert "Licence: " in header
