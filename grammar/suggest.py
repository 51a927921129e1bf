"""Finds keywords with one typo: a letter left out, doubled, changed, or two exchanged.

A neighbouring key of a keypad gives another letter, so it is one of these.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

SHORTEST = 4  # letters; shorter words are one slip away from half the language


def is_typo(written: str, meant: str) -> bool:
    """Tells whether one slip turns `meant` into `written`."""
    if abs(len(written) - len(meant)) > 1:
        return False
    head = _common(written, meant)
    tail = _common(written[head:][::-1], meant[head:][::-1])
    one, other = written[head : len(written) - tail], meant[head : len(meant) - tail]
    return max(len(one), len(other)) == 1 or (len(one) == 2 and one == other[::-1])


def similar(written: str, words: Iterable[str]) -> list[str]:
    """Returns those of `words` that are one slip away."""
    if len(written) < SHORTEST:
        return []
    return [word for word in words if len(word) >= SHORTEST and is_typo(written, word)]


class SimilarWords:
    """Finds what `similar` finds, by an index of words with a letter left out: two words that are
    one slip apart have one of these in common. To compare with each word took up to two fifths
    of the time in which a sentence is read."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self._longest = 0
        for place, word in enumerate(words):
            if len(word) >= SHORTEST:
                self._longest = max(self._longest, len(word))
                for part in {word, *_with_one_left_out(word)}:
                    self._words[part].append((place, word))

    def of(self, written: str) -> list[str]:
        """Returns the words that are one slip away, in their order."""
        if not SHORTEST <= len(written) <= self._longest + 1:
            return []
        parts = {written, *_with_one_left_out(written)}
        near = {each for part in parts for each in self._words.get(part, ())}
        return [word for _, word in sorted(near) if is_typo(written, word)]


def _with_one_left_out(word: str) -> Iterator[str]:
    return (word[:place] + word[place + 1 :] for place in range(len(word)))


def _common(one: str, other: str) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length
