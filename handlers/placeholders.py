"""Declares what wordings show in braces: its widest value, which bounds a reply, and a sample.

A value is shown by its type: a Decimal is money, a date is a day. A text is cut to its width.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from handlers.values import Moment, Month, Percent, Term, Value, Verbatim

TEXT_WIDTH = 20
LARGEST = 2**63 - 1  # what the ledger's columns can hold
MOST_PERCENT = Decimal("99.99")  # wider than 100


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Describes a placeholder: `widest` is the value that takes most room, `sample` a typical value
    of nobody."""

    widest: Value
    sample: Value


def text(sample: str | Term, width: int = TEXT_WIDTH) -> Placeholder:
    return Placeholder("W" * width, sample)


def own_words(sample: str, width: int = TEXT_WIDTH) -> Placeholder:
    """Describes words of ours, which are never cut."""
    return Placeholder(Verbatim("W" * width), Verbatim(sample))


def count(sample: int, most: int = 999) -> Placeholder:
    return Placeholder(most, sample)


def rupiah(sample: int, most: int = LARGEST) -> Placeholder:
    return Placeholder(Decimal(most), Decimal(sample))


def percent(sample: str) -> Placeholder:
    return Placeholder(Percent(MOST_PERCENT), Percent(Decimal(sample)))


def day(sample: date) -> Placeholder:
    return Placeholder(date(2000, 12, 31), sample)


def month(sample: date) -> Placeholder:
    return Placeholder(Month(date(2000, 12, 1)), Month(sample))


def moment(sample: datetime) -> Placeholder:
    return Placeholder(Moment(datetime(2000, 12, 31, 23, 59, tzinfo=UTC)), Moment(sample))
