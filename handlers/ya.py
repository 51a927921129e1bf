"""Answers YA: says yes to the open question."""

from handlers import bound_participant, kantor, saldo
from handlers.changes import Bind, Choice, Close, Consent, DraftQuestion, Identity
from handlers.disclosure import guess, is_on_file, not_linked
from handlers.open_question import nothing_open, still_open
from handlers.question import Question, Reply

WORDINGS = {
    "bound": saldo.WORDINGS["balance"],
    "bound_no_balance": saldo.WORDINGS["no_balance"],
    "nothing_open": ("saldo",),
}
LOOKS_UP = ("participant", "balance", "last_contribution")
BOUND = {"saldo.balance": "ya.bound", "saldo.no_balance": "ya.bound_no_balance"}


def answer(question: Question) -> Reply:
    match question.caller.open:
        case Consent(nkp):
            return _bind(question, nkp)
        case Choice(command) if command.keyword == "kantor":
            return kantor.answer(question._replace(said=command))
        case Choice(command):
            return bound_participant.choose(question._replace(said=command))
        case DraftQuestion() | Identity():
            return still_open(question)
        case _:
            return nothing_open(question)


def _bind(question: Question, nkp: str) -> Reply:
    """Binds the phone, unless the number on file has changed since we asked."""
    participant = question.ledger.participant(nkp)
    if participant is None or not is_on_file(participant, question.caller):
        reply = not_linked(guess(nkp))
        return reply._replace(changes=(*reply.changes, Close()))
    reply = saldo.balance(question, participant)
    changes = (Bind(nkp, participant.phone), Close())
    return reply._replace(wording=BOUND[reply.wording], changes=changes, about=nkp)
