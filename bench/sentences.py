"""Measures what it costs to understand sentences: in processor time, so other work hardly counts.

What is promised: a command costs at most one and a half times what it costs without topics and
answers, a sentence at most a millisecond, and reading by 500 topics at most two and a half times
what reading by ours costs. Time grows with the length of a text, and no faster.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from grammar import MAX_CHARACTERS, AnswerWords, Command, Grammar, Topic, Words
from smsgw.configuration import compiler, validation
from smsgw.configuration.document import Document
from smsgw.transcripts import reader

SENTENCES = Path("tests/grammar/sentences.yaml")
MANY = 500
ROUNDS = 9
MOST = {"command": 1.5, "sentence": 1000.0, "topics": 2.5, "length": 1.5}
Parse = Callable[[str], object]


def grammar(document: Document, words: Words) -> Grammar:
    return compiler.of(replace(document, words=words)).grammar


def microseconds(parses: Sequence[Parse], texts: Sequence[str]) -> list[float]:
    """Returns what one text costs each parser: the best of several rounds, taken in turn."""
    best = [float("inf")] * len(parses)
    for _ in range(ROUNDS):
        for index, parse in enumerate(parses):
            started = time.process_time()
            for text in texts:
                parse(text)
            best[index] = min(best[index], time.process_time() - started)
    return [each / len(texts) * 1e6 for each in best]


def commands(ours: Grammar, plain: Grammar) -> list[str]:
    """Returns the messages of the transcripts that both read as one command, of several words: one
    word alone is remembered."""
    texts = {
        step.text
        for path in sorted(Path("tests/transcripts").glob("*.yaml"))
        for conversation in reader.read(path).transcript.conversations
        for step in conversation.steps
        if step.text and " " in step.text.strip()
    }
    read = ((text, ours.parse(text), plain.parse(text)) for text in sorted(texts))
    return [
        text
        for text, one, other in read
        if isinstance(one, Command) and not one.is_slip and one == other
    ]


def many_topics(words: Words) -> tuple[Topic, ...]:
    """Returns our topics and others like them, of concepts that are there."""
    chance, names = random.Random(500), sorted(words.concepts)
    made = list(words.topics)
    while len(made) < MANY:
        needs = chance.sample(names, chance.choice((1, 2, 2, 3)))
        rest = [each for each in names if each not in needs]
        any_of, without = (tuple(chance.sample(rest, chance.randint(0, 6))) for _ in "ab")
        made.append(Topic(f"made_{len(made)}", "INFO JHT", tuple(needs), any_of, without))
    return tuple(made)


def growth(parse: Parse, words: Words) -> float:
    """Returns how many times as much a character costs in a long text as in a short one."""
    phrases = sorted({each for listed in words.concepts.values() for each in listed})
    text = " ".join(random.Random(1).choices(phrases, k=MAX_CHARACTERS))
    took = {size: microseconds([parse], [text[:size]] * 5)[0] for size in (100, 400, 1600)}
    for size, each in took.items():
        print(f"{size:5} characters of concepts: {each:7.0f} µs")
    return took[1600] / took[400] / 4


def main() -> None:
    document = validation.load_shipped()
    words = document.words
    ours = compiler.of(document).grammar
    plain = grammar(
        document,
        replace(
            words,
            topics=(),
            concepts={},
            answers=AnswerWords(),
            function_words=(),
            unrelated=(),
            related=(),
        ),
    )
    many = grammar(document, replace(words, topics=many_topics(words)))
    by_meaning = yaml.safe_load(SENTENCES.read_text("utf-8"))
    sentences = [text for listed in by_meaning.values() for text in listed]
    strict = commands(ours, plain)
    with_topics, without = microseconds([ours.parse, plain.parse], strict)
    usual, more = microseconds([ours.parse, many.parse], sentences)
    print(f"{len(strict)} commands: {with_topics:.0f} µs each, {without:.0f} without topics")
    print(f"{len(sentences)} sentences: {usual:.0f} µs each by {len(words.topics)} topics")
    print(f"{len(sentences)} sentences: {more:.0f} µs each by {MANY} topics")
    found = {
        "command": with_topics / without,
        "sentence": usual,
        "topics": more / usual,
        "length": growth(ours.parse, words),
    }
    for name, value in found.items():
        print(f"{name:9} {value:7.2f}, at most {MOST[name]:g}")
    if any(value > MOST[name] for name, value in found.items()):
        sys.exit("it costs more than is promised")


main()
