"""Defines the values that a reply shows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class MaskedNkp:
    """Holds an NKP of which a reply shows the last four digits."""

    number: str


@dataclass(frozen=True, slots=True)
class Month:
    first_day: date


@dataclass(frozen=True, slots=True)
class Moment:
    """Holds a day and its time, in the scheme's time zone."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Choices:
    """Holds NKPs to choose from by letter."""

    nkps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """Holds names to choose from by letter."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """Holds a word of the ledger's own, shown in the reader's language."""

    word: str


@dataclass(frozen=True, slots=True)
class Terms:
    """Holds several of the ledger's own words, each shown in the reader's language and none cut."""

    words: tuple[str, ...]
    separator: str = ", "


@dataclass(frozen=True, slots=True)
class Percent:
    value: Decimal


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Holds our own words, which are never cut or changed, such as a usage line or an earlier
    answer."""

    text: str


Value = (
    str
    | int
    | Decimal
    | date
    | MaskedNkp
    | Month
    | Moment
    | Choices
    | Options
    | Term
    | Terms
    | Percent
    | Verbatim
    | None
)
