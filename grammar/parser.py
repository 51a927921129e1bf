"""From a text to a Command or a Misread.

    message ::= { filler } keyword { item } | { item } bare-slot { item }
    item    ::= slot | label | filler | word | separator
    slot    ::= NKP | NIK | TGL_LAHIR | EMAIL        each by its shape, see slots.py

The keyword is looked up first, among the words; then its own items are read by the pyparsing
grammar that its poster has built. (One grammar of all keywords costs a third more and cannot say
which slot failed.) NAMA is what remains: the first words that stand together.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyparsing as pp

from grammar import poster, slots
from grammar.normalise import normalise
from grammar.poster import Poster, PosterError
from grammar.reading import Command, Keyword, Misread, Reason, Words
from grammar.slots import KINDS, Token

LONGEST_ALIAS = 3  # words
LONGEST_LABEL = 4
SHORTEST_NUMBER = 6  # digits; less is a house number, a year or the number an advert says to text
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class _Read:
    """A keyword ready to read messages."""

    keyword: Keyword
    poster: Poster
    items: pp.ParserElement


class Grammar:
    """Reads messages by the keywords it was built from. Raises PosterError while it is built."""

    def __init__(self, keywords: Sequence[Keyword], words: Words) -> None:
        self._fillers = words.fillers
        self._labels = {
            tuple(label.split("_")) for labels in words.labels.values() for label in labels
        }
        self._read = {keyword.id: _built(keyword) for keyword in keywords}
        self._alone = _aliases(read for read in self._read.values() if read.keyword.alone)
        self._first = _aliases(read for read in self._read.values() if not read.keyword.alone)
        for alias in self._alone.keys() & self._first.keys():
            raise PosterError(f"{' '.join(alias)} belongs to two keywords")
        self._bare = next((read for read in self._read.values() if read.keyword.bare), None)

    def usage(self, keyword: str) -> str:
        """How a keyword is written, from its poster."""
        return self._read[keyword].poster.usage

    def parse(self, text: str) -> Command | Misread:
        text = normalise(text)
        found = list(_WORDS.finditer(text))
        words = [match[0] for match in found]
        if read := self._whole(text, words):
            return Command(read.keyword.id, {}, " ".join(words), "")
        for index in range(len(words)):
            for length in range(min(LONGEST_ALIAS, len(words) - index), 0, -1):
                read = self._first.get(tuple(words[index : index + length]))
                if read is not None:
                    before, after = found[index].start(), found[index + length - 1].end()
                    word = " ".join(words[index : index + length])
                    return self._fields(read, word, f"{text[:before]} {text[after:]}")
        return self._without_keyword(text, words)

    def _whole(self, text: str, words: list[str]) -> _Read | None:
        """The keyword that is the whole message, give or take fillers and punctuation."""
        if not words or any(letter.isdigit() for letter in text):
            return None
        own = {alias[0] for alias in self._alone}
        told = tuple(word for word in words if word in own or word not in self._fillers)
        return self._alone.get(tuple(words)) or self._alone.get(told)

    def _without_keyword(self, text: str, words: list[str]) -> Command | Misread:
        rest = " ".join(words)
        if self._bare is None or not re.search(r"\d", text):
            return Misread(Reason.UNKNOWN, rest=rest)
        read = self._fields(self._bare, "", text)
        kind = self._bare.keyword.bare or ""
        is_number = isinstance(read, Command) and KINDS[kind].field in read.fields
        is_mistyped = isinstance(read, Misread) and not words
        return read if is_number or is_mistyped else Misread(Reason.UNKNOWN, rest=rest)

    def _fields(self, read: _Read, word: str, text: str) -> Command | Misread:
        tokens = [token for token in read.items.parse_string(text) if isinstance(token, Token)]
        runs = list(self._runs(tokens, read.poster))
        fields = _fields(tokens)
        wanted = {slot.kind for slot in read.poster.slots}
        if "NAMA" in wanted and runs:
            fields["name"] = " ".join(runs.pop(0))
        rest = " ".join(" ".join(run) for run in runs)
        problem = _problem(read.poster, tokens, fields)
        if problem is None:
            return Command(read.keyword.id, fields, word, rest)
        reason, slot, was_read, needed = problem
        return Misread(reason, read.keyword.id, slot, was_read, needed, word, rest)

    def _runs(self, tokens: Sequence[Token], read: Poster) -> Iterator[list[str]]:
        """Words that stand together and are neither label, filler nor of the keyword itself."""
        own = set(read.words[1:]) | {
            alias[0]
            for name in read.words[1:]
            for alias, other in self._first.items()
            if other.poster.words[0] == name and len(alias) == 1
        }
        run: list[str] = []
        for token in tokens:
            if token.kind == "WORD":
                run.append(token.text)
                continue
            yield from self._kept(run, own)
            run = []
        yield from self._kept(run, own)

    def _kept(self, run: list[str], own: set[str]) -> Iterator[list[str]]:
        kept: list[str] = []
        index = 0
        while index < len(run):
            label = self._label_at(run, index)
            word = run[index]
            if not label and word not in self._fillers and word not in own:
                kept.append(word)
            index += label or 1
        if kept:
            yield kept

    def _label_at(self, run: list[str], index: int) -> int:
        """How many words from `index` on are a label; 0 for none."""
        for length in range(min(LONGEST_LABEL, len(run) - index), 0, -1):
            parts = "_".join(run[index : index + length]).split("_")
            if tuple(parts) in self._labels:
                return length
        return 0


def _built(keyword: Keyword) -> _Read:
    read = poster.read(keyword.poster)
    kinds = [slot.kind for slot in read.slots]
    numbers = [kind for kind in ("NIK", "NKP") if kind in kinds]
    shapes = [
        *([slots.email()] if "EMAIL" in kinds else []),
        *slots.words(),
        *(slots.exact(kind) for kind in numbers),
        *([slots.birth_date()] if "TGL_LAHIR" in kinds else []),
        *(slots.grouped(kind) for kind in numbers),
        *slots.others(),
    ]
    items = pp.ZeroOrMore(pp.MatchFirst(shapes)) + pp.StringEnd()
    return _Read(keyword, read, items.streamline())


def _aliases(reads: Iterator[_Read]) -> dict[tuple[str, ...], _Read]:
    """Every way to write each keyword. Raises PosterError where two share one."""
    aliases: dict[tuple[str, ...], _Read] = {}
    for read in reads:
        for alias in (read.poster.words[0], *read.keyword.aliases):
            words = tuple(_WORDS.findall(normalise(alias)))
            if not words or len(words) > LONGEST_ALIAS:
                raise PosterError(f"{alias!r}: an alias has one to {LONGEST_ALIAS} words")
            if aliases.setdefault(words, read) is not read:
                other = aliases[words].keyword.id
                raise PosterError(f"{alias!r} belongs to {other} and to {read.keyword.id}")
    return aliases


def _fields(tokens: Sequence[Token]) -> dict[str, str | date]:
    fields: dict[str, str | date] = {}
    for token in tokens:
        if token.kind in KINDS and token.value is not None:
            fields.setdefault(KINDS[token.kind].field, token.value)
    return fields


def _problem(
    read: Poster, tokens: Sequence[Token], fields: dict[str, str | date]
) -> tuple[Reason, str, str | None, str | None] | None:
    """What was written wrongly comes before what is absent: it explains more."""
    open_slots = [slot for slot in read.slots if KINDS[slot.kind].field not in fields]
    kinds = [slot.kind for slot in open_slots]
    for token in tokens:
        if token.kind == "IMPOSSIBLE" and "TGL_LAHIR" in kinds:
            return Reason.IMPOSSIBLE_DATE, "TGL_LAHIR", token.text, None
    numbers = [kind for kind in kinds if KINDS[kind].digits]
    for token in tokens:
        length = len(str(token.value)) if token.kind == "NUMBER" else 0
        if length >= SHORTEST_NUMBER and numbers:
            kind = min(numbers, key=lambda kind: abs((KINDS[kind].digits or 0) - length))
            return Reason.WRONG_LENGTH, kind, str(length), str(KINDS[kind].digits)
    missing = next((slot.kind for slot in open_slots if slot.is_required), None)
    return None if missing is None else (Reason.MISSING, missing, None, None)
