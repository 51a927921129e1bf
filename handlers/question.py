"""Defines what a handler is asked and what it answers: values in, values out."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from grammar import Command, Misread
from handlers.changes import Change, NotificationKind, OpenQuestion
from handlers.ports import Ledger
from handlers.values import Value


class Outcome(StrEnum):
    ANSWERED = "answered"
    CONFIRM = "confirm"
    PENDING = "pending"
    INVALID = "invalid"
    NOT_REGISTERED = "not_registered"
    NOT_LINKED = "not_linked"
    MISDIRECTED = "misdirected"
    SECRET = "secret"
    LOCKED = "locked"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    SILENT = "silent"


class Bound(NamedTuple):
    """Holds a participant bound to a phone with consent. `on_file` is the number on file at that
    time, or None."""

    nkp: str
    on_file: str | None = None
    tells_from: datetime | None = None  # before that it tells nothing
    used_at: datetime | None = None
    wrong_answers: int = 0  # of the last day, to who asked for the digits of the NIK


@dataclass(frozen=True, slots=True)
class Case:
    """Holds a complaint or a data-protection request of this phone."""

    number: str
    is_open: bool
    opened_on: date


@dataclass(frozen=True, slots=True)
class VerifiedCode:
    """Holds a registration from this phone whose code was just typed correctly."""

    nkp: str
    on_file: str
    code_id: int


class Caller(NamedTuple):
    """Holds what is known about the phone that wrote."""

    phone: str  # E.164
    bound: tuple[Bound, ...] = ()  # oldest first
    open: OpenQuestion | None = None
    asked: str | None = None  # the open question as it was worded
    repeats: int = 0  # how often it was asked again, as the answer was none
    locked: bool = False  # too many identities that are not linked to it
    last_answer: str | None = None  # what ULANG may still repeat
    last_about: str | None = None  # the NKP that answer tells of
    next_page: str | None = None  # what LANJUT shows
    verified_code: VerifiedCode | None = None
    has_tried_codes: bool = False  # too many wrong ones today
    awaits_code: bool = False  # a code is good here, and one was typed
    former: Container[str] = ()  # NKPs that were its own, or that it disowned
    asked_codes: tuple[str, ...] = ()  # NKPs for which codes were sent here and are still good
    rejections: int = 0  # of such codes, in the last month
    case: Case | None = None  # the one whose number was typed
    # These two are read for NOTIF alone.
    notified: frozenset[NotificationKind] = frozenset()  # what it is notified of
    has_stopped: bool = False

    @property
    def nkps(self) -> tuple[str, ...]:
        return tuple([bound.nkp for bound in self.bound])

    def binding(self, nkp: str) -> Bound | None:
        return next((bound for bound in self.bound if bound.nkp == nkp), None)


@dataclass(frozen=True, slots=True)
class CustomKeyword:
    """Describes a keyword that an operator made. Its answer comes from `topics`, chosen by their
    words, or from the `rows` of a table, chosen by their first column."""

    topics: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    rows: Mapping[str, Mapping[str, str]] | None = None


class Question(NamedTuple):
    said: Command | Misread
    caller: Caller
    ledger: Ledger
    usage: Mapping[str, str]  # keyword id -> how it is written, from its poster
    now: datetime  # where the scheme is
    unused_for: timedelta = timedelta.max  # after which a binding has to be proven anew

    @property
    def today(self) -> date:
        return self.now.date()

    def field(self, name: str) -> str | date | None:
        """Returns what a slot took, such as "nkp" or "birth_date"."""
        return self.said.fields.get(name)

    def text(self, name: str) -> str | None:
        value = self.field(name)
        return value if isinstance(value, str) else None

    @property
    def nkp(self) -> str | None:
        return self.text("nkp")

    @property
    def nik(self) -> str | None:
        return self.text("nik")


@dataclass(frozen=True, slots=True)
class ReplyPage:
    """Holds one more SMS, which LANJUT sends."""

    wording: str
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))


class Reply(NamedTuple):
    """Names an answer's wording and gives its values. None among the values drops the clause that
    shows it."""

    outcome: Outcome
    wording: str  # "saldo.balance": an entry of the published keywords
    values: Mapping[str, Value] = MappingProxyType({})
    changes: tuple[Change, ...] = ()
    about: str | None = None  # the NKP whose data it tells
    shows: tuple[str, ...] = ()  # NKPs of which it shows digits, without their data
    pages: tuple[ReplyPage, ...] = ()


class WordingModule(Protocol):
    """Declares a module with wordings, and the values that each is given."""

    @property
    def WORDINGS(self) -> Mapping[str, tuple[str, ...]]: ...


class Handler(WordingModule, Protocol):
    """Declares the module of a keyword."""

    def answer(self, question: Question) -> Reply: ...
