"""YA: yes to the question that is open."""

from dataclasses import replace

from handlers import saldo
from handlers.disclosure import is_on_file, not_linked
from handlers.question import (
    Bind,
    Choice,
    Close,
    Consent,
    Outcome,
    Question,
    Reply,
    Verbatim,
)

WORDINGS = {
    "bound": ("nkp", "as_of", "total", "status", "month"),
    "bound_no_balance": ("nkp", "status"),
    "nothing_open": ("saldo",),
}
BOUND = {"saldo.balance": "ya.bound", "saldo.no_balance": "ya.bound_no_balance"}


def answer(question: Question) -> Reply:
    match question.caller.open:
        case Consent(nkp):
            return _bind(question, nkp)
        case Choice():
            return saldo.choose(question.caller.nkps)
        case _:
            return nothing_open(question)


def nothing_open(question: Question) -> Reply:
    usage = {"saldo": Verbatim(question.usage["saldo"])}
    return Reply(Outcome.UNKNOWN, "ya.nothing_open", usage)


def _bind(question: Question, nkp: str) -> Reply:
    """The number on file may have changed since we asked."""
    participant = question.ledger.participant(nkp)
    if not is_on_file(participant, question.caller):
        told = not_linked(nkp)
        return replace(told, changes=(*told.changes, Close()))
    told = saldo.balance(question, nkp, participant)
    return replace(told, wording=BOUND[told.wording], changes=(Bind(nkp), Close()))
