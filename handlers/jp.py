"""Answers JP: shows for how many months a pension was paid for. It is no savings account, so there
is no sum."""

from handlers import bound_participant
from handlers.ports import Participant
from handlers.question import Outcome, Question, Reply
from handlers.values import MaskedNkp, Month, Value

WORDINGS = {"paid": ("nkp", "count", "month"), "none": ("nkp",)}
LOOKS_UP = ("participant", "pension_months", "last_contribution")


def answer(question: Question) -> Reply:
    return bound_participant.answer(question, _months)


def _months(question: Question, participant: Participant) -> Reply:
    nkp = MaskedNkp(participant.nkp)
    months = question.ledger.pension_months(participant.nkp)
    if not months:
        return Reply(Outcome.ANSWERED, "jp.none", {"nkp": nkp})
    last = question.ledger.last_contribution(participant.nkp)
    values: dict[str, Value] = {"nkp": nkp, "count": months, "month": Month(last) if last else None}
    return Reply(Outcome.ANSWERED, "jp.paid", values)
