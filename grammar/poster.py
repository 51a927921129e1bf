"""Reads keywords as posters print them.

    poster   ::= word { word | separator | slot | optional }
    optional ::= "[" [ separator ] slot "]"
    slot     ::= "<" KIND ">"
    word     ::= capital letters
    separator::= "#" | "*" | "," | "/"

`DAFTAR SALDO#<NIK>[#<NAMA>]#<TGL_LAHIR>#<NKP>[#<EMAIL>]`
"""

from dataclasses import dataclass
from functools import lru_cache

import pyparsing as pp

from grammar.slots import KINDS


class PosterError(ValueError):
    """Says what is wrong with a keyword's poster, and where."""


@dataclass(frozen=True, slots=True)
class Slot:
    kind: str
    is_required: bool
    separator: str  # as printed before it

    @property
    def label(self) -> str:
        return self.kind.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Poster:
    words: tuple[str, ...]  # the first is the keyword, the others may be left out of a message
    slots: tuple[Slot, ...]

    @property
    def keyword(self) -> str:
        """Returns DAFTAR for DAFTAR SALDO#<NIK>…, as its slots say the rest, and both words of
        BUKAN SAYA."""
        return self.words[0] if self.slots else " ".join(self.words)

    @property
    def usage(self) -> str:
        """Returns how it is written: what it needs or, where it needs nothing, what it may have."""
        needed = [slot for slot in self.slots if slot.is_required] or self.slots
        return " ".join(self.words) + "".join(slot.separator + slot.label for slot in needed)


_word = pp.Word(pp.srange("[A-Z]"))
_kind = pp.Suppress("<") + pp.Word(pp.srange("[A-Z_/]")) + pp.Suppress(">")
_slot = pp.Optional(pp.one_of("# * , /"), default=" ") + _kind
_required = pp.Group(_slot).set_parse_action(
    lambda _text, _at, found: _read_slot(found, is_required=True)
)
_optional = pp.Group(pp.Suppress("[") + _slot + pp.Suppress("]")).set_parse_action(
    lambda _text, _at, found: _read_slot(found, is_required=False)
)
_poster = _word + pp.ZeroOrMore(_word | _required | _optional) + pp.StringEnd()


@lru_cache(1024)
def read(text: str) -> Poster:
    """Raises PosterError."""
    if not text[:1].isalpha():
        raise PosterError(f"{text!r}: a poster begins with a word")
    try:
        found = _poster.parse_string(text)
    except pp.ParseBaseException as error:
        raise PosterError(f"{text!r}: cannot be read at character {error.loc + 1}") from None
    slots = tuple(slot for slot in found if isinstance(slot, Slot))
    for slot in slots:
        if slot.kind not in KINDS:
            raise PosterError(f"{text!r}: <{slot.kind}> is no slot; there are {', '.join(KINDS)}")
    if len({slot.kind for slot in slots}) < len(slots):
        raise PosterError(f"{text!r}: a slot stands twice")
    return Poster(tuple(word for word in found if isinstance(word, str)), slots)


def _read_slot(found: pp.ParseResults, *, is_required: bool) -> Slot:
    separator, kind = found[0]
    return Slot(kind, is_required, separator)
