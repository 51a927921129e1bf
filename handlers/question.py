"""What a handler is asked and what it answers: values in, values out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from grammar import Command, Misread
from handlers.ports import Ledger


class Outcome(StrEnum):
    ANSWERED = "answered"
    CONFIRM = "confirm"
    PENDING = "pending"
    INVALID = "invalid"
    NOT_REGISTERED = "not_registered"
    NOT_LINKED = "not_linked"
    LOCKED = "locked"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Consent:
    """We asked whether this phone may be bound to `nkp`."""

    nkp: str


@dataclass(frozen=True, slots=True)
class Choice:
    """We asked which of the phone's NKPs is meant: A, B, …"""


OpenQuestion = Consent | Choice


@dataclass(frozen=True, slots=True)
class Caller:
    """What is known of the phone that wrote."""

    phone: str  # E.164
    nkps: tuple[str, ...] = ()  # bound with consent, oldest first
    open: OpenQuestion | None = None
    locked: bool = False  # too many identities that are not linked to it
    last_answer: str | None = None  # what ULANG may still repeat
    last_about: str | None = None  # the NKP that answer tells of


@dataclass(frozen=True, slots=True)
class Question:
    said: Command | Misread
    caller: Caller
    ledger: Ledger
    usage: Mapping[str, str]  # keyword id -> how it is written, from its poster

    def field(self, name: str) -> str | date | None:
        """What a slot took, such as "nkp" or "birth_date"."""
        return None if isinstance(self.said, Misread) else self.said.fields.get(name)

    @property
    def nkp(self) -> str | None:
        value = self.field("nkp")
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Masked:
    """An NKP of which a reply shows the last four digits."""

    number: str


@dataclass(frozen=True, slots=True)
class Month:
    first_day: date


@dataclass(frozen=True, slots=True)
class Choices:
    """NKPs to choose from by letter."""

    nkps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Our own words, never cut and never changed: a usage line, an earlier answer."""

    text: str


Value = str | int | Decimal | date | Masked | Month | Choices | Verbatim | None


@dataclass(frozen=True, slots=True)
class Ask:
    """Leave a question open; it replaces the one before."""

    question: OpenQuestion
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class Close:
    """The open question is settled."""


@dataclass(frozen=True, slots=True)
class Bind:
    """The person agreed: this phone may ask for `nkp`."""

    nkp: str


@dataclass(frozen=True, slots=True)
class Guess:
    """An identity was named that is not linked to this phone."""

    identity: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Send nothing that was not asked for."""


@dataclass(frozen=True, slots=True)
class Resume:
    """What was stopped may be sent again."""


Change = Ask | Close | Bind | Guess | Stop | Resume


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer by the name of its wording; `None` among the values drops the clause it is in."""

    outcome: Outcome
    wording: str  # "saldo.balance": an entry of the published keywords
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    changes: tuple[Change, ...] = ()
    about: str | None = None  # the NKP whose data it tells


class Worded(Protocol):
    """A file that answers: the wordings it uses, with the values each is given."""

    @property
    def WORDINGS(self) -> Mapping[str, tuple[str, ...]]: ...


class Handler(Worded, Protocol):
    """A keyword's file."""

    def answer(self, question: Question) -> Reply: ...
