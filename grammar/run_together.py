"""Parts words that were typed without the spaces between them: CEKSALDOJHT is CEK SALDO JHT."""

import re
from collections.abc import Collection
from functools import lru_cache

from grammar.concepts import forms_of

SHORTEST, LONGEST = 7, 32  # letters of what is parted
SHORTEST_PART, MOST_PARTS = 2, 5
SHORTEST_KEYWORD = 4  # letters of the keyword that has to be among the parts
CACHED = 4096
_LONG_WORD = re.compile(rf"(?<![^\W\d_])[^\W\d_]{{{SHORTEST},{LONGEST}}}(?![^\W\d_])")


class RunTogether:
    """Parts what is no word, if words that are known make up all of it and one is a keyword."""

    def __init__(
        self, keywords: Collection[str], others: Collection[str], real_words: Collection[str]
    ) -> None:
        """Takes `others`, the words that may stand beside a keyword."""
        self._keywords = {each for each in keywords if len(each) >= SHORTEST_KEYWORD}
        self._known = {each for each in (*keywords, *others) if len(each) >= SHORTEST_PART}
        self._real_words = real_words
        self._by_word = lru_cache(CACHED)(self._part)

    def part(self, text: str) -> str:
        return _LONG_WORD.sub(lambda found: self._by_word(found[0]), text)

    def _part(self, word: str) -> str:
        if any(form in self._known or form in self._real_words for form in forms_of(word)):
            return word
        parts = self._fewest_parts(word)
        return word if parts is None or len(parts) > MOST_PARTS else " ".join(parts)

    def _fewest_parts(self, word: str) -> tuple[str, ...] | None:
        """Goes from left to right, and keeps for each place the fewest parts that lead there,
        with a keyword among them and without."""
        fewest: dict[tuple[int, bool], tuple[str, ...]] = {(0, False): ()}
        for start in range(len(word)):
            ways = [(has, fewest[start, has]) for has in (False, True) if (start, has) in fewest]
            for end in range(start + SHORTEST_PART, len(word) + 1) if ways else ():
                piece = word[start:end]
                for has_keyword, parts in ways if piece in self._known else ():
                    place = (end, has_keyword or piece in self._keywords)
                    if place not in fewest or len(fewest[place]) > len(parts) + 1:
                        fewest[place] = (*parts, piece)
        return fewest.get((len(word), True))
