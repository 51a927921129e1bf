"""The values that a reply shows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Masked:
    """An NKP of which a reply shows the last four digits."""

    number: str


@dataclass(frozen=True, slots=True)
class Month:
    first_day: date


@dataclass(frozen=True, slots=True)
class Moment:
    """A day and its time, where the scheme is."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Choices:
    """NKPs to choose from by letter."""

    nkps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the ledger's own, shown in the reader's language."""

    word: str


@dataclass(frozen=True, slots=True)
class Terms:
    """Several of the ledger's own words, each shown in the reader's language and none cut."""

    words: tuple[str, ...]
    separator: str = ", "


@dataclass(frozen=True, slots=True)
class Percent:
    value: Decimal


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Our own words, never cut and never changed: a usage line, an earlier answer."""

    text: str


Value = (
    str
    | int
    | Decimal
    | date
    | Masked
    | Month
    | Moment
    | Choices
    | Term
    | Terms
    | Percent
    | Verbatim
    | None
)
