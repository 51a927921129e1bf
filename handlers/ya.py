"""YA: yes to the question that is open."""

from dataclasses import replace

from handlers import bound_participant, saldo
from handlers.changes import Bind, Choice, Close, Consent, Draft, Identity
from handlers.disclosure import guess, is_on_file, not_linked
from handlers.question import Outcome, Question, Reply
from handlers.values import Verbatim

WORDINGS = {
    "bound": saldo.WORDINGS["balance"],
    "bound_no_balance": saldo.WORDINGS["no_balance"],
    "nothing_open": ("saldo",),
}
BOUND = {"saldo.balance": "ya.bound", "saldo.no_balance": "ya.bound_no_balance"}


def answer(question: Question) -> Reply:
    match question.caller.open:
        case Consent(nkp):
            return _bind(question, nkp)
        case Choice(command):
            return bound_participant.choose(replace(question, said=command))
        case Draft() | Identity():
            return still_open(question)
        case _:
            return nothing_open(question)


def nothing_open(question: Question) -> Reply:
    usage = {"saldo": Verbatim(question.usage["saldo"])}
    return Reply(Outcome.UNKNOWN, "ya.nothing_open", usage)


def still_open(question: Question) -> Reply:
    """The question once more: this was no answer to it."""
    asked = {"answer": Verbatim(question.caller.asked or "")}
    return Reply(Outcome.CONFIRM, "misread.still_open", asked)


def _bind(question: Question, nkp: str) -> Reply:
    """The number on file may have changed since we asked."""
    participant = question.ledger.participant(nkp)
    if participant is None or not is_on_file(participant, question.caller):
        told = not_linked(guess(nkp))
        return replace(told, changes=(*told.changes, Close()))
    told = saldo.balance(question, participant)
    changes = (Bind(nkp, participant.phone), Close())
    return replace(told, wording=BOUND[told.wording], changes=changes, about=nkp)
