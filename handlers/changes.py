"""Defines what an answer can change about its phone, and the questions that it can leave open."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from grammar import Command


@dataclass(frozen=True, slots=True)
class Consent:
    """We asked whether this phone may be bound to `nkp`."""

    nkp: str


@dataclass(frozen=True, slots=True)
class Choice:
    """We asked which of the phone's NKPs, or which city, `command` means: A, B, …"""

    command: Command


@dataclass(frozen=True, slots=True)
class DraftQuestion:
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


OpenQuestion = Consent | Choice | DraftQuestion | Suggestion | Identity


@dataclass(frozen=True, slots=True)
class Ask:
    """Opens a question, which replaces the one before."""

    question: OpenQuestion
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Counts that the open question was asked once more."""


@dataclass(frozen=True, slots=True)
class Close:
    """Closes the open question."""


@dataclass(frozen=True, slots=True)
class Bind:
    """Binds the phone, whose owner agreed: it may ask for `nkp`, whose number on file is
    `on_file`."""

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
class RejectRegistration:
    """Says that the writer is not the participant, or did not ask. Codes sent to this phone are
    void, what they bound is unbound, and no more are sent for these participants."""


@dataclass(frozen=True, slots=True)
class RejectCodes:
    """Says that the writer did not ask for the codes sent to this phone. They are void, and none
    are sent for these participants for a day, or until an officer has looked at it."""

    until_officer: bool


@dataclass(frozen=True, slots=True)
class SendCode:
    """Sends a code to the number on file, which lets the phone that writes be bound to `nkp`."""

    nkp: str
    on_file: str


@dataclass(frozen=True, slots=True)
class RegistrationForm:
    """Holds what somebody wrote about themselves to be registered."""

    nkp: str
    nik: str | None
    name: str | None
    birth_date: date | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Register:
    """Stores a registration for an officer, as the phone that writes is not the one on file."""

    form: RegistrationForm


@dataclass(frozen=True, slots=True)
class WrongCode:
    """Counts as a try at every code that this phone waits for."""


@dataclass(frozen=True, slots=True)
class WrongIdentity:
    """Counts digits that are not the last ones of the NIK of `nkp`."""

    nkp: str


@dataclass(frozen=True, slots=True)
class WrongNkp:
    """An NKP was named that is not linked to this phone. By itself it is no try: a phone that is
    bound to nobody is told nothing of it. `is_issued` says whether the ledger knows it."""

    nkp: str
    is_issued: bool


@dataclass(frozen=True, slots=True)
class FailedIdentification:
    """Identities were named that are not linked to this phone. `combination` counts as one try,
    `parts` are counted over all phones, and `wrong` is the NKP among them."""

    combination: str
    parts: tuple[str, ...] = ()
    wrong: WrongNkp | None = None


@dataclass(frozen=True, slots=True)
class OptOut:
    """Stops messages that were not asked for."""


@dataclass(frozen=True, slots=True)
class OptIn:
    """Lets messages that were stopped be sent again."""


class NotificationKind(StrEnum):
    """Says what a notification is about; a phone asks for each by itself, or for all."""

    BALANCE = "balance"  # it changed
    CONTRIBUTION = "contribution"  # it was not received when it was due
    CLAIM = "claim"  # it moved a step, or was refused
    DATA = "data"  # they are incomplete
    STATUS = "status"  # of the membership


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Notifications of these kinds are asked for, or asked for no more."""

    kinds: tuple[NotificationKind, ...]
    wanted: bool


@dataclass(frozen=True, slots=True)
class SetLanguage:
    """Sets the language of replies from now on: id, en, jv or su."""

    language: str


class CaseKind(StrEnum):
    COMPLAINT = "complaint"
    DATA_REQUEST = "data_request"  # to delete
    ACCESS_REQUEST = "access_request"


@dataclass(frozen=True, slots=True)
class OpenCase:
    """Opens a case for the message. The reply's wording shows its number as {number}."""

    kind: CaseKind


@dataclass(frozen=True, slots=True)
class TurnPage:
    """The next page was shown."""


Change = (
    Ask
    | AskAgain
    | Close
    | Bind
    | Unbind
    | Lapse
    | RejectRegistration
    | RejectCodes
    | SendCode
    | Register
    | WrongCode
    | WrongIdentity
    | WrongNkp
    | FailedIdentification
    | OptOut
    | OptIn
    | Subscribe
    | SetLanguage
    | OpenCase
    | TurnPage
)
