"""Checks which concept is proposed for a word that nothing reads."""

import time
from collections.abc import Mapping

import pytest

from grammar import Topic, Words
from smsgw.backoffice.concept_proposals import MOST, ConceptMatcher, ConceptProposal
from smsgw.configuration.document import Document

CONCEPTS = {
    "WITHDRAW": ("CAIR", "CAIRKAN", "AMBIL"),
    "JHT": ("JHT", "HARI TUA"),
    "HOW": ("GIMANA", "PIYE"),
    "CARD": ("KARTU",),
    "LOST": ("HILANG", "RUSAK"),
}
TOPICS = (
    Topic("how_to_withdraw", "INFO KLAIM", ("WITHDRAW", "JHT"), ("HOW",)),
    Topic("withdraw", "INFO KLAIM", ("WITHDRAW", "HOW")),
    Topic("card_lost", "INFO KARTU", ("CARD", "LOST")),
)


def matcher(real_words: frozenset[str] = frozenset()) -> ConceptMatcher:
    words = Words(
        fillers=frozenset({"PAK"}),
        labels={},
        courtesy=frozenset({"MAKASIH"}),
        concepts=CONCEPTS,
        topics=TOPICS,
        function_words=("BUAT",),
        unrelated=("ARISAN",),
        related=("JHT", "CARD"),
        real_words=real_words,
    )
    return ConceptMatcher(Document({}, {}, {}, words, {}))


def proposed(
    *texts: str, wrote: Mapping[str, int] | None = None, real_words: frozenset[str] = frozenset()
) -> list[ConceptProposal]:
    return matcher(real_words).propose(texts[0].split(), texts, wrote or {})


def test_a_word_of_another_language_joins_the_concept_that_completes_a_topic() -> None:
    (first,) = proposed("JHT DIJUKUK PIYE")
    assert (first.words, first.concept, first.topic, first.like) == (
        *("DIJUKUK", "WITHDRAW"),
        *("how_to_withdraw", None),
    )


def test_a_word_that_resembles_a_word_of_the_concept_counts_more() -> None:
    alike, *_ = proposed("JHT CAIRKN PIYE")
    other, *_ = proposed("JHT DIJUKUK PIYE")
    assert (alike.concept, alike.like) == ("WITHDRAW", "CAIRKAN")
    assert alike.score > other.score


def test_endings_and_beginnings_are_left_out_of_the_comparison() -> None:
    (first, *_) = proposed("NGECAIRKN")
    assert (first.concept, first.like, first.topic) == ("WITHDRAW", "CAIRKAN", None)


def test_a_real_word_is_no_slip_of_another() -> None:
    assert proposed("HILANK")[0].concept == "LOST"
    assert proposed("HILANK", real_words=frozenset({"HILANK"})) == []


def test_several_phones_count() -> None:
    few, many = (proposed("KARTU ICAL", wrote={"ICAL": count})[0] for count in (1, 20))
    assert few.concept == many.concept == "LOST"
    assert many.score > few.score


def test_it_counts_in_how_many_sentences_a_topic_is_completed() -> None:
    all_of_them = proposed("KARTU ICAL", "KARTU ICAL PAK")[0]
    half_of_them = proposed("KARTU ICAL ARISAN", "ICAL")
    assert all_of_them.topic == "card_lost"
    assert all(each.score < all_of_them.score for each in half_of_them)


@pytest.mark.parametrize("text", ["PAK MAKASIH", "ARISAN", "BUAT", "CAIR", "XY", "ZZZZZZ"])
def test_known_and_meaningless_words_are_not_proposed(text: str) -> None:
    assert proposed(text) == []


def test_a_question_word_alone_completes_nothing() -> None:
    """Any word at all could be what somebody asks about."""
    assert proposed("SENDALNYA PIYE") == []


def test_few_are_proposed_and_quickly() -> None:
    concepts = {f"CONCEPT_{number}": (f"KARTUN{'XYZ'[number % 3]}",) for number in range(300)}
    many = ConceptMatcher(
        Document({}, {}, {}, Words(frozenset(), {}, concepts=concepts, topics=TOPICS), {})
    )
    started = time.process_time()
    assert len(many.propose(["KARTUNG"], ["KARTUNG"] * 50, {})) == MOST
    assert time.process_time() - started < 1
