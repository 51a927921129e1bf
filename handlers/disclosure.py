"""Disclosure hangs on the phone: NIK, name, birth date and NKP have leaked and prove nothing.

Only the number on file is asked whether it wants to be bound. "No such NKP" and "not yours" are the
same wording after the same look-up, and what a phone guesses is counted.
"""

from dataclasses import replace
from datetime import timedelta

from handlers.ports import Participant
from handlers.question import (
    Ask,
    Caller,
    Consent,
    Guess,
    Masked,
    Outcome,
    Question,
    Reply,
    Verbatim,
    WrongNkp,
)

WORDINGS = {
    "ask": ("nkp",),
    "not_registered": ("daftar",),
    "not_linked": (),
    "locked": (),
    "replaced": ("nkp",),
    "code": ("nkp", "code"),
    "bound_elsewhere": ("nkp",),
    "unavailable": (),
    "enough": (),
}
CONSENT_LASTS = timedelta(hours=24)


def is_on_file(participant: Participant | None, caller: Caller) -> bool:
    return participant is not None and participant.phone == caller.phone


def is_still_theirs(participant: Participant | None, on_file: str | None, phone: str) -> bool:
    """Whether a binding of `phone` holds: the participant is there, and their number on file is
    what it was when the phone was bound. Where there was none (`on_file` is None), there is none
    still, or it is this phone's own."""
    allowed = (on_file,) if on_file is not None else (None, phone)
    return participant is not None and participant.phone in allowed


def ask(nkp: str) -> Reply:
    return Reply(
        Outcome.CONFIRM,
        "disclosure.ask",
        {"nkp": Masked(nkp)},
        changes=(Ask(Consent(nkp), CONSENT_LASTS),),
        shows=(nkp,),
    )


def not_registered(question: Question) -> Reply:
    usage = {"daftar": Verbatim(question.usage["daftar"])}
    return Reply(Outcome.NOT_REGISTERED, "disclosure.not_registered", usage)


def not_linked(guess: Guess) -> Reply:
    return Reply(Outcome.NOT_LINKED, "disclosure.not_linked", changes=(guess,))


def guess(*parts: object, wrong: WrongNkp | None = None) -> Guess:
    """Every part is an identity of its own; together they are one try."""
    named = tuple(str(part) for part in parts if part is not None)
    return Guess(" ".join(named), named, wrong)


def locked(question: Question) -> Reply | None:
    """A locked phone is answered as long as it names no identity but its own."""
    named = question.nkp or question.nik
    if question.caller.locked and named and question.nkp not in question.caller.nkps:
        return Reply(Outcome.LOCKED, "disclosure.locked")
    return None


def replaced(nkp: str) -> Reply:
    """To the phone that `nkp` was bound to until another one took its place."""
    return Reply(Outcome.ANSWERED, "disclosure.replaced", {"nkp": Masked(nkp)})


def bound_elsewhere(nkp: str) -> Reply:
    """To the number on file, where `nkp` was bound to another phone by a code or an officer."""
    return Reply(Outcome.ANSWERED, "disclosure.bound_elsewhere", {"nkp": Masked(nkp)})


def unavailable() -> Reply:
    """The ledger cannot be read now; the true answer follows by itself."""
    return Reply(Outcome.UNAVAILABLE, "disclosure.unavailable")


def enough(reply: Reply) -> Reply:
    """Instead of a day's last reply that would only explain: there are no more until tomorrow."""
    return replace(reply, wording="disclosure.enough", values={}, pages=())
