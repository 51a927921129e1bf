"""Answers DAFTAR SALDO#3171…#BUDI SANTOSO#17-08-1990#1901…: asks that this phone may read a
balance."""

from dataclasses import replace
from datetime import date

from handlers.changes import (
    Change,
    FailedIdentification,
    Register,
    RegistrationForm,
    SendCode,
    WrongNkp,
)
from handlers.disclosure import ask, guess, is_on_file, not_linked
from handlers.ports import Participant
from handlers.question import Outcome, Question, Reply
from handlers.values import MaskedNkp

WORDINGS = {"pending": (), "already": ("nkp",)}


def answer(question: Question) -> Reply:
    nkp = question.nkp or ""
    if nkp in question.caller.nkps:
        return Reply(Outcome.ANSWERED, "daftar.already", {"nkp": MaskedNkp(nkp)}, shows=(nkp,))
    participant = question.ledger.participant(nkp)
    if not is_on_file(participant, question.caller):
        return _pending_reply(question, participant)
    if participant is None or not _matches(question, participant):
        return not_linked(_guess(question, participant))
    return ask(nkp)


def _pending_reply(question: Question, participant: Participant | None) -> Reply:
    """Returns the same reply whether the data match or not; only a match sends a code to the number
    on file.

    Each counts as a try: a lock that fell on mismatches alone would tell which were none. And each
    is kept for an officer, who may find what no rule does.
    """
    changes: list[Change] = [_guess(question, participant), Register(_form(question))]
    if participant is not None and participant.phone and _matches(question, participant):
        changes.append(SendCode(participant.nkp, participant.phone))
    return Reply(Outcome.PENDING, "daftar.pending", changes=tuple(changes))


def _matches(question: Question, participant: Participant) -> bool:
    """Compares NIK and birth date; people write names in too many ways for a name to decide."""
    given = question.field("nik"), question.field("birth_date")
    return None not in given and given == (participant.nik, participant.birth_date)


def _form(question: Question) -> RegistrationForm:
    born = question.field("birth_date")
    return RegistrationForm(
        nkp=question.nkp or "",
        nik=question.nik,
        name=question.text("name"),
        birth_date=born if isinstance(born, date) else None,
        email=question.text("email"),
    )


def _guess(question: Question, participant: Participant | None) -> FailedIdentification:
    """Counts the try by more than the NKP: with the NKP alone, a birth date could be found by
    trying."""
    wrong = WrongNkp(question.nkp or "", is_issued=participant is not None)
    identities = guess(question.nkp, question.nik, wrong=wrong)
    combination = f"{identities.combination} {question.field('birth_date')}"
    return replace(identities, combination=combination)
