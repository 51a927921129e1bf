"""Finds what is wrong with concepts, topics and answer words."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

from grammar import NO, YES, Command, Grammar, Misread, Reason, normalise
from grammar.compiled import LONGEST_ALIAS, words_of
from grammar.concepts import A_CONCEPT_IN_A_PHRASE
from smsgw.configuration.document import KEPT, Document
from smsgw.configuration.schema import TopicPart

A_CONCEPT = re.compile(r"[A-Z][A-Z0-9_]{1,29}")
A_TOPIC = re.compile(r"[a-z][a-z0-9_]{1,39}")
ANSWERS = {YES, NO, "kode"}  # to a question of ours; a sentence is none
LEADING = {("YA",), ("NO",)}  # fillers that answer where they lead: grammar/answers.py


def faults(read: Document, grammar: Grammar | None) -> Iterator[str]:
    """`grammar` reads by this document, if it can."""
    yield from _concept_faults(read)
    yield from _answer_faults(read)
    unknown = list(_unknown_concepts(read))
    yield from unknown
    if grammar is None or unknown:
        return
    yield from _example_faults(grammar, tuple(read.topics.items()))


def warnings(read: Document) -> Iterator[str]:
    used = set(read.words.related)
    for topic in read.topics.values():
        used.update(topic.needs, topic.any, topic.without)
    for name in read.words.concepts.keys() - used:
        yield f"concepts.{name}: no topic uses it"
    for earlier, later in shadowed_topics(read.topics):
        yield (
            f"topics.{later}: it is never reached: {earlier} comes before it and fits whatever "
            "it fits"
        )


@lru_cache(maxsize=KEPT)
def _example_faults(grammar: Grammar, topics: tuple[tuple[str, TopicPart], ...]) -> tuple[str, ...]:
    """Keeps what was found of all examples, which are a thousand texts to read."""
    return tuple(each for name, topic in topics for each in example_faults(name, topic, grammar))


def example_faults(name: str, topic: TopicPart, grammar: Grammar) -> Iterator[str]:
    """Yields what is wrong with what a topic means, and with its examples."""
    meant = grammar.parse(topic.means)
    is_command = isinstance(meant, Command) or meant.reason is Reason.MISSING
    begins = bool(meant.word) and f"{normalise(topic.means)} ".startswith(f"{meant.word} ")
    if not (is_command and begins and grammar.topic_of(topic.means) is None):
        yield (
            f"topics.{name}: it means {topic.means}, which no keyword answers to; write a message "
            "that begins with a keyword"
        )
        return
    if meant.keyword in ANSWERS:
        yield (
            f"topics.{name}: it means {topic.means}, which answers a question; a sentence about "
            "something answers none"
        )
        return
    if grammar.topic_of(topic.hit) != name:
        yield (
            f"topics.{name}: it does not answer its example {topic.hit!r}, which is read as "
            f"{_reading(grammar, topic.hit)}"
        )
    if grammar.topic_of(topic.miss) == name:
        yield f"topics.{name}: it answers {topic.miss!r}, the example that it must not answer"


def shadowed_topics(topics: Mapping[str, TopicPart]) -> Iterator[tuple[str, str]]:
    """Yields each topic that is never reached, after the one before it that is in its way."""
    by_need: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for rank, (name, topic) in enumerate(topics.items()):
        for each in topic.needs[:1]:
            by_need[each].append((rank, name))
    for rank, (name, topic) in enumerate(topics.items()):
        earlier = [each for need in topic.needs for each in by_need[need] if each[0] < rank]
        covering = (other for _, other in sorted(earlier) if _covers(topics[other], topic))
        other = next(covering, None)
        if other is not None:
            yield other, name


def _covers(one: TopicPart, other: TopicPart) -> bool:
    """Tells whether `one` fits every sentence that `other` fits."""
    has_any = (
        not one.any
        or not set(one.any).isdisjoint(other.needs)
        or (bool(other.any) and set(other.any) <= set(one.any))
    )
    is_needed = set(one.needs) <= set(other.needs)
    return is_needed and has_any and set(one.without) <= set(other.without)


def _reading(grammar: Grammar, text: str) -> str:
    """Says what a text is read as: a topic, a keyword, or nothing."""
    topic, read = grammar.topic_of(text), grammar.parse(text)
    if topic is not None:
        return f"topic {topic}"
    if read.keyword is not None:
        return f"keyword {read.keyword}"
    return "thanks" if isinstance(read, Misread) and read.reason is Reason.COURTESY else "nothing"


def _concept_faults(read: Document) -> Iterator[str]:
    for name, phrases in read.words.concepts.items():
        if not A_CONCEPT.fullmatch(name):
            yield f"concepts.{name}: its name is 2 to 30 of A-Z, 0-9 and _, a letter first"
        for phrase in phrases:
            if not 1 <= len(words_of(phrase)) <= LONGEST_ALIAS:
                yield f"concepts.{name}: {phrase!r}: it has one to {LONGEST_ALIAS} words of letters"
            for named in A_CONCEPT_IN_A_PHRASE.findall(phrase):
                if named not in read.words.concepts:
                    yield f"concepts.{name}: {phrase!r}: there is no concept {named}"


def _unknown_concepts(read: Document) -> Iterator[str]:
    concepts = read.words.concepts
    for name, topic in read.topics.items():
        if not A_TOPIC.fullmatch(name):
            yield f"topics.{name}: its name is 2 to 40 of a-z, 0-9 and _, a letter first"
        for each in dict.fromkeys((*topic.needs, *topic.any, *topic.without)):
            if each not in concepts:
                yield f"topics.{name}: there is no concept {each}"
    for each in read.words.related:
        if each not in concepts:
            yield f"unrelated.unless: there is no concept {each}"


def _answer_faults(read: Document) -> Iterator[str]:
    said = _answer_phrases(read)
    fillers = {words_of(each) for each in read.words.fillers}
    for phrase, meanings in said.items():
        shown = " ".join(phrase)
        if len(meanings) > 1:
            yield f"answers: {shown} says {' and '.join(sorted(meanings))}; leave it in one list"
        if phrase in fillers - LEADING:
            yield (
                f"fillers: {shown} is an answer too ({', '.join(sorted(meanings))}); no word may "
                "be a filler and an answer at once unless it leads"
            )
    letters: dict[str, str] = {}
    for letter, words in read.words.answers.letters.items():
        for word in words:
            if letters.setdefault(word, letter) != letter:
                yield f"answers.letters: {word} stands for {letters[word]} and for {letter}"


def _answer_phrases(read: Document) -> Mapping[tuple[str, ...], set[str]]:
    """Returns what each phrase says."""
    answers, said = read.words.answers, defaultdict[tuple[str, ...], set[str]](set)
    lists = {"yes": [*answers.yes], "no": [*answers.no], "unsure": [*answers.unsure]}
    for keyword, meaning in ((YES, "yes"), (NO, "no")):
        entry = read.entries[keyword]
        lists[meaning] += [entry.poster, *entry.aliases]
    for meaning, phrases in lists.items():
        for phrase in phrases:
            if words := words_of(phrase):
                said[words].add(meaning)
    return said
