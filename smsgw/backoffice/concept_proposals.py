"""Proposes the concept that a word should join, by a light matcher.

A concept counts by how like its words the word is, by how many of the sentences would have a topic
with it, and by how many phones wrote the word. A word of the language is no typing slip of
another, so letters say little about it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from grammar import Topic, normalise
from grammar.compiled import WORDS, words_of
from grammar.concepts import ConceptReader, forms_of
from grammar.suggest import is_typo
from grammar.topics import is_meant
from smsgw.configuration.document import Document

MOST = 5  # proposals for a sentence
SHORTEST = 3  # letters of a word that is proposed
# From 0 to 1: two words that are less alike have nothing to do with each other. The square counts.
LIKE = 0.65
SLIP = 0.9  # how alike two words are that are one slip apart
OF_A_REAL_WORD = 0.3  # how much its letters count
# What it counts that every sentence gets a topic that is about all else that it says; less if the
# topic asks for nothing but that concept and one of many.
COMPLETES, COMPLETES_ALONE = 0.8, 0.4
NOT_OURS = 2  # divides that where the sentence names nothing of ours
MOST_PHONES, OF_PHONES = 20, 0.1  # what it counts that so many phones wrote a word
LEAST = 0.45  # of a proposal


@dataclass(frozen=True, slots=True)
class ConceptWord:
    """A word that is to join a concept."""

    words: str
    concept: str


@dataclass(frozen=True, slots=True)
class ConceptProposal:
    """Proposes that `words` join a concept; `topic` is what the sentences would be read by, and
    `like` the concept's word that is written alike."""

    words: str
    concept: str
    topic: str | None
    like: str | None
    score: float


class ConceptMatcher:
    """Ranks concepts for the unread words of sentences."""

    def __init__(self, read: Document) -> None:
        words = read.words
        aside = (*words.fillers, *words.courtesy, *words.addressed, *words.function_words)
        self._concepts = ConceptReader(words.concepts)
        self._known = ConceptReader({"": (*aside, *words.unrelated)})
        self._real_words = words.real_words
        self._topics, self._related = words.topics, frozenset(words.related)
        self._single = {
            name: [phrase[0] for phrase in map(words_of, phrases) if len(phrase) == 1]
            for name, phrases in words.concepts.items()
        }

    def propose(
        self, shown: Sequence[str], texts: Sequence[str], wrote: Mapping[str, int]
    ) -> list[ConceptProposal]:
        """Proposes concepts for words among `shown`, the best first. `texts` are the sentences, and
        `wrote` says how many phones wrote each word."""
        sentences = [WORDS.findall(normalise(text)) for text in texts]
        completing = self._completing(sentences)
        found = [
            proposal
            for word in self._unread(shown)
            for proposal in self._of_word(word, completing, len(sentences), wrote.get(word, 0))
        ]
        found.sort(key=lambda each: (-each.score, each.words, each.concept))
        return found[:MOST]

    def _unread(self, words: Iterable[str]) -> Iterator[str]:
        for word in dict.fromkeys(words):
            is_read = self._concepts.read([word]) or self._known.read([word])
            if WORDS.fullmatch(word) and len(word) >= SHORTEST and not is_read:
                yield word

    def _of_word(
        self,
        word: str,
        completing: Mapping[str, Mapping[str, float]],
        sentences: int,
        phones: int,
    ) -> Iterator[ConceptProposal]:
        for concept, listed in self._single.items():
            like, likeness = self._most_alike(word, listed)
            topics = completing.get(concept, {})
            topic = max(topics, key=lambda each: topics[each], default=None)
            score = likeness + (topics[topic] / sentences if topic else 0)
            score += OF_PHONES * min(phones, MOST_PHONES) / MOST_PHONES
            if score >= LEAST and (like or topic):
                yield ConceptProposal(word, concept, topic, like, round(score, 3))

    def _most_alike(self, word: str, listed: Sequence[str]) -> tuple[str | None, float]:
        """Returns the word of a concept that is written most alike, and how alike it is."""
        weight = OF_A_REAL_WORD if word in self._real_words else 1.0
        forms = [form for form in dict.fromkeys(forms_of(word)) if len(form) >= SHORTEST]
        rated = ((_likeness(form, each), each) for each in listed for form in forms)
        best, like = max(rated, default=(0.0, ""))
        return (like, best**2 * weight) if best >= LIKE else (None, 0.0)

    def _completing(self, sentences: Sequence[Sequence[str]]) -> Mapping[str, Mapping[str, float]]:
        """Weighs, by concept, the topics of which sentences lack nothing but that concept."""
        found: dict[str, dict[str, float]] = {}
        for words in sentences:
            has = set(self._concepts.read(words))
            if any(is_meant(topic, dict.fromkeys(has)) for topic in self._topics):
                continue
            for concept, topic in _lacking(self._topics, has):
                weighed = found.setdefault(concept, defaultdict(float))
                is_ours = not self._related.isdisjoint({*has, concept})
                weighed[topic.name] += _weight(topic, has) / (1 if is_ours else NOT_OURS)
        return found


def _lacking(topics: Sequence[Topic], has: set[str]) -> Iterator[tuple[str, Topic]]:
    """Yields each concept with the best topic that it alone would complete."""
    completed: dict[str, Topic] = {}
    for topic in topics:
        missing = set(topic.needs) - has
        candidates = missing if len(missing) == 1 else set() if missing else set(topic.any)
        for concept in candidates:
            is_better = _weight(topic, has) > _weight(completed.get(concept), has)
            if is_better and is_meant(topic, dict.fromkeys(has | {concept})):
                completed[concept] = topic
    yield from completed.items()


def _weight(topic: Topic | None, has: set[str]) -> float:
    """Weighs how much of what a sentence speaks of a topic is about."""
    if topic is None or not has:
        return 0.0
    share = len(has.intersection((*topic.needs, *topic.any))) / len(has)
    return share * (COMPLETES if len(topic.needs) > 1 else COMPLETES_ALONE)


def _likeness(one: str, other: str) -> float:
    if len(other) < SHORTEST:
        return 0.0
    if one == other:
        return 1.0
    if min(len(one), len(other)) > SHORTEST and is_typo(one, other):
        return SLIP
    return SequenceMatcher(None, one, other).ratio() if one[0] == other[0] else 0.0
