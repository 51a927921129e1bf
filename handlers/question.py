"""What a handler is asked and what it answers: values in, values out."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
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
    MISDIRECTED = "misdirected"
    SECRET = "secret"
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
    """We asked which of the phone's NKPs `command` means: A, B, …"""

    command: Command


@dataclass(frozen=True, slots=True)
class Draft:
    """We asked for what `command` lacks."""

    command: Command


@dataclass(frozen=True, slots=True)
class Suggestion:
    """We asked whether `command` was meant."""

    command: Command


@dataclass(frozen=True, slots=True)
class Identity:
    """We asked for the last digits of the NIK of `nkp`, before `command` is answered."""

    command: Command
    nkp: str


OpenQuestion = Consent | Choice | Draft | Suggestion | Identity


@dataclass(frozen=True, slots=True)
class Bound:
    """A participant bound to a phone with consent; `on_file` is what the number on file was then,
    None where there was none."""

    nkp: str
    on_file: str | None = None
    tells_from: datetime | None = None  # before that it tells nothing
    used_at: datetime | None = None
    wrong_answers: int = 0  # of the last day, to who asked for the digits of the NIK


@dataclass(frozen=True, slots=True)
class Case:
    """A complaint or a data-protection request of this phone."""

    number: str
    is_open: bool
    opened_on: date


@dataclass(frozen=True, slots=True)
class Claimed:
    """A registration from this phone whose code was typed rightly just now."""

    nkp: str
    on_file: str
    code_id: int


@dataclass(frozen=True, slots=True)
class Caller:
    """What is known of the phone that wrote."""

    phone: str  # E.164
    bound: tuple[Bound, ...] = ()  # oldest first
    open: OpenQuestion | None = None
    asked: str | None = None  # the open question as it was worded
    locked: bool = False  # too many identities that are not linked to it
    last_answer: str | None = None  # what ULANG may still repeat
    last_about: str | None = None  # the NKP that answer tells of
    next_page: str | None = None  # what LANJUT shows
    claimed: Claimed | None = None
    has_tried_codes: bool = False  # too many wrong ones today
    former: Container[str] = ()  # NKPs that were its own, or that it disowned
    asked_codes: tuple[str, ...] = ()  # NKPs for which codes were sent here and are still good
    rejections: int = 0  # of such codes, in the last month
    case: Case | None = None  # the one whose number was typed

    @property
    def nkps(self) -> tuple[str, ...]:
        return tuple(bound.nkp for bound in self.bound)

    def binding(self, nkp: str) -> Bound | None:
        return next((bound for bound in self.bound if bound.nkp == nkp), None)


@dataclass(frozen=True, slots=True)
class Made:
    """A keyword that an operator made: `topics` are told by their words; or `rows` of a table are
    told, by what stands in their first column."""

    topics: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    rows: Mapping[str, Mapping[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class Question:
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
        """What a slot took, such as "nkp" or "birth_date"."""
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
    """The person agreed: this phone may ask for `nkp`, whose number on file is `on_file`."""

    nkp: str
    on_file: str | None
    code_id: int | None = None  # of the code that was typed, which is then spent


@dataclass(frozen=True, slots=True)
class Unbind:
    """This phone may ask for these no more; what ULANG would show is destroyed."""

    nkps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lapse:
    """This phone may ask for `nkp` no more, since the number on file is another one; what ULANG
    would show is destroyed."""

    nkp: str


@dataclass(frozen=True, slots=True)
class Disown:
    """Who writes is not the participant, or did not ask: codes sent here are void, what they bound
    is unbound, and no further ones are sent for these participants."""


@dataclass(frozen=True, slots=True)
class RejectCodes:
    """Who writes did not ask for the codes that were sent here: they are void, and none are sent
    for these participants for a day, or until an officer has looked at it."""

    until_officer: bool


@dataclass(frozen=True, slots=True)
class SendCode:
    """To the number on file, that the phone which writes may be bound to `nkp`."""

    nkp: str
    on_file: str


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody wrote of themselves to be registered."""

    nkp: str
    nik: str | None
    name: str | None
    birth_date: date | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Register:
    """Keep it for an officer: the phone which writes is not the one on file."""

    given: Given


@dataclass(frozen=True, slots=True)
class WrongCode:
    """A try at whatever codes this phone waits for."""


@dataclass(frozen=True, slots=True)
class WrongIdentity:
    """Other digits than those of the NIK of `nkp`."""

    nkp: str


@dataclass(frozen=True, slots=True)
class WrongNkp:
    """An NKP was named that is not linked to this phone. By itself it is no try: a phone that is
    bound to nobody is told nothing of it. `is_issued`: the ledger knows it."""

    nkp: str
    is_issued: bool


@dataclass(frozen=True, slots=True)
class Guess:
    """Identities were named that are not linked to this phone: `combination` is what counts as one
    try, `parts` are counted over all phones. `wrong`: the NKP among them."""

    combination: str
    parts: tuple[str, ...] = ()
    wrong: WrongNkp | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Send nothing that was not asked for."""


@dataclass(frozen=True, slots=True)
class Resume:
    """What was stopped may be sent again."""


@dataclass(frozen=True, slots=True)
class WantNews:
    wanted: bool


@dataclass(frozen=True, slots=True)
class Speak:
    """Answer in this language from now on: id, en."""

    language: str


class CaseKind(StrEnum):
    COMPLAINT = "complaint"
    DATA_REQUEST = "data_request"


@dataclass(frozen=True, slots=True)
class OpenCase:
    """Give what was written a number, which the reply's wording names as {number}."""

    kind: CaseKind


@dataclass(frozen=True, slots=True)
class TurnPage:
    """The next page was shown."""


Change = (
    Ask
    | Close
    | Bind
    | Unbind
    | Lapse
    | Disown
    | RejectCodes
    | SendCode
    | Register
    | WrongCode
    | WrongIdentity
    | WrongNkp
    | Guess
    | Stop
    | Resume
    | WantNews
    | Speak
    | OpenCase
    | TurnPage
)


@dataclass(frozen=True, slots=True)
class Page:
    """One more SMS that LANJUT brings."""

    wording: str
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer by the name of its wording; `None` among the values drops the clause it is in."""

    outcome: Outcome
    wording: str  # "saldo.balance": an entry of the published keywords
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    changes: tuple[Change, ...] = ()
    about: str | None = None  # the NKP whose data it tells
    shows: tuple[str, ...] = ()  # NKPs of which it shows digits, without their data
    pages: tuple[Page, ...] = ()


class Worded(Protocol):
    """A file that answers: the wordings it uses, with the values each is given."""

    @property
    def WORDINGS(self) -> Mapping[str, tuple[str, ...]]: ...


class Handler(Worded, Protocol):
    """A keyword's file."""

    def answer(self, question: Question) -> Reply: ...
