"""The list of real words keeps what is a word, and drops what somebody meant as a keyword."""

from smsgw.configuration import real_words
from tools.real_words import FILE, KEYWORDS_MISSPELT, chosen


def test_only_words_of_three_letters_or_more_are_chosen_in_their_order() -> None:
    ranked = ["yang", "di", "2010", "uang", "jum'at", "hari-hari", "x00", "日", "dana"]
    assert chosen(ranked) == ["yang", "uang", "dana"]


def test_a_casual_spelling_of_a_keyword_is_no_word() -> None:
    assert chosen(["ngga", "nggak", "telpon", "telpun"]) == ["nggak", "telpun"]
    assert real_words.load().isdisjoint(word.upper() for word in KEYWORDS_MISSPELT)


def test_the_list_names_its_source_and_licence() -> None:
    header = [line for line in FILE.read_text("utf-8").splitlines() if line.startswith("#")]
    assert "wordfreq" in " ".join(header)
    assert "https://creativecommons.org/licenses/by-sa/4.0/" in " ".join(header)
