"""Reads the opt-out keyword as people write it."""

from collections.abc import Iterable, Mapping

from grammar.compiled import CompiledKeyword, longest_of, words_of
from grammar.reading import Keyword


class OptOutReader:
    """Reads the opt-out keyword as people write it; without such a keyword nothing opts out."""

    def __init__(
        self, reads: Iterable[CompiledKeyword], others: Mapping[tuple[str, ...], CompiledKeyword]
    ) -> None:
        """Takes `others`, the aliases of keywords that need not stand alone."""
        self.read = next((read for read in reads if read.keyword.opt_outs), None)
        keyword = self.read.keyword if self.read else Keyword("", "")
        named = (self.read.poster.keyword, *keyword.aliases) if self.read else ()
        self._aliases = set(map(words_of, keyword.opt_outs)).intersection(map(words_of, named))
        self._unless = frozenset(keyword.unless)
        self.subscriptions = {
            *self._aliases,
            *map(words_of, keyword.subscriptions),
            *(alias for alias, read in others.items() if not read.keyword.asked),
        }
        self._others = others
        self._single = {word for word, *more in map(words_of, named) if not more}
        begun = {alias[0] for alias in others if len(alias) > 1}  # BERHENTI KERJA
        self.unmistakable = {word for word, *more in self._aliases if not more} - begun

    def length_at_front(self, words: list[str]) -> int:
        """Returns the length of the opt-out alias at the front; 0 if a longer alias of another
        keyword stands there."""
        length = len(longest_of(self._aliases, words))
        return length if len(longest_of(self._others, words)) <= length else 0

    def length_of_subscription(self, words: list[str]) -> int:
        return len(longest_of(self.subscriptions, words))

    def word_in(self, words: list[str], harmless: frozenset[str]) -> str | None:
        """Returns the opt-out word that may be meant: at the front, at the end or, if it means
        nothing else, anywhere."""
        meant = [
            word
            for word, following in zip(words, [*words[1:], ""], strict=False)
            if following not in self._unless and word not in harmless
        ]
        ends = [word for word in (*meant[:1], *meant[-1:]) if word in self._single]
        return next(iter([*ends, *(word for word in meant if word in self.unmistakable)]), None)
