"""Finds the concepts in a sentence: what its words are about, whichever word was chosen."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product

from grammar.compiled import LONGEST_ALIAS, words_of

SHORTEST_STEM = 4  # letters
SHORTEST_OWNED = {"NYA": 2, "KU": 3}  # letters before an ending that says whose: HPNYA, JHTKU
PREFIXES = ("DI", "NG", "NGE", "KE", "TER", "BER", "SE")
SUFFIXES = ("NYA", "NE", "E", "KU", "MU", "KAN", "KEUN", "IN", "AN", "I", "LAH", "KAH", "NA")
CACHED = 4096  # words whose stem is remembered
A_CONCEPT_IN_A_PHRASE = re.compile(r"<(\w+)>")
_DRAWN_OUT = re.compile(r"(.)\1{2,}")


class ConceptReader:
    """Finds the concepts in a sentence.

    concept ::= word { word }       the longest of its phrases that stands there
    word    ::= [ prefix ] stem [ suffix [ suffix ] ]

    <NOT> in a phrase is any single word of the concept NOT.
    """

    def __init__(self, concepts: Mapping[str, Sequence[str]]) -> None:
        """Takes the words and phrases of each concept."""
        of: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for name, phrases in concepts.items():
            for phrase in phrases:
                for words in _spoken(phrase, concepts):
                    of[words].add(name)
        self._of = {phrase: frozenset(names) for phrase, names in of.items()}
        self._begins = {phrase[0] for phrase in of if len(phrase) > 1}
        self._by_word = lru_cache(CACHED)(self._find_word)

    def read(self, words: Sequence[str]) -> dict[str, set[int]]:
        """Returns the concepts, with the positions of their words."""
        found: dict[str, set[int]] = defaultdict(set)
        for index, word in enumerate(words):
            for name in self._by_word(word):
                found[name].add(index)
            most = min(LONGEST_ALIAS, len(words) - index) if word in self._begins else 1
            for length in range(2, most + 1):
                for name in self._of.get(tuple(words[index : index + length]), ()):
                    found[name].update(range(index, index + length))
        return found

    def _find_word(self, word: str) -> frozenset[str]:
        forms = (self._of.get((form,)) for form in forms_of(word))
        return next(filter(None, forms), frozenset())


def _spoken(phrase: str, concepts: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yields the ways to say a phrase: <NOT> USAH is GA USAH, TIDAK USAH and so on."""
    words: list[Sequence[str]] = []
    for part in phrase.split():
        named = A_CONCEPT_IN_A_PHRASE.fullmatch(part)
        if named and named[1] in concepts:
            words.append([each for each in concepts[named[1]] if " " not in each])
        else:
            words += [[word] for word in words_of(part)]
    yield from product(*words)


def undrawn(word: str) -> str:
    """Returns a word without letters that were drawn out: YAAA and YAA are YA."""
    plain = _DRAWN_OUT.sub(r"\1", word)
    return plain[:-1] if len(plain) > 2 and plain[-1] == plain[-2] else plain


def forms_of(word: str) -> Iterator[str]:
    """Yields a word as it was written, with letters that were drawn out once, and without the
    endings and beginnings that Indonesian, Javanese and Sundanese put on it."""
    yield word
    plain = _DRAWN_OUT.sub(r"\1", word)
    if plain != word:
        yield plain
    if len(plain) > 2 and plain[-1] == plain[-2]:
        yield plain[:-1]  # YAA
    stems = [plain, *_without_suffix(plain)]
    stems += [each for stem in stems[1:] for each in _without_suffix(stem)]
    yield from stems[1:]
    for stem in stems:
        for prefix in PREFIXES:
            if stem.startswith(prefix) and len(stem) >= len(prefix) + SHORTEST_STEM:
                yield stem[len(prefix) :]


def owned(word: str) -> Iterator[str]:
    """Yields a word without an ending that says whose it is."""
    for suffix, fewest in SHORTEST_OWNED.items():
        if word.endswith(suffix) and len(word) >= len(suffix) + fewest:
            yield word.removesuffix(suffix)


def _without_suffix(word: str) -> list[str]:
    return [
        word.removesuffix(suffix)
        for suffix in SUFFIXES
        if word.endswith(suffix)
        and len(word) >= len(suffix) + SHORTEST_OWNED.get(suffix, SHORTEST_STEM)
    ]
