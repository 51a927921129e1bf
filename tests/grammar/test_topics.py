"""A sentence is read as what it is about, and each topic is needed."""

import random
import time
from collections.abc import Callable
from functools import partial

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grammar import MAX_CHARACTERS
from smsgw.configuration import compiler
from smsgw.configuration.document import shipped_text
from tests.support import depth
from tests.support.sentences import ADVICE, sentences, shipped
from tools.sentences.__main__ import FILE, examples, moved, read
from tools.sentences.coverage import Reader, unnoticed_topics
from tools.sentences.word_lists import without_topic

TOPICS = yaml.load(shipped_text(), yaml.CSafeLoader)["topics"]
PHRASES = sorted({word for listed in shipped().words.concepts.values() for word in listed})
MOST_TIMES = 5.0  # that 1,600 characters take as long as 400


def test_all_is_understood_as_the_file_says() -> None:
    assert list(moved(read(), shipped())) == [], f"{FILE.name}: python -m tools.sentences --write"


@pytest.mark.parametrize("name", TOPICS)
def test_the_example_of_a_topic_is_answered_as_it_says(name: str) -> None:
    reader = Reader(shipped())
    meant = reader.read(TOPICS[name]["means"]).replace(" missing", "")
    read = reader.read(TOPICS[name]["hit"]).replace("?", "").replace(",", " ")
    assert f"{read} ".startswith(f"{meant} ")


@pytest.mark.parametrize("name", TOPICS)
def test_what_is_about_something_else_is_not_answered_by_the_topic(name: str) -> None:
    without = Reader(shipped(), without_topic(shipped().words, name))
    miss = TOPICS[name]["miss"]
    assert Reader(shipped()).read(miss) == without.read(miss)


@pytest.mark.thorough
def test_each_topic_is_needed_by_a_sentence() -> None:
    needless = unnoticed_topics(shipped(), [*examples(), *sentences()])
    assert needless == [], ADVICE


phrases = st.lists(
    st.sampled_from([*PHRASES, "?", "1", "19012345678", "%", "DI", "NYA"]), max_size=400
)


@given(phrases, st.sampled_from([" ", "", ", ", "\n"]))
@depth.examples(150)
def test_nothing_of_concepts_raises(words: list[str], between: str) -> None:
    said = compiler.load_shipped().grammar.parse(between.join(words))
    assert said.keyword is None or said.keyword in compiler.load_shipped().usage


def seconds(run: Callable[[], object]) -> float:
    """Returns the processor time of the quickest of a few runs."""
    best = float("inf")
    for _ in range(7):
        started = time.process_time()
        for _ in range(5):
            run()
        best = min(best, time.process_time() - started)
    return best


def test_time_grows_with_the_length_of_a_sentence() -> None:
    """Over several texts: what the first part of one says may cost little by itself."""
    parse = compiler.load_shipped().grammar.parse
    short = long = 0.0
    for seed in range(6):
        words = " ".join(random.Random(seed).choices(PHRASES, k=MAX_CHARACTERS))
        short += seconds(partial(parse, words[:400]))
        long += seconds(partial(parse, words[:MAX_CHARACTERS]))
    assert long < MOST_TIMES * short
