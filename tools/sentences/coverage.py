"""Finds the words that can be dropped without any sentence being read in another way.

To build a grammar costs as much as to read a hundred sentences. So many words are dropped at once:
each of them counts in the sentences that mention it and no other word that is dropped.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from grammar import Command, Misread, Words
from grammar.concepts import forms_of, undrawn
from grammar.normalise import normalise
from smsgw.configuration import compiler
from smsgw.configuration.document import Document
from tools.sentences.word_lists import Listed, without, without_topic

SHOWN = ("topic", "city", "switch", "language")  # fields
_TOKENS = re.compile(r"[^\W_]+")


class Reader:
    """Reads sentences by a document, perhaps with other words."""

    def __init__(self, document: Document, words: Words | None = None) -> None:
        read = document if words is None else replace(document, words=words)
        configuration = compiler.of(read)
        self._parse, self._asked = configuration.grammar.parse, configuration.asked

    def read(self, text: str) -> str:
        """Returns what is understood, in a few words: "info leaving, also SALDO". What is asked
        first has a question mark."""
        said = self._parse(text)
        is_command = isinstance(said, Command)
        is_asked = is_command and said.is_slip and said.keyword in self._asked
        told = [
            f"{said.keyword}?" if is_asked else said.keyword,
            said.reason if isinstance(said, Misread) else None,
            *(said.fields.get(field) for field in SHOWN),
        ]
        beside = [
            f"also {said.also}" if isinstance(said, Command) and said.also else None,
            f"answers {said.as_answer}" if said.as_answer else None,
        ]
        first = " ".join(str(each) for each in told if each)
        return ", ".join([first, *filter(None, beside)])


class Mentions:
    """Finds the sentences that mention a word, whichever form it has there."""

    def __init__(self, listed: Iterable[Listed], sentences: Iterable[str]) -> None:
        self.of_word: dict[Listed, list[str]] = defaultdict(list)
        self.of_sentence: dict[str, frozenset[Listed]] = {}
        by_words: dict[tuple[str, ...], list[Listed]] = defaultdict(list)
        signs: dict[str, list[Listed]] = defaultdict(list)
        for each in listed:
            tokens = tuple(_TOKENS.findall(normalise(each.word)))
            (by_words[tokens] if tokens else signs[each.word]).append(each)
        longest = max(map(len, by_words), default=0)
        for sentence in dict.fromkeys(sentences):
            phrases = [*phrases_of(sentence, longest)]
            found = {each for phrase in phrases for each in by_words.get(phrase, ())}
            found |= {each for sign in sentence for each in signs.get(sign, ())}
            self.of_sentence[sentence] = frozenset(found)
            for each in found:
                self.of_word[each].append(sentence)


def phrases_of(sentence: str, longest: int) -> Iterator[tuple[str, ...]]:
    """Yields each run of words, and each form of a word."""
    tokens = _TOKENS.findall(normalise(sentence).replace("%", " PERSEN "))
    for token in tokens:
        yield from ((form,) for form in forms_of(token))
    for written in (tokens, [undrawn(token) for token in tokens]):
        for start in range(len(written)):
            for length in range(1, longest + 1):
                yield tuple(written[start : start + length])


def unnoticed(
    document: Document, listed: Sequence[Listed], sentences: Sequence[str]
) -> list[Listed]:
    """Returns those of the words without which all sentences are read as before."""
    usual = Reader(document)
    read = {sentence: usual.read(sentence) for sentence in dict.fromkeys(sentences)}
    mentions = Mentions(listed, sentences)
    left = {each: set(mentions.of_word[each]) for each in listed}
    needless = [each for each in listed if not left[each]]
    while left := {each: untried for each, untried in left.items() if untried}:
        batch = _choose(left, mentions)
        reader = Reader(document, without(document.words, batch))
        for each in batch:
            tried = [text for text in left[each] if mentions.of_sentence[text] & batch == {each}]
            left[each].difference_update(tried)
            if any(reader.read(text) != read[text] for text in tried):
                left[each].clear()
            elif not left[each]:
                needless.append(each)
    return needless


def _choose(left: dict[Listed, set[str]], mentions: Mentions) -> frozenset[Listed]:
    """Chooses words each of which has a sentence that mentions no other of them."""
    chosen: set[Listed] = set()
    spoilt: set[Listed] = set()  # words that stand in such a sentence
    for each in sorted(left, key=lambda one: (len(left[one]), one.place, one.word)):
        if each in spoilt:
            continue
        for text in sorted(left[each]):
            if mentions.of_sentence[text].isdisjoint(chosen):
                chosen.add(each)
                spoilt |= mentions.of_sentence[text]
                break
    return frozenset(chosen)


def unnoticed_topics(document: Document, sentences: Sequence[str]) -> list[str]:
    """Returns the topics without which all sentences are read as before."""
    usual = Reader(document)
    read = {sentence: usual.read(sentence) for sentence in sentences}
    needless = []
    for topic in document.words.topics:
        reader = Reader(document, without_topic(document.words, topic.name))
        meant = usual.read(topic.means).split(" ")[0].rstrip("?,")
        likely = (text for text, before in read.items() if meant in re.split(r"\W+", before))
        if all(reader.read(text) == read[text] for text in likely):
            needless.append(topic.name)
    return needless
