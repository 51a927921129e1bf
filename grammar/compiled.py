"""Compiles a keyword of the configuration, so that it can read messages."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pyparsing as pp

from grammar import poster, slots
from grammar.normalise import normalise
from grammar.poster import Poster, PosterError
from grammar.reading import Fields, Keyword
from grammar.slots import KINDS, SlotShape, Token

LONGEST_ALIAS = 4  # words

WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class CompiledKeyword:
    """Holds a keyword that is ready to read messages."""

    keyword: Keyword
    poster: Poster
    items: pp.ParserElement

    def is_filled(self, kind: str, fields: Fields) -> bool:
        """Tells whether a slot is filled, by itself or, where the poster does not ask for both, by
        a slot that is as good."""
        instead = KINDS[kind].instead
        kinds = [kind] if instead is None or self.has(instead) else [kind, instead]
        return any(KINDS[each].field in fields for each in kinds)

    def has(self, kind: str) -> bool:
        return any(slot.kind == kind for slot in self.poster.slots)

    @property
    def takes_words(self) -> bool:
        """Tells whether one of its slots takes any words: a city, a complaint."""
        return any(KINDS[slot.kind].shape is SlotShape.WORDS for slot in self.poster.slots)

    @property
    def tells_own(self) -> bool:
        """Tells whether its answer is what is somebody's own: a balance."""
        return self.has("NKP") and not self.has("NIK")

    @property
    def requires_shapes(self) -> bool:
        """Tells whether it asks for something, and for nothing that any words could be."""
        required = {KINDS[slot.kind].shape for slot in self.poster.slots if slot.is_required}
        return bool(required) and required.isdisjoint({SlotShape.NAME, SlotShape.WORDS})

    def join_groups(self, run: list[Token]) -> list[Token]:
        """Returns a run's groups as one number if together they have the digits of a wanted
        number."""
        written = digits_of(run)
        for kind in ("NKP", "NIK") if len(run) > 1 else ():
            is_wanted = self.has(kind) or (kind == "NIK" and self.has("NKP"))
            if is_wanted and len(written) == KINDS[kind].digits:
                return [Token(kind, written, written)]
        return run


def words_of(alias: str) -> tuple[str, ...]:
    return tuple(WORDS.findall(normalise(alias)))


def longest_of(aliases: Collection[tuple[str, ...]], words: list[str]) -> tuple[str, ...]:
    """Returns the longest of the phrases that the words begin with, or () if there is none."""
    begins = (tuple(words[:length]) for length in range(min(LONGEST_ALIAS, len(words)), 0, -1))
    return next((each for each in begins if each in aliases), ())


def digits_of(tokens: Iterable[Token]) -> str:
    return "".join(str(token.value) for token in tokens if token.kind == "NUMBER")


def compile_all(keywords: Sequence[Keyword]) -> dict[str, CompiledKeyword]:
    """Raises PosterError, which names all that cannot be read, one a line."""
    built, faults = {}, []
    for keyword in keywords:
        try:
            built[keyword.id] = _build(keyword)
        except PosterError as error:
            faults.append(str(error))
    if faults:
        raise PosterError("\n".join(faults))
    return built


def _build(keyword: Keyword) -> CompiledKeyword:
    try:
        read = poster.read(keyword.poster)
    except PosterError as error:
        raise PosterError(f"{keyword.id}: {error}") from None
    kinds = {slot.kind for slot in read.slots}
    kinds |= {KINDS[kind].instead or kind for kind in kinds}
    numbers = [kind for kind in ("NIK", "NKP") if kind in kinds]
    is_only = "NKP" in kinds and not any(slot.kind == "NIK" for slot in read.slots)
    grouped = [slots.grouped_number(kind, is_only=is_only) for kind in numbers]
    if is_only:
        grouped.insert(1, slots.apart(is_year_wanted="TAHUN" in kinds))
    shapes = [
        *slots.lettered_numbers(kinds),
        *slots.words(),
        *(slots.exact(kind) for kind in numbers),
        *([slots.birth_date()] if "TGL_LAHIR" in kinds else []),
        *grouped,
        *([slots.year()] if "TAHUN" in kinds else []),
        *slots.others(),
    ]
    items = pp.ZeroOrMore(pp.MatchFirst(shapes)) + pp.StringEnd()
    return CompiledKeyword(keyword, read, items.streamline())


def aliases_of(reads: Iterable[CompiledKeyword]) -> dict[tuple[str, ...], CompiledKeyword]:
    """Returns every way to write each keyword. Raises PosterError, which names every alias that two
    keywords share."""
    aliases: dict[tuple[str, ...], CompiledKeyword] = {}
    faults = []
    for read in reads:
        for alias in (read.poster.keyword, *read.keyword.aliases):
            words = words_of(alias)
            if not words or len(words) > LONGEST_ALIAS:
                faults.append(
                    f"{read.keyword.id}: {alias!r}: an alias has one to {LONGEST_ALIAS} words"
                )
            elif aliases.setdefault(words, read) is not read:
                other = aliases[words].keyword.id
                faults.append(f"{alias!r} belongs to {other} and to {read.keyword.id}")
    if faults:
        raise PosterError("\n".join(faults))
    return aliases
