"""Compares two texts line by line: what is gone and what is new, what stands around it, and where.

Where a line stands is told by the keys above it, as YAML indents them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import zip_longest

AROUND = 2  # lines that are the same, before and after each change
MAX_LINES = 400  # lines
MOST_COMPARED = 10_000_000  # lines times lines; beyond that all of it is gone and all is new
A_KEY = re.compile(r"( *)((?:- )*)([^\s'\"#&*!|>-][^:]*|'[^']*'):(?: |$)")

Opcode = tuple[str, int, int, int, int]


class DifferenceKind(StrEnum):
    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Line:
    """Holds a line in three parts; the middle one changed."""

    kind: DifferenceKind
    head: str
    changed: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    place: tuple[str, ...]  # keys
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Difference:
    changes: Sequence[Change]
    added: int  # lines
    removed: int
    left_out: int  # lines of these that `changes` does not tell


def compare(before: str, after: str) -> Difference:
    old, new = before.splitlines(), after.splitlines()
    changes: list[Change] = []
    added = removed = line_count = 0
    for group in _groups(old, new):
        added += sum(j2 - j1 for what, _, _, j1, j2 in group if what != "equal")
        removed += sum(i2 - i1 for what, i1, i2, _, _ in group if what != "equal")
        if line_count >= MAX_LINES:
            continue
        lines = [*_lines(old, new, group)][: MAX_LINES - line_count]
        line_count += len(lines)
        changes.append(Change(_place(old, new, group), lines))
    shown = sum(line.kind is not DifferenceKind.SAME for each in changes for line in each.lines)
    return Difference(changes, added, removed, added + removed - shown)


def _groups(old: list[str], new: list[str]) -> Iterator[list[Opcode]]:
    """Skips what both texts have in common at either end, which costs no time."""
    if old == new:
        return
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    start = max(0, head - AROUND)
    part, other = (each[start : len(each) - tail + AROUND] for each in (old, new))
    if len(part) * len(other) > MOST_COMPARED:
        yield [("replace", start, start + len(part), start, start + len(other))]
        return
    for group in SequenceMatcher(None, part, other).get_grouped_opcodes(AROUND):
        yield [
            (what, start + i1, start + i2, start + j1, start + j2) for what, i1, i2, j1, j2 in group
        ]


def _lines(old: list[str], new: list[str], group: list[Opcode]) -> Iterator[Line]:
    for what, i1, i2, j1, j2 in group:
        if what == "equal":
            yield from (Line(DifferenceKind.SAME, line) for line in old[i1:i2])
            continue
        pairs = list(zip_longest(old[i1:i2], new[j1:j2]))
        yield from (
            _line(DifferenceKind.REMOVED, one, other) for one, other in pairs if one is not None
        )
        yield from (
            _line(DifferenceKind.ADDED, other, one) for one, other in pairs if other is not None
        )


def _line(kind: DifferenceKind, text: str, other: str | None) -> Line:
    """Marks the words that differ, if something of the same line stays."""
    words, others = (re.findall(r"\s+|\w+|\W", each or "") for each in (text, other))
    head = _common(words, others)
    tail = _common(words[head:][::-1], others[head:][::-1])
    if other is None or not "".join(words[:head] + words[len(words) - tail :]).strip():
        return Line(kind, text)
    end = len(words) - tail
    return Line(kind, "".join(words[:head]), "".join(words[head:end]), "".join(words[end:]))


def _place(old: list[str], new: list[str], group: list[Opcode]) -> tuple[str, ...]:
    """Returns the keys above the first line that differs."""
    what, i1, _, j1, j2 = next(each for each in group if each[0] != "equal")
    lines, index = (old, i1) if what == "delete" or j1 == j2 else (new, j1)
    inner = _depth(lines[index])
    keys: list[str] = []
    for line in reversed(lines[:index]):
        found = A_KEY.match(line)
        if found and not found[2] and _depth(line) < inner:
            keys.append(found[3])
            inner = _depth(line)
    return tuple(reversed(keys))


def _depth(line: str) -> float:
    """Returns how deep a line is indented. An item of a list counts as deeper than the key of that
    list."""
    text = line.lstrip(" ")
    return len(line) - len(text) + (0.5 if text.startswith("- ") else 0)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length
