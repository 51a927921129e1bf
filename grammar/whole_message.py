"""Reads a keyword that is the whole message: STOP, YA, GAK JADI."""

import re
from collections.abc import Iterator, Mapping
from itertools import dropwhile

from grammar.compiled import CompiledKeyword, longest_of
from grammar.fields import SHORTEST_NUMBER, holds_short_number
from grammar.reading import Words

SHORT_NUMBER = range(4, SHORTEST_NUMBER)  # digits of one that an advert says to text


class WholeMessageReader:
    """Reads keywords that count only as the whole message, apart from fillers, thanks and the short
    number that a poster says to text."""

    def __init__(self, words: Words, alone: Mapping[tuple[str, ...], CompiledKeyword]) -> None:
        """Takes `alone`, the aliases of such keywords."""
        self._alone = alone
        self._own = {alias[0] for alias in alone}
        self._fillers, self._courtesy = words.fillers, words.courtesy
        self._harmless = words.fillers | words.courtesy
        self._doubts, self._addressed = words.doubts, words.addressed

    def read(self, text: str, words: list[str]) -> CompiledKeyword | None:
        """Returns the keyword that is the whole message, apart from fillers and punctuation."""
        if not words or not holds_short_number(text):
            return None
        found = next(filter(None, self._tries(words)), None) or self._by_repetition(words)
        if found is not None and not self._bears_number(found, text, words):
            return None
        return found

    def front(self, words: list[str]) -> list[str]:
        return list(dropwhile(self._addressed.__contains__, words))

    def is_asking(self, text: str, words: list[str]) -> bool:
        return "?" in text or not self._doubts.isdisjoint(words)

    def _tries(self, words: list[str]) -> Iterator[CompiledKeyword | None]:
        yield self._alone.get(tuple(words))
        yield self._alone.get(
            tuple(word for word in words if word in self._own or word not in self._fillers)
        )
        yield self._alone.get(tuple(word for word in words if word not in self._fillers))
        if words[0] not in self._courtesy:
            thanks = (word for word in words[1:] if word not in self._harmless)
            yield self._alone.get((words[0], *thanks))

    def _bears_number(self, read: CompiledKeyword, text: str, words: list[str]) -> bool:
        """Tells whether a number beside it says nothing: YA 2757, but not "ya 1" or "no 1234"."""
        number = re.search(r"\d+", text)
        if number is None:
            return True
        if read.keyword.leads:
            return len(number[0]) in SHORT_NUMBER
        return not self._harmless.issuperset(words)

    def _by_repetition(self, words: list[str]) -> CompiledKeyword | None:
        """Returns the keyword whose aliases are the whole message, apart from fillers and thanks:
        STOP STOP, SETUJU OK. A word that is both counts as a filler: "ok ya" agrees to nothing."""
        meant = dict[str, CompiledKeyword]()
        index = 0
        while index < len(words):
            alias = longest_of(self._alone, words[index:])
            is_harmless = words[index] in self._harmless and len(alias) < 2
            if alias and not is_harmless:
                meant[self._alone[alias].keyword.id] = self._alone[alias]
            elif not is_harmless:
                return None
            index += len(alias) or 1
        return next(iter(meant.values())) if len(meant) == 1 else None
