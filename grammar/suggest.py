"""Finds keywords with one typo: a letter left out, doubled, changed, or two exchanged.

A neighbouring key of a keypad gives another letter, so it is one of these.
"""

from collections.abc import Iterable

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


def _common(one: str, other: str) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length
