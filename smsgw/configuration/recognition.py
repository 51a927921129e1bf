"""Recognises our own wordings, quoted or sent back."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from grammar import fold
from smsgw.configuration.wording import CUT, Piece, Wording

MIN_ECHO_CHARACTERS = 16  # characters of a wording's own that nobody else writes in that order


def absent(wording: Wording, text: str) -> list[str] | None:
    """Returns the clauses that are not in `text`, a reply made of `wording`, or None if it is
    another's. If several readings fit, it prefers short values and the first clauses."""
    found = _matched_pieces(wording, text)
    if found is None:
        found = _matched_pieces(wording, f"{text} ")  # a blank at its end is cut
    if found is None:
        return None
    return [piece.source for piece, was in zip(wording.pieces, found, strict=True) if not was]


# Phones write these where somebody reacts to a message, in their own language, and quote it.
_LIKED = (
    r"(?:Tidak )?Menyukai|Menyayangi|Mencintai|Menertawakan|Tertawa(?: pada| atas)?|Menekankan"
    r"|Mempertanyakan|Liked|Loved|Disliked|Laughed at|Emphasi[sz]ed|Questioned"
)
_REACTED = (
    r"(?:Reacted|Removed|Bereaksi|Memberi|Menanggapi|Menghapus)\b[^\"']{0,40}"
    r"\b(?:to|from|dengan|terhadap|pada|ke|dari)"
)
_SIGN = r"[^\w\s]{1,8} ?(?:to|ke|kepada|pada|untuk|terhadap)"
REACTION = re.compile(
    rf"\W*(?:{_LIKED}|{_REACTED}|{_SIGN}) ?[\"'](?P<quote>.+?)(?P<end>[\"']\W*)?\Z",
    re.IGNORECASE | re.DOTALL,
)
QUOTED = re.compile(r"\W*[\"'](?P<quote>.+)[\"']\W*\Z", re.DOTALL)


class EchoDetector:
    """Tells our own replies when they come back, whoever sends them: so responders loop, and so
    phones write a reaction to one."""

    def __init__(self, wordings: Iterable[Wording]) -> None:
        long_enough = {
            each.literals
            for each in wordings
            if sum(map(len, each.literals)) >= MIN_ECHO_CHARACTERS
        }
        self._by_start = {start: tuple(all_) for start, all_ in _by_start(long_enough)}
        self._starts = tuple(start for start in self._by_start if start)

    def matches(self, text: str) -> bool:
        text = fold(text).strip()
        if self._begin(text):
            return True
        if "'" not in text and '"' not in text:
            return False
        if reaction := REACTION.match(text):
            return reaction["end"] is not None or self._begin(reaction["quote"] + CUT)
        quoted = QUOTED.match(text)
        return quoted is not None and self._begin(quoted["quote"])

    def _begin(self, text: str) -> bool:
        text = text.strip()
        if len(text) < MIN_ECHO_CHARACTERS:
            return False
        whole = text.removesuffix(CUT)
        is_cut = whole != text
        kinds = self._by_start.get("", ())
        if text.startswith(self._starts):
            kinds += tuple(
                each
                for start in self._starts
                if text.startswith(start)
                for each in self._by_start[start]
            )
        return any(
            _holds(text, literals) or (is_cut and _holds_beginning(whole, literals))
            for literals in kinds
        )


def _by_start(
    kinds: Iterable[tuple[str, ...]],
) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    for start, those in groupby(sorted(kinds), key=itemgetter(0)):
        yield start, list(those)


def _holds(text: str, literals: tuple[str, ...]) -> bool:
    """Tells whether the text has all literals in order."""
    at = 0
    for literal in literals:
        found = text.find(literal, at)
        if found < 0:
            return False
        at = found + len(literal)
    return True


def _holds_beginning(text: str, literals: tuple[str, ...]) -> bool:
    """Tells whether the text has enough literals in order, counting the beginning of the one where
    the text is cut."""
    at, matched = 0, 0
    for literal in literals:
        found = text.find(literal, at)
        if found < 0:
            begun = (text[-length:] for length in range(len(literal), 0, -1))
            matched += next((len(each) for each in begun if literal.startswith(each)), 0)
            break
        matched += len(literal)
        at = found + len(literal)
    return matched >= MIN_ECHO_CHARACTERS


def _matched_pieces(wording: Wording, text: str) -> list[bool] | None:
    """Returns which pieces are in `text`. First it is marked, from the end, where what is left of
    the wording may begin: so no way is gone twice, however many there are."""
    ends, marked = {len(text)}, []
    for piece in reversed(wording.pieces):
        marks = _marks(piece, text, ends)
        marked.append(marks)
        ends = marks[0] | (ends if piece.is_clause else set())
    if 0 not in ends:
        return None
    at, found = 0, []
    for piece, marks in zip(wording.pieces, reversed(marked), strict=True):
        found.append(at in marks[0])
        at = _behind(piece, at, marks) if found[-1] else at
    return found


def _marks(piece: Piece, text: str, ends: set[int]) -> list[set[int]]:
    """Returns where each of its steps may begin, so that it ends at one of `ends`; at last
    these."""
    marks = [ends]
    for step in reversed(piece.steps):
        if step is None:
            marks.append(set(range(max(marks[-1], default=-1) + 1)))
        else:
            marks.append({at - len(step) for at in marks[-1] if text.endswith(step, 0, at)})
    return marks[::-1]


def _behind(piece: Piece, at: int, marks: Sequence[set[int]]) -> int:
    """Returns where it ends that begins at `at`."""
    for step, following in zip(piece.steps, marks[1:], strict=True):
        if step is None:
            at = min(end for end in following if end >= at)
        else:
            at += len(step)
    return at
