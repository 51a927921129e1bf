"""Answers STATUS and STATUS ADU-251031-0042: shows whether a participant is active, or the state of
a complaint."""

from datetime import date

from handlers import bound_participant, klaim
from handlers.placeholders import day
from handlers.ports import Participant
from handlers.question import Outcome, Question, Reply
from handlers.values import MaskedNkp, Term, Value, Verbatim

WORDINGS = {
    "member": ("nkp", "status", "since", "why"),
    "case": ("number", "status", "since"),
    "no_number": (),
}
PLACEHOLDERS = {"since": day(date(2025, 3, 1))}
LOOKS_UP = ("participant",)
LOOKS_UP_WITH = {"number": ("participant", "claims")}
OPEN, CLOSED = "sedang ditangani", "selesai"


def answer(question: Question) -> Reply:
    number = question.text("number")
    if number is None:
        return bound_participant.answer(question, _member)
    if question.caller.case is not None:
        return _case(question)
    return klaim.claim_by_number(question, number) or Reply(Outcome.NOT_LINKED, "status.no_number")


def _member(question: Question, participant: Participant) -> Reply:
    values: dict[str, Value] = {
        "nkp": MaskedNkp(participant.nkp),
        "status": Term(participant.status) if participant.status else None,
        "since": participant.status_since,
        "why": Term(participant.status_reason) if participant.status_reason else None,
    }
    return Reply(Outcome.ANSWERED, "status.member", values)


def _case(question: Question) -> Reply:
    case = question.caller.case
    if case is None:
        return Reply(Outcome.NOT_LINKED, "status.no_number")
    state = Term(OPEN if case.is_open else CLOSED)
    values: dict[str, Value] = {
        "number": Verbatim(case.number),
        "status": state,
        "since": case.opened_on,
    }
    return Reply(Outcome.ANSWERED, "status.case", values)
