"""`python -m tools.sentences` tells which words no sentence needs, and proposes sentences."""

from dataclasses import replace

from smsgw.configuration import validation
from tools.sentences.coverage import Reader, unnoticed, unnoticed_topics
from tools.sentences.proposals import Proposer
from tools.sentences.word_lists import FLAT, Listed, without, words_in

SHIPPED = validation.load_shipped()
KARTU = Listed("concepts.CARD", "KARTU")
HILANG = Listed("concepts.LOST", "HILANG")


def test_every_word_can_be_dropped_by_itself() -> None:
    listed = words_in(SHIPPED.words)
    assert len(listed) == len(set(listed)) > len(FLAT)
    assert words_in(without(SHIPPED.words, listed)) == []
    assert set(words_in(without(SHIPPED.words, [KARTU]))) == set(listed) - {KARTU}


def test_a_word_is_needed_if_a_sentence_is_read_in_another_way_without_it() -> None:
    assert unnoticed(SHIPPED, [KARTU, HILANG], ["kartuku hilang"]) == []
    assert unnoticed(SHIPPED, [KARTU, HILANG], ["saldo"]) == [KARTU, HILANG]


def test_a_word_that_another_form_covers_is_not_needed() -> None:
    words = SHIPPED.words
    covered = Listed("concepts.CARD", "KARTUNYA")
    cards = {**words.concepts, "CARD": (*words.concepts["CARD"], covered.word)}
    document = replace(SHIPPED, words=replace(words, concepts=cards))
    assert unnoticed(document, [covered], ["kartunya hilang"]) == [covered]
    assert Proposer(document, [], ["kartu hilang"]).propose(covered) is None


def test_a_proposed_sentence_needs_its_word() -> None:
    proposed = Proposer(SHIPPED, [], ["kartu rusak"]).propose(HILANG)
    assert proposed == "kartu hilang"
    assert unnoticed(SHIPPED, [HILANG], [proposed]) == []


def test_a_topic_is_needed_if_a_sentence_is_read_in_another_way_without_it() -> None:
    topics = [each for each in SHIPPED.words.topics if each.name in {"card_lost", "accident"}]
    document = replace(SHIPPED, words=replace(SHIPPED.words, topics=tuple(topics)))
    assert unnoticed_topics(document, ["kartu hilang"]) == ["accident"]


def test_what_is_asked_first_and_what_else_is_meant_are_told() -> None:
    reader = Reader(SHIPPED)
    assert reader.read("ojo sms aku maneh") == "stop?"
    assert reader.read("stop") == "stop"
    assert reader.read("leres") == "unknown, answers ya"
