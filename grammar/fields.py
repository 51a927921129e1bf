"""Reads the fields of a keyword's slots."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import date
from functools import cache

from grammar.compiled import LONGEST_ALIAS, WORDS, CompiledKeyword, digits_of
from grammar.poster import Poster
from grammar.reading import NO_FIELDS, Command, Fields, Misread, Reason, Words
from grammar.services import misdirection
from grammar.slots import KINDS, SlotShape, Token

LONGEST_LABEL = 4

SHORTEST_NUMBER = 6  # digits; less is a house number, a year or the number an advert says to text
SHORTEST_IN_TWO = 9  # digits of a number in two groups; less is a month or two years

CARD_DIGITS = {kind.digits for kind in KINDS.values() if kind.digits}

FAMILY_CARD = "KK"  # a label, not a slot: nobody asks for one
_PHONE = re.compile(r"(?:0|62)8\d{8,11}")


class FieldReader:
    """Reads what stands beside a keyword: the fields of its slots."""

    def __init__(self, words: Words, first: Mapping[tuple[str, ...], CompiledKeyword]) -> None:
        """Takes `first`, the aliases of keywords that need not stand alone."""
        self._fillers = words.fillers
        self._services = words.services
        self._first = first
        self._own_words = cache(self._with_aliases)
        self._labels = {
            tuple(label.split("_")): kind
            for kind, labels in words.labels.items()
            for label in labels
        }
        self.choices = {
            kind: {
                tuple(word.split()): value for value, listed in values.items() for word in listed
            }
            for kind, values in words.choices.items()
        }

    def choices_of(self, read: CompiledKeyword) -> Iterator[tuple[str, ...]]:
        """Yields the words that a keyword's slots choose from."""
        for slot in read.poster.slots:
            yield from self.choices.get(slot.kind, {})

    def read(
        self, read: CompiledKeyword, word: str, text: str, known: Fields = NO_FIELDS
    ) -> Command | Misread:
        tokens = [token for token in read.items.parse_string(text) if isinstance(token, Token)]
        if sum(token.kind == "NUMBER" for token in tokens) > 1:
            tokens = [token for run in _runs_of_numbers(tokens) for token in read.join_groups(run)]
        runs = list(self._runs(tokens, read.poster))
        fields: dict[str, str | date] = {**known, **self._by_shape(tokens)}
        for slot in read.poster.slots:
            value, runs = self._by_words(slot.kind, runs, f"{word} {text}")
            if value:
                fields[KINDS[slot.kind].field] = value
        rest = " ".join(" ".join(run) for run in runs)
        problem = self._problem(read, tokens, fields)
        if problem is None:
            return Command(read.keyword.id, fields, word, rest)
        return replace(problem, keyword=read.keyword.id, word=word, rest=rest, fields=fields)

    def _by_shape(self, tokens: Sequence[Token]) -> Fields:
        fields: dict[str, str | date] = {}
        for index, token in enumerate(tokens):
            kind = KINDS.get(token.kind)
            if (
                kind is None
                or token.value is None
                or self._label_before(tokens, index) == FAMILY_CARD
            ):
                continue
            fields.setdefault(kind.field, token.value)
        return fields

    def _by_words(
        self, kind: str, runs: list[list[str]], text: str
    ) -> tuple[str | None, list[list[str]]]:
        """Returns what words say of a slot, and the words that are left."""
        match KINDS[kind].shape:
            case SlotShape.CHOICE:
                return self._choice(kind, text), runs
            case SlotShape.NAME:
                return " ".join(runs[0]) if runs else None, runs[1:]
            case SlotShape.WORDS:
                return " ".join(" ".join(run) for run in runs), []
        return None, runs

    def contradicts_itself(self, read: CompiledKeyword, text: str) -> bool:
        """Tells whether a text names several values where a slot has one: NOTIF ON OFF."""
        return any(len(set(self._chosen(slot.kind, text))) > 1 for slot in read.poster.slots)

    def _choice(self, kind: str, text: str) -> str | None:
        """Returns the first of a list's words that is in the text."""
        return next(self._chosen(kind, text), None)

    def _chosen(self, kind: str, text: str) -> Iterator[str]:
        words, known = WORDS.findall(text), self.choices.get(kind, {})
        index = 0
        while known and index < len(words):
            lengths = range(min(LONGEST_ALIAS, len(words) - index), 0, -1)
            named = (each for each in lengths if tuple(words[index : index + each]) in known)
            length = next(named, 0)
            if length:
                yield known[tuple(words[index : index + length])]
            index += length or 1

    def _problem(
        self, read: CompiledKeyword, tokens: Sequence[Token], fields: Fields
    ) -> Misread | None:
        """Returns what is wrong with the fields. A malformed value comes before a missing one, as
        it explains more."""
        wanted = [slot for slot in read.poster.slots if not read.is_filled(slot.kind, fields)]
        kinds = [slot.kind for slot in wanted]
        for token in tokens:
            if token.kind == "IMPOSSIBLE" and "TGL_LAHIR" in kinds:
                return Misread(Reason.IMPOSSIBLE_DATE, slot="TGL_LAHIR", read=token.text)
        numbers = [kind for kind in kinds if KINDS[kind].digits]
        written = next(_unread_numbers(tokens), None) if numbers else None
        if written is not None:
            return self._wrong_number(written, numbers)
        missing = next((slot.kind for slot in wanted if slot.is_required), None)
        if missing is None:
            return None
        labelled = {self._label_before(tokens, index) for index in range(len(tokens))}
        if missing == "NIK" and FAMILY_CARD in labelled:
            return Misread(Reason.FAMILY_CARD, slot="NIK")
        return Misread(Reason.MISSING, slot=missing)

    def _wrong_number(self, number: str, kinds: list[str]) -> Misread:
        for service in self._services:
            if service.digits == len(number) and "NKP" in kinds and not _PHONE.fullmatch(number):
                return misdirection(service, slot=str(service.digits))
        length = len(number)
        kind = min(kinds, key=lambda kind: abs((KINDS[kind].digits or 0) - length))
        reason = Reason.PHONE_NUMBER if _PHONE.fullmatch(number) else Reason.WRONG_LENGTH
        return Misread(reason, slot=kind, read=str(length), needed=str(KINDS[kind].digits))

    def _runs(self, tokens: Sequence[Token], read: Poster) -> Iterator[list[str]]:
        """Yields words that stand together, without labels, fillers and the keyword's own words."""
        own = self._own_words(read.words[1:])
        run: list[str] = []
        for token in tokens:
            if token.kind == "WORD":
                run.append(token.text)
                continue
            yield from self._without_labels(run, own)
            run = []
        yield from self._without_labels(run, own)

    def _with_aliases(self, names: tuple[str, ...]) -> frozenset[str]:
        """Returns these names of keywords, and their aliases of one word."""
        aliases = (
            alias[0]
            for alias, other in self._first.items()
            if other.poster.words[0] in names and len(alias) == 1
        )
        return frozenset((*names, *aliases))

    def _without_labels(self, run: list[str], own: Set[str]) -> Iterator[list[str]]:
        rest: list[str] = []
        index = 0
        while index < len(run):
            label = self._label_at(run, index)
            word = run[index]
            if not label and word not in self._fillers and word not in own:
                rest.append(word)
            index += label or 1
        if rest:
            yield rest

    def _label_at(self, run: list[str], index: int) -> int:
        """Returns how many words from `index` on are a label; 0 for none."""
        for length in range(min(LONGEST_LABEL, len(run) - index), 0, -1):
            parts = "_".join(run[index : index + length]).split("_")
            if tuple(parts) in self._labels:
                return length
        return 0

    def length_of_label(self, words: Sequence[str], index: int, kind: str) -> int:
        """Returns how many words from `index` on announce that kind; 0 for none."""
        for length in range(min(LONGEST_LABEL, len(words) - index), 0, -1):
            if self._labels.get(tuple(words[index : index + length])) == kind:
                return length
        return 0

    def label(self, word: str) -> str | None:
        return self._labels.get(tuple(word.split("_")))

    def _label_before(self, tokens: Sequence[Token], index: int) -> str | None:
        """Returns the kind that the words just before a token announce."""
        for token in tokens[max(index - 2, 0) : index][::-1]:
            if token.kind == "WORD":
                return self.label(token.text)
            if token.kind != "SEPARATOR":
                return None
        return None


def _runs_of_numbers(tokens: Sequence[Token]) -> list[list[Token]]:
    """Groups numbers that only a mark or an X separates; every other token is a group by itself.
    `#` and `*` separate fields."""
    runs: list[list[Token]] = []
    marks: list[Token] | None = None  # since the number before
    for token in tokens:
        if token.kind == "NUMBER":
            if marks is None:
                runs.append([token])
            else:
                runs[-1].append(token)
            marks = []
        elif marks is not None and _parts_groups(token):
            marks.append(token)
        else:
            runs += [[each] for each in (*(marks or ()), token)]
            marks = None
    return runs + [[each] for each in marks or ()]


def _parts_groups(token: Token) -> bool:
    if token.kind == "SEPARATOR":
        return not {"#", "*"}.intersection(token.text)
    return token.text == "X"


def _unread_numbers(tokens: Sequence[Token]) -> Iterator[str]:
    """Yields the digits of what was meant as a number."""
    runs = [run for run in _runs_of_numbers(tokens) if run[0].kind == "NUMBER"]
    for run in runs:
        written = digits_of(run)
        fewest = SHORTEST_IN_TWO if len(run) == 2 else SHORTEST_NUMBER
        if len(written) >= fewest or any(len(each.text) >= SHORTEST_NUMBER for each in run):
            yield written


def holds_short_number(text: str) -> bool:
    """Tells whether this is the short number that a poster says to text: one at most, and no
    card's."""
    numbers = re.findall(r"\d+", text)
    return len(numbers) <= 1 and all(len(number) < SHORTEST_NUMBER for number in numbers)


def holds_long_number(text: str) -> bool:
    """Tells whether a number stands there that may be a card's."""
    return any(len(number) >= SHORTEST_NUMBER for number in re.findall(r"\d+", text))


def holds_card_number(text: str) -> bool:
    """Tells whether a number of as many digits as an NKP or a NIK stands there, and no phone's."""
    numbers = re.findall(r"\d+", text)
    return any(len(each) in CARD_DIGITS and not _PHONE.fullmatch(each) for each in numbers)
