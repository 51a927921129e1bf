"""What a message was read as: values, never exceptions. A user's mistake is a value too."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Reason(StrEnum):
    UNKNOWN = "unknown"
    MISSING = "missing"
    WRONG_LENGTH = "wrong_length"
    IMPOSSIBLE_DATE = "impossible_date"


@dataclass(frozen=True, slots=True)
class Command:
    keyword: str
    fields: Mapping[str, str | date]
    word: str  # the alias as it was read; "" for a bare number
    rest: str  # words that no slot took


@dataclass(frozen=True, slots=True)
class Misread:
    """`read` and `needed` are numbers of digits, or `read` is the date as it was written."""

    reason: Reason
    keyword: str | None = None
    slot: str | None = None
    read: str | None = None
    needed: str | None = None
    word: str = ""
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword as an operator defines it.

    `alone`: an alias counts only as the whole message (STOP). `bare`: the kind of slot that means
    this keyword when it is sent without any.
    """

    id: str
    poster: str
    aliases: tuple[str, ...] = ()
    alone: bool = False
    bare: str | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """Words that are data: `fillers` fall away, `labels` are printed before a kind of slot."""

    fillers: frozenset[str]
    labels: Mapping[str, tuple[str, ...]]
