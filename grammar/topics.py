"""Reads a sentence that is no command, by what it is about.

    topic ::= all of the concepts that it needs, one of `any`, none of `without`, in any order

A topic is looked up by the concept that the fewest topics need, so the time hardly grows with their
number.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from grammar.compiled import WORDS, CompiledKeyword, longest_of, words_of
from grammar.concepts import ConceptReader
from grammar.fields import FieldReader, holds_card_number
from grammar.reading import Command, Misread, Topic, Words
from grammar.slots import KINDS, SlotShape

# Names of concepts that nobody can give.
UNRELATED, NOTHING = "", " "
# Words of a sentence that names nothing of ours: at most so many are unread, or one in so many.
MOST_UNREAD, UNREAD_IN = 2, 4
MOST_UNREAD_BEFORE = 1  # where it does not begin with the keyword
NAME_LABEL, LONGEST_NAME = "NAMA", 4  # words of a name that is announced
FREE_TEXT = "ISI"
_NO_DIGITS = re.compile(r"(?<![^\W_])[^\W\d_]+(?![^\W_])")  # a claim's number has letters


@dataclass(frozen=True, slots=True)
class Meaning:
    """Holds the message that a topic stands for."""

    read: CompiledKeyword
    further: str  # what it says beside its keyword


class TopicReader:
    """Reads a sentence by its topics."""

    def __init__(
        self,
        words: Words,
        keywords: Mapping[tuple[str, ...], CompiledKeyword],
        fields: FieldReader,
    ) -> None:
        """Takes the aliases of all keywords. A topic that means none of them is left out."""
        nothing = (*words.fillers, *words.courtesy, *words.addressed, *words.function_words)
        self._concepts = ConceptReader(
            {**words.concepts, UNRELATED: words.unrelated, NOTHING: nothing}
        )
        self._related = frozenset(words.related)
        self._everyday = words.everyday
        self._fields = fields
        self._meanings = dict(_meanings(words.topics, keywords))
        topics = [topic for topic in words.topics if topic.name in self._meanings]
        shared = Counter(name for topic in topics for name in topic.needs)
        self._topics: dict[str, list[tuple[int, Topic]]] = defaultdict(list)
        for rank, topic in enumerate(topics):
            rarest = min(topic.needs, key=lambda name: shared[name])
            self._topics[rarest].append((rank, topic))

    def read(self, text: str) -> Command | Misread | None:
        """Returns what the first topic of a sentence means, and names the next one beside it. It is
        never sure that it is meant, so what changes something is asked first."""
        text = text.replace("%", " PERSEN ")
        words = WORDS.findall(text)
        concepts = self._concepts.read(words)
        topics = self._find(concepts)
        if not topics or not self._is_ours(words, concepts):
            return None
        meant = self._meanings[topics[0].name]
        if holds_card_number(text) and not meant.read.has("NKP"):
            return None
        said = self._read_fields(meant, text, words, concepts)
        if isinstance(said, Misread):
            return said
        return replace(said, is_slip=True, also=self._also(topics[0], concepts))

    def find(self, text: str) -> tuple[str, str] | None:
        """Returns the first topic of a sentence, and the keyword that it means."""
        words = WORDS.findall(text.replace("%", " PERSEN "))
        concepts = self._concepts.read(words)
        topics = self._find(concepts)
        if not topics or not self._is_ours(words, concepts):
            return None
        name = topics[0].name
        return name, self._meanings[name].read.keyword.id

    def names_other(self, words: Sequence[str]) -> bool:
        """Tells whether a sentence names other matters, and none of ours."""
        concepts = self._concepts.read(words)
        return UNRELATED in concepts and self._related.isdisjoint(concepts)

    def is_ours(self, words: Sequence[str], keyword: range, *, leads: bool) -> bool:
        """Tells whether a sentence is about this service, as one of its words is a keyword: it
        names something of ours, or nothing else and hardly a word beside."""
        concepts = self._concepts.read(words)
        if not self._related.isdisjoint(concepts):
            return True
        unread = self._unread(words, concepts) - set(keyword)
        most = MOST_UNREAD if leads else MOST_UNREAD_BEFORE
        said = " ".join(words[index] for index in keyword)
        if said in self._everyday or said.removesuffix("NYA") in self._everyday:
            most -= 1
        return UNRELATED not in concepts and len(unread) <= most

    def _is_ours(self, words: Sequence[str], concepts: Mapping[str, set[int]]) -> bool:
        if not self._related.isdisjoint(concepts):
            return True
        unread = len(self._unread(words, concepts))
        is_read = unread <= MOST_UNREAD or unread * UNREAD_IN <= len(words)
        return UNRELATED not in concepts and is_read

    def _unread(self, words: Sequence[str], concepts: Mapping[str, set[int]]) -> set[int]:
        """Returns the positions of words that say nothing to us. A name that is announced is read:
        A/N BUDI SANTOSO."""
        unread = set(range(len(words))) - _positions(concepts)
        for index in range(len(words)):
            length = self._fields.length_of_label(words, index, NAME_LABEL) if unread else 0
            name = takewhile(unread.__contains__, range(index + length, len(words)))
            if length:
                unread -= set(islice(name, LONGEST_NAME))
        return unread

    def _find(self, concepts: Mapping[str, object]) -> list[Topic]:
        """Returns the topics of a sentence in the order of the configuration."""
        ranked = [each for name in concepts for each in self._topics.get(name, ())]
        ranked.sort(key=lambda each: each[0])
        return [topic for _, topic in ranked if is_meant(topic, concepts)]

    def _read_fields(
        self,
        meant: Meaning,
        text: str,
        words: Sequence[str],
        concepts: Mapping[str, set[int]],
    ) -> Command | Misread:
        """Reads the numbers that stand in the sentence, and the words of a slot that takes any."""
        slots = meant.read.poster.slots
        if any(slot.kind == FREE_TEXT for slot in slots):
            said = text
        elif any(KINDS[slot.kind].shape is SlotShape.WORDS for slot in slots):
            taken = _positions(concepts)
            said = " ".join(word for index, word in enumerate(words) if index not in taken)
        else:
            said = _NO_DIGITS.sub(" ", text)
        word = meant.read.poster.keyword
        return self._fields.read(meant.read, word, f"{meant.further} {said}")

    def _also(self, first: Topic, concepts: Mapping[str, set[int]]) -> str | None:
        """Returns what the sentence asks for beside its first topic: what the next one means that
        is about other words."""
        own = _positions({name: concepts[name] for name in first.needs})
        left = {name: words - own for name, words in concepts.items() if not words <= own}
        for topic in self._find(left):
            read = self._meanings[topic.name].read
            is_plain = not (read.keyword.alone or read.keyword.asked)
            if is_plain and read is not self._meanings[first.name].read:
                return topic.means
        return None


def is_meant(topic: Topic, concepts: Mapping[str, object]) -> bool:
    return (
        all(name in concepts for name in topic.needs)
        and (not topic.any or any(name in concepts for name in topic.any))
        and not any(name in concepts for name in topic.without)
    )


def _meanings(
    topics: Sequence[Topic], keywords: Mapping[tuple[str, ...], CompiledKeyword]
) -> list[tuple[str, Meaning]]:
    meanings = []
    for topic in topics:
        words = list(words_of(topic.means))
        alias = longest_of(keywords, words)
        if alias:
            meaning = Meaning(keywords[alias], " ".join(words[len(alias) :]))
            meanings.append((topic.name, meaning))
    return meanings


def _positions(concepts: Mapping[str, set[int]]) -> set[int]:
    return set().union(*concepts.values())
