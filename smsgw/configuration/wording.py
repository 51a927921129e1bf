"""Turns a reply's name and values into text that fits its segment budget by construction.

    wording ::= { literal | "{" name "}" | "[" { literal | "{" name "}" } "]" }

What stands in brackets is a clause. The required part is taken whole, then each clause in order if
it still fits and all its values are known. Values are made GSM-7 first, a text among them is cut to
TEXT_WIDTH, numbers and dates never are; so the widest required part, proved once when a wording is
read, bounds every reply. A value is never expanded again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from string import Formatter
from types import MappingProxyType

from handlers.placeholders import TEXT_WIDTH
from handlers.values import Options, Term, Terms, Value
from smsgw import gsm7
from smsgw.configuration.placeholders import SHOWN, WIDTHS, NotShowable, show, undeclared, widest

REFERENCE_ALPHABET, REFERENCE_LENGTH = "23456789BCDFGHJKLMNPQRSTVWXZ", 6
CUT = "..."  # where a quote goes on

NOT_PLAIN = "only plain GSM-7 characters may be used; another would double the cost"
UNDECLARED = "{{{}}} has no widest value; declare it in PLACEHOLDERS of the handler, or in SHARED"
EVERYWHERE = frozenset({"call_centre", "ref", "also"})


class WordingError(ValueError):
    """Tells an operator why a wording cannot be sent."""


class ReplyError(Exception):
    """Says that a handler's reply cannot be shown. Names the wording and the placeholder, but no
    value."""


@dataclass(frozen=True)
class Piece:
    parts: tuple[tuple[str, str | None], ...]  # literal, then the placeholder after it
    is_clause: bool

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(name for _, name in self.parts if name is not None)

    def fill(self, shown: Mapping[str, str | None]) -> str | None:
        """Returns the piece with its values, or None for a clause with an unknown value."""
        texts = []
        for literal, name in self.parts:
            texts.append(literal)
            if name is not None:
                value = shown.get(name)
                if value is None and self.is_clause:
                    return None
                texts.append(value or "-")
        return "".join(texts)

    @property
    def source(self) -> str:
        inner = "".join(
            literal + (f"{{{name}}}" if name is not None else "") for literal, name in self.parts
        )
        return f"[{inner}]" if self.is_clause else inner

    @property
    def steps(self) -> Sequence[str | None]:
        """Returns the literals, with None for each value."""
        parts = ([literal] if name is None else [literal, None] for literal, name in self.parts)
        return [step for part in parts for step in part]


@dataclass(frozen=True)
class Wording:
    pieces: tuple[Piece, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset().union(*(piece.names for piece in self.pieces))

    @property
    def literals(self) -> tuple[str, ...]:
        """Returns what every reply made of it holds, in order; the first is empty where a value
        leads."""
        required = (piece for piece in self.pieces if not piece.is_clause)
        return tuple(literal.strip() for piece in required for literal, _ in piece.parts)


@lru_cache(maxsize=2048)
def parse(text: str) -> Wording:
    """Raises WordingError."""
    if not _is_plain(text):
        raise WordingError(NOT_PLAIN)
    return structure(text)


def faults(
    text: str,
    offered: frozenset[str],
    usage: Mapping[str, str],
    budget: int,
    own: Mapping[str, Value] = MappingProxyType({}),
    always: frozenset[str] = frozenset(),
) -> list[str]:
    """Returns why a wording cannot be sent, all that is wrong at once; see `check`."""
    unknown = {*re.findall(r"\{(\w+)\}", text)} - offered - EVERYWHERE
    found = [] if _is_plain(text) else [NOT_PLAIN]
    found += [_unknown_value(name) for name in sorted(unknown)]
    shown = {*re.findall(r"\{(\w+)\}", text)} & offered
    found += [UNDECLARED.format(name) for name in sorted(undeclared(shown - own.keys()))]
    try:
        wording = structure(text)
        if not found:
            check(wording, offered, usage, budget, own, always)
    except WordingError as error:
        found.append(str(error))
    return found


def _is_plain(text: str) -> bool:
    literal = re.sub(r"[\[\]{}]", "", text)
    return gsm7.to_gsm7(literal) == literal


def _unknown_value(name: str) -> str:
    return f"{{{name}}} is no value of this reply"


def structure(text: str) -> Wording:
    """Reads a wording's structure, whatever its characters. Raises WordingError."""
    return Wording(tuple(_pieces(text)))


def render(
    wording: Wording,
    values: Mapping[str, Value],
    budget: int,
    terms: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Renders a wording that fits its budget. `terms` are the ledger's words in the reader's
    language, if that is another."""
    return _join(_fitted_pieces(wording, values, budget, terms))


def dropped_clauses(
    wording: Wording,
    values: Mapping[str, Value],
    budget: int,
    terms: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Returns the clauses that `render` leaves out, as they are written."""
    pieces = _fitted_pieces(wording, values, budget, terms)
    return [
        piece.source for piece, text in zip(wording.pieces, pieces, strict=True) if text is None
    ]


def check(
    wording: Wording,
    offered: frozenset[str],
    usage: Mapping[str, str],
    budget: int,
    own: Mapping[str, Value] = MappingProxyType({}),
    always: frozenset[str] = frozenset(),
) -> None:
    """Raises WordingError unless every reply made of `wording` fits `budget` segments. `own`: the
    widest values of placeholders that this wording has for itself; `always`: placeholders that it
    has to show where they are given, also within a clause."""
    unknown = wording.names - offered - EVERYWHERE
    if unknown:
        raise WordingError(_unknown_value(min(unknown)))
    if always - wording.names:
        raise WordingError(f"it has no clause with {{{min(always - wording.names)}}}")
    required = Wording(tuple(_certain(wording.pieces, always)))
    text = render(required, widest(usage, own), budget)
    counted = gsm7.count(text)
    if counted.segments > budget:
        raise WordingError(
            f"without its clauses it may take {counted.units} characters, "
            f"{counted.segments} segments instead of {budget}"
        )


def _certain(pieces: Sequence[Piece], always: frozenset[str]) -> Iterator[Piece]:
    """Yields what has to have room: clauses up to the last one that is always shown, since they are
    taken in order, and all that is no clause."""
    last = max((place for place, each in enumerate(pieces) if each.names & always), default=-1)
    for place, each in enumerate(pieces):
        if place <= last or not each.is_clause:
            yield each


def _text_of(name: str, value: Value, terms: Mapping[str, str]) -> str | None:
    if value is None:
        return None
    if (write := SHOWN.get(type(value))) is not None:
        return write(value)
    if isinstance(value, Terms):
        words = (gsm7.to_gsm7(terms.get(word, word)) for word in value.words)
        return value.separator.join(words)
    if isinstance(value, Options):
        value = Options(tuple(map(gsm7.to_gsm7, value.names)))
    if isinstance(value, Term):
        value = terms.get(value.word, value.word)
    if isinstance(value, str):
        return gsm7.to_gsm7(value)[: WIDTHS.get(name, TEXT_WIDTH)].strip()
    try:
        return show(value)
    except NotShowable as error:
        raise ReplyError(f"{{{name}}}: {error}") from None


def _pieces(text: str) -> Iterator[Piece]:
    for index, part in enumerate(re.split(r"\[([^\[\]]*)\]", text)):
        if "[" in part or "]" in part:
            raise WordingError("a square bracket is not closed, or a clause contains another")
        if part:
            yield Piece(tuple(_parts(part)), is_clause=index % 2 == 1)


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    try:
        for literal, name, form, conversion in Formatter().parse(text):
            if name is not None and (form or conversion or not name.isidentifier()):
                raise WordingError(f"{{{name}}} must be a plain name in braces")
            yield literal, name
    except ValueError as error:
        if isinstance(error, WordingError):
            raise
        raise WordingError("a brace is not closed") from None


def _fitted_pieces(
    wording: Wording, values: Mapping[str, Value], budget: int, terms: Mapping[str, str]
) -> list[str | None]:
    """Returns the text of each piece, or None if it is left out."""
    names = wording.names
    shown = {name: _text_of(name, value, terms) for name, value in values.items() if name in names}
    filled = [piece.fill(shown) for piece in wording.pieces]
    if gsm7.count(_join(filled)).segments <= budget:
        return filled
    pairs = list(zip(wording.pieces, filled, strict=True))
    pieces = [None if piece.is_clause else text for piece, text in pairs]
    for index, (piece, text) in enumerate(pairs):
        if piece.is_clause:
            pieces[index] = text
            if gsm7.count(_join(pieces)).segments > budget:
                pieces[index] = None
    return pieces


def _join(pieces: list[str | None]) -> str:
    return "".join(text for text in pieces if text is not None).rstrip()
