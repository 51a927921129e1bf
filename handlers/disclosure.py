"""Decides what a phone may be told. Disclosure depends on the phone: NIK, name, birth date and NKP
have leaked and prove nothing.

Only the number on file is asked whether it wants to be bound. "No such NKP" and "not yours" are the
same wording after the same look-up, and what a phone guesses is counted.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from handlers.changes import Ask, Consent, FailedIdentification, WrongNkp
from handlers.placeholders import Placeholder, moment
from handlers.ports import Participant
from handlers.question import Caller, Outcome, Question, Reply
from handlers.values import MaskedNkp, Moment, Verbatim

WORDINGS = {
    "ask": ("nkp",),
    "not_registered": ("daftar",),
    "not_linked": (),
    "locked": (),
    "replaced": ("nkp",),
    "code": ("nkp", "code"),
    "bound_elsewhere": ("nkp",),
    "unavailable": (),
    "expired": ("received",),
    "enough": (),
    "number_unclear": (),
}
PLACEHOLDERS = {
    "code": Placeholder("BCDFGHJ", "BCDFGHJ"),
    "received": moment(datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
}
CONSENT_LASTS = timedelta(hours=24)


def is_on_file(participant: Participant | None, caller: Caller) -> bool:
    return participant is not None and participant.phone == caller.phone


class OnFile(StrEnum):
    """Says how the number on file compares with what it was when the phone was bound."""

    SAME = "same"
    UNCLEAR = "unclear"  # none, or no phone, or the participant is not there: perhaps for a night
    ANOTHER = "another"  # the person changed it


def number_on_file(participant: Participant | None, bound_with: str | None, phone: str) -> OnFile:
    """Compares the number on file with the one that `phone` was bound with. `bound_with` is None if
    there was none at the time: then there is still none, or it is this phone's own."""
    if participant is None or participant.has_many_phones:
        return OnFile.UNCLEAR
    allowed = (bound_with,) if bound_with is not None else (None, phone)
    if participant.phone in allowed:
        return OnFile.SAME
    return OnFile.UNCLEAR if participant.phone is None else OnFile.ANOTHER


def number_unclear() -> Reply:
    """Discloses nothing for now and keeps the binding."""
    return Reply(Outcome.LOCKED, "disclosure.number_unclear")


def ask(nkp: str) -> Reply:
    return Reply(
        Outcome.CONFIRM,
        "disclosure.ask",
        {"nkp": MaskedNkp(nkp)},
        changes=(Ask(Consent(nkp), CONSENT_LASTS),),
        shows=(nkp,),
    )


def not_registered(question: Question) -> Reply:
    usage = {"daftar": Verbatim(question.usage["daftar"])}
    return Reply(Outcome.NOT_REGISTERED, "disclosure.not_registered", usage)


def not_linked(guess: FailedIdentification) -> Reply:
    return Reply(Outcome.NOT_LINKED, "disclosure.not_linked", changes=(guess,))


def guess(*parts: object, wrong: WrongNkp | None = None) -> FailedIdentification:
    """Counts each part as an identity, and all of them together as one try."""
    named = tuple(str(part) for part in parts if part is not None)
    return FailedIdentification(" ".join(named), named, wrong)


def locked(question: Question) -> Reply | None:
    """Refuses an identity that is not the phone's own while the phone is locked."""
    named = question.nkp or question.nik
    if question.caller.locked and named and question.nkp not in question.caller.nkps:
        return Reply(Outcome.LOCKED, "disclosure.locked")
    return None


def replaced(nkp: str) -> Reply:
    """Notifies the phone that `nkp` was bound to until another one took its place."""
    return Reply(Outcome.ANSWERED, "disclosure.replaced", {"nkp": MaskedNkp(nkp)})


def bound_elsewhere(nkp: str) -> Reply:
    """Notifies the number on file that `nkp` was bound to another phone by a code or an officer."""
    return Reply(Outcome.ANSWERED, "disclosure.bound_elsewhere", {"nkp": MaskedNkp(nkp)})


def unavailable() -> Reply:
    """Says that the ledger is unavailable; the answer follows by itself."""
    return Reply(Outcome.UNAVAILABLE, "disclosure.unavailable")


def expired(received: datetime) -> Reply:
    """Says that the answer to a message expired before it could be sent. `received` is a time where
    the scheme is."""
    return Reply(Outcome.UNAVAILABLE, "disclosure.expired", {"received": Moment(received)})


def enough(reply: Reply) -> Reply:
    """Replaces a day's last reply that would only explain: it says that there are no more until
    tomorrow."""
    return reply._replace(wording="disclosure.enough", values={}, pages=())
