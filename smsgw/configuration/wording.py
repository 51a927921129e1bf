"""From a reply's name and values to text that fits its segment budget by construction.

    wording ::= { literal | "{" name "}" | "[" { literal | "{" name "}" } "]" }

What stands in brackets is a clause. The required part is taken whole, then each clause in order if
it still fits and all its values are known. Values are made GSM-7 first, a text among them is cut to
TEXT_WIDTH, numbers and dates never are; so the widest required part, proved once when a wording is
read, bounds every reply. A value is never expanded again.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache, singledispatch
from itertools import groupby
from operator import itemgetter
from string import Formatter
from types import MappingProxyType

from grammar import fold
from handlers.question import (
    Choices,
    Masked,
    Moment,
    Month,
    Percent,
    Term,
    Terms,
    Value,
    Verbatim,
)
from smsgw import gsm7

TEXT_WIDTH = 20
SHOWN_DIGITS = 4
NKP_DIGITS = 11
CHOICES_SHOWN = 6
REFERENCE_ALPHABET, REFERENCE_LENGTH = "23456789BCDFGHJKLMNPQRSTVWXZ", 6
REFERENCES: int = len(REFERENCE_ALPHABET) ** REFERENCE_LENGTH
SCRAMBLE = 190_838_687
UNSCRAMBLE: int = pow(SCRAMBLE, -1, REFERENCES)
CUT = "..."  # where a quote goes on
TELLING = 16  # characters of a wording's own that nobody else writes in that order

MOST = Decimal("99.99")  # wider than 100
WIDEST_NKP = Masked("0" * NKP_DIGITS)
# The widest value that a placeholder can be given. Those of a usage line depend on the posters.
WIDEST: Mapping[str, Value] = {
    "nkp": WIDEST_NKP,
    "as_of": date(2000, 12, 31),
    "total": Decimal(2**63 - 1),  # what the ledger's column can hold
    "month": Month(date(2000, 12, 1)),
    "choices": Choices((WIDEST_NKP.number,) * CHOICES_SHOWN),
    "count": 999,
    "status": "W" * TEXT_WIDTH,
    "slot": "W" * TEXT_WIDTH,
    "read": "W" * TEXT_WIDTH,
    "needed": "W" * TEXT_WIDTH,
    "call_centre": "W" * TEXT_WIDTH,
    "contributions": Decimal(2**63 - 1),
    "returns": Decimal(2**63 - 1),
    "due": date(2000, 12, 31),
    "arrears": 999,
    "year": "2000",
    **dict.fromkeys(("jht", "jp", "jkk", "jkm", "jkp", "amount"), Decimal(2**63 - 1)),
    "since": date(2000, 12, 31),
    "why": "W" * 40,
    "number": Verbatim("ADU-251031-000042"),
    "name": "W" * TEXT_WIDTH,
    "born": date(2000, 12, 31),
    "programs": "JHT+JKK+JKM+JKP+JP",
    "emergency": "W" * TEXT_WIDTH,
    "holes": "W" * 60,
    "program": "W" * 10,
    "claim": "***0000",
    "stage": "W" * TEXT_WIDTH,
    "step": 5,
    "updated": date(2000, 12, 31),
    "next": "W" * TEXT_WIDTH,
    "before": "W" * TEXT_WIDTH,
    "code": "BCDFGHJ",
    **dict.fromkeys(("starts", "until"), Moment(datetime(2000, 12, 31, 23, 59, tzinfo=UTC))),
    "office": "W" * 30,
    "address": "W" * 60,
    "phone": "W" * TEXT_WIDTH,
    "hours": "W" * 30,
    "zone": "W" * 5,
    "city": "W" * TEXT_WIDTH,
    "whatsapp": "W" * TEXT_WIDTH,
    "email": "W" * 40,
    **dict.fromkeys(("jht_employer", "jht_worker", "jp_employer", "jp_worker"), Percent(MOST)),
    **dict.fromkeys(("jkm_employer", "jkk_lowest", "jkk_highest"), Percent(MOST)),
    **dict.fromkeys(("jp_cap", "bpu"), Decimal(2**40)),
    "digits": "16",
    "service": "W" * 30,
    "contact": "W" * TEXT_WIDTH,
    "first": Verbatim("W" * TEXT_WIDTH),
    "second": Verbatim("W" * TEXT_WIDTH),
    "meant": Verbatim("W" * 40),
    "ref": "W" * 6,
    "answer": Verbatim("W" * 160),
}
# What a reply is given on most days: nobody's, and nothing that is anybody's.
ORDINARY: Mapping[str, Value] = {
    "nkp": Masked("00000004321"),
    "as_of": date(2026, 1, 31),
    "total": Decimal(48_750_000),
    "month": Month(date(2026, 1, 1)),
    "choices": Choices(("00000004321", "00000008765")),
    "count": 12,
    "status": Term("AKTIF"),
    "slot": "NKP",
    "read": "10",
    "needed": "11",
    "call_centre": "175",
    "contributions": Decimal(36_000_000),
    "returns": Decimal(12_750_000),
    "due": date(2026, 2, 15),
    "arrears": 2,
    "year": "2025",
    "jht": Decimal(3_420_000),
    "jp": Decimal(1_800_000),
    "jkk": Decimal(144_000),
    "jkm": Decimal(180_000),
    "jkp": Decimal(276_000),
    "amount": Decimal(12_500_000),
    "since": date(2025, 3, 1),
    "why": Term("BERHENTI KERJA"),
    "number": Verbatim("ADU-260131-0007"),
    "name": "RATNA",
    "born": date(1990, 5, 21),
    "programs": "JHT+JKK+JKM+JP",
    "emergency": "ada",
    "holes": Term("kontak darurat"),
    "program": "JHT",
    "claim": "***0042",
    "stage": Term("PERSETUJUAN"),
    "step": 3,
    "updated": date(2026, 1, 30),
    "next": Term("PEMBAYARAN"),
    "before": Term("PENETAPAN"),
    "code": "BCDFGHJ",
    **dict.fromkeys(("starts", "until"), Moment(datetime(2026, 1, 31, 20, 0, tzinfo=UTC))),
    "office": "Jakarta Menara",
    "address": "Jl Jend Gatot Subroto 79",
    "phone": "021-5207797",
    "hours": "Sen-Jum 08.00-15.30",
    "zone": "WIB",
    "city": "BANDUNG",
    "whatsapp": "081380070175",
    "email": "care@example.go.id",
    "jht_employer": Percent(Decimal("3.7")),
    "jht_worker": Percent(Decimal(2)),
    "jp_employer": Percent(Decimal(2)),
    "jp_worker": Percent(Decimal(1)),
    "jkm_employer": Percent(Decimal("0.3")),
    "jkk_lowest": Percent(Decimal("0.24")),
    "jkk_highest": Percent(Decimal("1.74")),
    "jp_cap": Decimal(10_547_400),
    "bpu": Decimal(16_800),
    "digits": "13",
    "service": "BPJS Kesehatan",
    "contact": "165",
    "first": Verbatim("STOP"),
    "second": Verbatim("KLAIM"),
    "meant": Verbatim("STOP"),
    "ref": "7KM2QX",
    "answer": Verbatim("Saldo JHT NKP *******4321 per 31-01-2026: Rp48.750.000. Status AKTIF."),
}
# A text is cut to what its placeholder is given, for most that is TEXT_WIDTH.
WIDTHS = {name: len(value) for name, value in WIDEST.items() if isinstance(value, str)}
NOT_PLAIN = "only plain GSM-7 characters may be used; another would double the cost"
EVERYWHERE = frozenset({"call_centre", "ref"})


class WordingError(ValueError):
    """A wording that cannot be sent. Its text tells an operator why."""


@dataclass(frozen=True, slots=True)
class Piece:
    parts: tuple[tuple[str, str | None], ...]  # literal, then the placeholder after it
    is_clause: bool

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for _, name in self.parts if name is not None)

    def filled(self, shown: Mapping[str, str | None]) -> str | None:
        """None for a clause of which a value is not known."""
        if self.is_clause and any(shown.get(name) is None for name in self.names):
            return None
        return "".join(
            literal + ((shown.get(name) or "-") if name is not None else "")
            for literal, name in self.parts
        )

    @property
    def written(self) -> str:
        inner = "".join(
            literal + (f"{{{name}}}" if name is not None else "") for literal, name in self.parts
        )
        return f"[{inner}]" if self.is_clause else inner

    @property
    def steps(self) -> Sequence[str | None]:
        """Its literals, and None for each value."""
        parts = ([literal] if name is None else [literal, None] for literal, name in self.parts)
        return [step for part in parts for step in part]


@dataclass(frozen=True, slots=True)
class Wording:
    pieces: tuple[Piece, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset().union(*(piece.names for piece in self.pieces))

    @property
    def literals(self) -> tuple[str, ...]:
        """What every reply made of it holds, in order; the first is empty where a value leads."""
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
) -> list[str]:
    """Why a wording cannot be sent, all that is wrong at once; see `check`."""
    unknown = {*re.findall(r"\{(\w+)\}", text)} - offered - EVERYWHERE
    found = [] if _is_plain(text) else [NOT_PLAIN]
    found += [_not_offered(name) for name in sorted(unknown)]
    try:
        wording = structure(text)
        if not found:
            check(wording, offered, usage, budget, own)
    except WordingError as error:
        found.append(str(error))
    return found


def _is_plain(text: str) -> bool:
    literal = re.sub(r"[\[\]{}]", "", text)
    return gsm7.to_gsm7(literal) == literal


def _not_offered(name: str) -> str:
    return f"{{{name}}} is no value of this reply"


def structure(text: str) -> Wording:
    """Of whatever characters. Raises WordingError."""
    return Wording(tuple(_pieces(text)))


def render(
    wording: Wording,
    values: Mapping[str, Value],
    budget: int,
    terms: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """`terms`: the ledger's words in the reader's language, where that is another."""
    return _join(_kept(wording, values, budget, terms))


def dropped(
    wording: Wording,
    values: Mapping[str, Value],
    budget: int,
    terms: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """The clauses that `render` leaves out, as they are written."""
    kept = _kept(wording, values, budget, terms)
    return [piece.written for piece, text in zip(wording.pieces, kept, strict=True) if text is None]


def absent(wording: Wording, text: str) -> list[str] | None:
    """The clauses that are not in `text`, a reply made of `wording`; None if it was not. Where it
    can be told in several ways, values are short and clauses there, from the first on."""
    found = _told(wording, text)
    if found is None:
        found = _told(wording, f"{text} ")  # a blank at its end is cut
    if found is None:
        return None
    return [piece.written for piece, was in zip(wording.pieces, found, strict=True) if not was]


def check(
    wording: Wording,
    offered: frozenset[str],
    usage: Mapping[str, str],
    budget: int,
    own: Mapping[str, Value] = MappingProxyType({}),
) -> None:
    """Raises WordingError unless every reply made of `wording` fits `budget` segments. `own`: the
    widest values of placeholders that this wording has for itself."""
    unknown = wording.names - offered - EVERYWHERE
    if unknown:
        raise WordingError(_not_offered(min(unknown)))
    required = Wording(tuple(piece for piece in wording.pieces if not piece.is_clause))
    text = render(required, widest(usage, own), budget)
    counted = gsm7.count(text)
    if counted.segments > budget:
        raise WordingError(
            f"without its clauses it may take {counted.units} characters, "
            f"{counted.segments} segments instead of {budget}"
        )


def widest(
    usage: Mapping[str, str], own: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, Value]:
    """Of every placeholder."""
    return _given(WIDEST, usage, max(usage.values(), key=len, default=""), own)


def ordinary(
    usage: Mapping[str, str], own: Mapping[str, Value] = MappingProxyType({})
) -> dict[str, Value]:
    return _given(ORDINARY, usage, usage.get("saldo", ""), own)


def _given(
    values: Mapping[str, Value], usage: Mapping[str, str], line: str, own: Mapping[str, Value]
) -> dict[str, Value]:
    lines = {name: Verbatim(each) for name, each in usage.items()}
    # A value that a reply is given wins over a usage line of the same name, such as {status}.
    given = {**lines, **values, "usage": Verbatim(line)}
    given |= {name: lines[name] for name in ("saldo", "daftar") if name in lines}
    return {**given, **own}


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


class OwnWords:
    """Tells our own replies when they come back, whoever sends them: so responders loop, and so
    phones write a reaction to one."""

    def __init__(self, wordings: Iterable[Wording]) -> None:
        long_enough = {
            each.literals for each in wordings if sum(map(len, each.literals)) >= TELLING
        }
        self._by_start = {start: tuple(all_) for start, all_ in _by_start(long_enough)}
        self._starts = tuple(start for start in self._by_start if start)

    def are(self, text: str) -> bool:
        text = fold(text).strip()
        if self._begin(text):
            return True
        if reaction := REACTION.match(text):
            return reaction["end"] is not None or self._begin(reaction["quote"] + CUT)
        quoted = QUOTED.match(text)
        return quoted is not None and self._begin(quoted["quote"])

    def _begin(self, text: str) -> bool:
        text = text.strip()
        if len(text) < TELLING:
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
    """In order, each after the one before."""
    at = 0
    for literal in literals:
        found = text.find(literal, at)
        if found < 0:
            return False
        at = found + len(literal)
    return True


def _holds_beginning(text: str, literals: tuple[str, ...]) -> bool:
    """As many in order as are enough to tell, and of the next one what comes before the cut."""
    at, held = 0, 0
    for literal in literals:
        found = text.find(literal, at)
        if found < 0:
            begun = (text[-length:] for length in range(len(literal), 0, -1))
            held += next((len(each) for each in begun if literal.startswith(each)), 0)
            break
        held += len(literal)
        at = found + len(literal)
    return held >= TELLING


def _shown(name: str, value: Value, terms: Mapping[str, str]) -> str | None:
    if value is None:
        return None
    if isinstance(value, Terms):
        words = (gsm7.to_gsm7(terms.get(word, word)) for word in value.words)
        return value.separator.join(words)
    if isinstance(value, Term):
        value = terms.get(value.word, value.word)
    if isinstance(value, str):
        return gsm7.to_gsm7(value)[: WIDTHS.get(name, TEXT_WIDTH)].strip()
    return show(value)


@singledispatch
def show(value: Value) -> str:
    """A value as replies write it."""
    raise TypeError(f"no reply can show a {type(value).__name__}")


@show.register
def _(value: int) -> str:
    return str(value)


@show.register
def _(value: Decimal) -> str:
    return f"Rp{value:,.0f}".replace(",", ".")


@show.register
def _(value: date) -> str:
    return f"{value:%d-%m-%Y}"


@show.register
def _(value: Moment) -> str:
    return f"{value.at:%d-%m-%Y %H.%M}"


@show.register
def _(value: Month) -> str:
    return f"{value.first_day:%m-%Y}"


@show.register
def _(value: Masked) -> str:
    return "*" * (NKP_DIGITS - SHOWN_DIGITS) + value.number[-SHOWN_DIGITS:]


@show.register
def _(value: Percent) -> str:
    return f"{value.value.normalize():f}".replace(".", ",")


@show.register
def _(value: Choices) -> str:
    numbered = zip("ABCDEF", value.nkps, strict=False)
    return " ".join(f"{letter}){show(Masked(nkp))}" for letter, nkp in numbered)


@show.register
def _(value: Verbatim) -> str:
    return value.text


def reference(sequence: int) -> str:
    """Six characters to name a message by on the telephone: no vowels, nothing that looks alike.

    A one-to-one scramble of the message's sequence, so that neighbours look different and the same
    conversation replayed gives the same reference.
    """
    number = sequence * SCRAMBLE % REFERENCES
    letters = []
    for _ in range(REFERENCE_LENGTH):
        number, remainder = divmod(number, len(REFERENCE_ALPHABET))
        letters.append(REFERENCE_ALPHABET[remainder])
    return "".join(letters)


def sequence(reference: str) -> int | None:
    """The first that has this reference; each further REFERENCES later. None where it is none."""
    written = "".join(fold(reference).split()).upper()
    if len(written) != REFERENCE_LENGTH or not set(written) <= set(REFERENCE_ALPHABET):
        return None
    number = 0
    for letter in reversed(written):
        number = number * len(REFERENCE_ALPHABET) + REFERENCE_ALPHABET.index(letter)
    return number * UNSCRAMBLE % REFERENCES


def _pieces(text: str) -> Iterator[Piece]:
    for index, part in enumerate(re.split(r"\[([^\[\]]*)\]", text)):
        if "[" in part or "]" in part:
            raise WordingError("a square bracket has no partner, or one clause holds another")
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
        raise WordingError("a brace has no partner") from None


def _told(wording: Wording, text: str) -> list[bool] | None:
    """Which pieces are in `text`. First it is marked, from the end, where what is left of the
    wording may begin: so no way is gone twice, however many there are."""
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
    """Where each of its steps may begin, so that it ends at one of `ends`; at last these."""
    marks = [ends]
    for step in reversed(piece.steps):
        if step is None:
            marks.append(set(range(max(marks[-1], default=-1) + 1)))
        else:
            marks.append({at - len(step) for at in marks[-1] if text.endswith(step, 0, at)})
    return marks[::-1]


def _behind(piece: Piece, at: int, marks: Sequence[set[int]]) -> int:
    """Where it ends that begins at `at`."""
    for step, following in zip(piece.steps, marks[1:], strict=True):
        if step is None:
            at = min(end for end in following if end >= at)
        else:
            at += len(step)
    return at


def _kept(
    wording: Wording, values: Mapping[str, Value], budget: int, terms: Mapping[str, str]
) -> list[str | None]:
    """The text of each piece, None where it is left out."""
    names = wording.names
    shown = {name: _shown(name, value, terms) for name, value in values.items() if name in names}
    kept = [None if piece.is_clause else piece.filled(shown) for piece in wording.pieces]
    for index, piece in enumerate(wording.pieces):
        if piece.is_clause:
            kept[index] = piece.filled(shown)
            if gsm7.count(_join(kept)).segments > budget:
                kept[index] = None
    return kept


def _join(kept: list[str | None]) -> str:
    return "".join(text for text in kept if text is not None).rstrip()
