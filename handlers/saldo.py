"""Answers SALDO, SALDO 19012345678 and SALDO B: shows the JHT balance of a participant bound to
this phone."""

from handlers import bound_participant
from handlers.ports import Participant
from handlers.question import Outcome, Question, Reply
from handlers.values import MaskedNkp, Month, Term, Value

WORDINGS = {
    "balance": ("nkp", "as_of", "total", "contributions", "returns", "status", "month"),
    "no_balance": ("nkp", "status"),
}
LOOKS_UP = ("participant", "balance", "last_contribution")


def answer(question: Question) -> Reply:
    return bound_participant.answer(question, balance)


def balance(question: Question, participant: Participant) -> Reply:
    nkp = participant.nkp
    balance_row = question.ledger.balance(nkp, question.today)
    values: dict[str, Value] = {
        "nkp": MaskedNkp(nkp),
        "status": Term(participant.status) if participant.status else None,
    }
    if balance_row is None or balance_row.total is None:
        return Reply(Outcome.ANSWERED, "saldo.no_balance", values)
    last = question.ledger.last_contribution(nkp)
    values |= {
        "as_of": balance_row.as_of,
        "total": balance_row.total,
        "contributions": balance_row.contributions,
        "returns": balance_row.returns,
        "month": Month(last) if last else None,
    }
    return Reply(Outcome.ANSWERED, "saldo.balance", values)
