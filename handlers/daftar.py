"""DAFTAR SALDO#3171…#BUDI SANTOSO#17-08-1990#1901…: ask that this phone may read a balance."""

from handlers.disclosure import ask, is_on_file, not_linked
from handlers.ports import Participant
from handlers.question import Guess, Masked, Outcome, Question, Reply

WORDINGS = {"pending": (), "already": ("nkp",)}


def answer(question: Question) -> Reply:
    nkp = question.nkp or ""
    if nkp in question.caller.nkps:
        return Reply(Outcome.ANSWERED, "daftar.already", {"nkp": Masked(nkp)})
    participant = question.ledger.participant(nkp)
    if not is_on_file(participant, question.caller):
        # Counted whether it matches or not: a lock that fell on mismatches alone would tell them.
        return Reply(Outcome.PENDING, "daftar.pending", changes=(Guess(_combination(question)),))
    if participant is None or not _matches(question, participant):
        return not_linked(_combination(question))
    return ask(nkp)


def _matches(question: Question, participant: Participant) -> bool:
    """By NIK and birth date; people write names in too many ways for a name to decide."""
    said = question.field("nik"), question.field("birth_date")
    return said == (participant.nik, participant.birth_date)


def _combination(question: Question) -> str:
    """What counts as one guess: with the NKP alone, a birth date could be found by trying."""
    return " ".join(str(question.field(name)) for name in ("nkp", "nik", "birth_date"))
