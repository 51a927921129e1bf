"""Defines the kinds of slot. Each is found by its shape, anywhere in a message.

Parse actions take all three arguments: pyparsing finds out whether one takes fewer by trying, in a
state that threads share, and two first messages at one instant would break each other.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import pyparsing as pp

MONTHS = {
    name: number
    for number, names in enumerate(
        [
            "JANUARI JANUARY JAN",
            "FEBRUARI FEBRUARY PEBRUARI FEB PEB",
            "MARET MARCH MAR MRT",
            "APRIL APR",
            "MEI MAY",
            "JUNI JUNE JUN",
            "JULI JULY JUL",
            "AGUSTUS AUGUST AGUST AUG AGU AGS AGT",
            "SEPTEMBER SEPT SEP",
            "OKTOBER OCTOBER OKT OCT",
            "NOVEMBER NOPEMBER NOV NOP",
            "DESEMBER DECEMBER DES DEC",
        ],
        start=1,
    )
    for name in names.split()
}
# Nobody born in 1930 or before is in employment; nobody born after 2030 will be for long.
LAST_YEAR_OF_2000S = 30

_month = "|".join(sorted(MONTHS, key=len, reverse=True))
_BETWEEN = r"[ .\-]"  # groups of digits
_MARK = r"[-./,:;*+=#_]"  # in a date
_WHOLE = r"(?:\d{16}|(?:(?<!62[ .\-])|(?!8))\d{11})(?!\d)"  # a card's number; +62 8… is a phone's
_NKP_TO_THE_END = rf"\d(?:{_BETWEEN}{{0,3}}\d){{10}}(?!\d)(?!{_BETWEEN}{{1,3}}\d)"


def _ends(mark: str) -> str:
    """Returns where no short group of digits goes on behind the same mark: 33-11-12-04-… is a
    NIK."""
    return rf"(?!\d)(?!\s?{mark}\s?\d{{1,6}}(?!\d)(?!(?!{mark}){_BETWEEN}\d))"


_SPACED_END = rf"(?!\d)(?:(?![\s.\-]\d)|(?=\s(?:{_WHOLE}|{_NKP_TO_THE_END})))"
_DATES = (
    rf"(?P<d1>\d{{1,2}})\s?{_MARK}\s?(?P<m1>\d{{1,2}})\s?(?P<s1>{_MARK})\s?(?P<y1>\d{{4}}|\d{{2}})"
    + _ends("(?P=s1)"),
    rf"(?P<y2>\d{{4}})\s?{_MARK}\s?(?P<m2>\d{{1,2}})\s?(?P<s2>{_MARK})\s?(?P<d2>\d{{1,2}})"
    + _ends("(?P=s2)"),
    rf"(?P<d3>\d{{1,2}})[-./,:_\s]{{0,2}}(?P<m3>{_month})[-./,:_\s]{{0,2}}(?P<y3>\d{{4}}|\d{{2}})(?!\d)",
    r"(?P<d4>\d{1,2})\s(?P<m4>\d{1,2})\s(?P<y4>\d{4}|\d{2})" + _SPACED_END,
    r"(?P<d5>\d{2})(?P<m5>\d{2})(?P<y5>\d{4}|\d{2})" + _SPACED_END,
)
_DATE = re.compile("|".join(_DATES))


class SlotShape(StrEnum):
    """Describes how to tell a kind of slot from the others."""

    DIGITS = "digits"  # a number of one length
    PATTERN = "pattern"  # by what it looks like
    NAME = "name"  # the first words that stand together
    WORDS = "words"  # all words that nothing else took
    CHOICE = "choice"  # one of a list of words, which operators keep


@dataclass(frozen=True, slots=True)
class SlotKind:
    """Describes a kind of slot. `digits` is the one length that its numbers have; `instead` names
    the kind that may replace it."""

    field: str
    shape: SlotShape
    digits: int | None = None
    instead: str | None = None


KINDS: Mapping[str, SlotKind] = {
    "NKP": SlotKind("nkp", SlotShape.DIGITS, digits=11, instead="NIK"),
    "NIK": SlotKind("nik", SlotShape.DIGITS, digits=16),
    "NAMA": SlotKind("name", SlotShape.NAME),
    "TGL_LAHIR": SlotKind("birth_date", SlotShape.PATTERN),
    "EMAIL": SlotKind("email", SlotShape.PATTERN),
    "TAHUN": SlotKind("year", SlotShape.PATTERN),
    "KODE": SlotKind("code", SlotShape.PATTERN),
    "NOMOR": SlotKind("number", SlotShape.PATTERN),
    "KOTA": SlotKind("city", SlotShape.WORDS),
    "ISI": SlotKind("text", SlotShape.WORDS),
    "TOPIK": SlotKind("topic", SlotShape.CHOICE),
    "SALDO/IURAN/KLAIM": SlotKind("kind", SlotShape.CHOICE),
    "ON/OFF": SlotKind("switch", SlotShape.CHOICE),
    "ID/EN": SlotKind("language", SlotShape.CHOICE),
}


@dataclass(frozen=True, slots=True)
class Token:
    """Holds one thing that was read: `kind` is a slot's, or NUMBER, WORD, SEPARATOR, IMPOSSIBLE."""

    kind: str
    text: str
    value: str | date | None = None


def exact(kind: str) -> pp.ParserElement:
    """Matches a number written in one piece."""
    digits = KINDS[kind].digits
    return _token_element(kind, rf"\d{{{digits}}}(?!\d)", lambda text: text)


def grouped_number(kind: str, *, is_only: bool = False) -> pp.ParserElement:
    """Matches a number written in groups: 190 1234 5678, 33-11-12-04-11-87-0003. It needs three or
    more groups if the separator may also separate fields: 190,1234,5678. `is_only`: a few digits
    more make it a wrong number, not a date."""
    further = (KINDS[kind].digits or 1) - 1
    spaced = rf"\d(?:(?:{_BETWEEN}{{1,3}}(?!{_WHOLE}))?\d){{{further}}}(?!\d)"
    spaced += rf"(?!{_BETWEEN}{{1,3}}\d{{1,3}}(?!\d))" if is_only else ""
    three = r"(?=\d+\s?(?P<mark>[,/:;*+=#_X])\s?\d+\s?(?P=mark)\s?\d)"
    marked = rf"{three}\d(?:(?:\s?(?P=mark)\s?)?\d){{{further}}}" + _ends("(?P=mark)")
    return _token_element(kind, f"{spaced}|{marked}", _digits)


def apart(*, is_year_wanted: bool) -> pp.ParserElement:
    """Returns the short number or the year before an NKP in groups, such as 2757 190 1234 5678."""

    def read(_text: str, _at: int, found: pp.ParseResults) -> Token:
        is_year = is_year_wanted and re.fullmatch(YEAR, found[0])
        return Token("TAHUN" if is_year else "NUMBER", found[0], found[0])

    pattern = rf"\d{{4,5}}(?={_BETWEEN}{{1,3}}{_NKP_TO_THE_END})"
    return pp.Regex(pattern).set_parse_action(read)


def birth_date() -> pp.ParserElement:
    return pp.Regex(_DATE).set_parse_action(_date)


# Those that begin with a letter; they are tried before words.
CODE = r"[B-DF-HJ-NP-TV-Z]{5,9}"
_LETTERED: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "EMAIL": (r"[\w.+\-]{1,64}@[\w.\-]{1,255}", str.lower),
    "NOMOR": (
        r"(?!KPJ|NKP|NIK|KTP|...\W{0,3}\d{11}(?!\d))[A-Z]{3}[\W_]{0,3}\d{6}[\W_]{0,3}\d{3,6}(?!\d)",
        lambda text: re.sub(r"[\W_]", "", text),
    ),
    "KODE": (rf"{CODE}(?![^\W\d_])", str),
}


def lettered_numbers(kinds: Collection[str]) -> list[pp.ParserElement]:
    return [_token_element(kind, *_LETTERED[kind]) for kind in _LETTERED if kind in kinds]


def year() -> pp.ParserElement:
    return _token_element("TAHUN", rf"{YEAR}(?!\d)", str)


YEAR = r"(?:19|20)\d\d"
WORD = r"[^\W\d_]+(?:[_.\-][^\W\d_]+)*"
SEPARATORS = r"[#*,;:=+/]+"
MARKS = r"[^\w\s#*,;:=+/]+|\S"
NUMBER = rf"\d+(?:{_BETWEEN}{{1,2}}(?!{_WHOLE}|\d{{1,2}}[-./]\d{{1,2}}[-./]\d{{4}}(?!\d))\d+)*"


def words() -> list[pp.ParserElement]:
    """Returns what begins with no digit and so can be told before any number is tried."""
    return [_token_element("WORD", WORD, str), _token_element("SEPARATOR", SEPARATORS, str)]


def others() -> list[pp.ParserElement]:
    """Returns what is left where no slot fits."""
    return [_token_element("NUMBER", NUMBER, _digits), pp.Regex(MARKS).suppress()]


def _token_element(kind: str, pattern: str, read: Callable[[str], str]) -> pp.ParserElement:
    return pp.Regex(pattern).set_parse_action(
        lambda _text, _at, found: Token(kind, found[0], read(found[0]))
    )


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _date(_text: str, _at: int, found: pp.ParseResults) -> Token:
    """Reads the day first; a year that comes first is known by its length."""
    text = found[0]
    shape = next(number for number in "12345" if found["d" + number] is not None)
    day, month, year = (str(found[part + shape]) for part in "dmy")
    number = MONTHS[month] if month in MONTHS else int(month)
    try:
        value = date(_year(year), number, int(day))
    except ValueError:
        return Token("IMPOSSIBLE", text)
    return Token("TGL_LAHIR", text, value)


def _year(written: str) -> int:
    if len(written) == 4:
        return int(written)
    return int(written) + (2000 if int(written) <= LAST_YEAR_OF_2000S else 1900)
