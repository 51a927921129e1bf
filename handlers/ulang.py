"""Answers ULANG: repeats the last answer word for word, as its SMS may have been lost."""

from handlers import bound_participant
from handlers.ports import Participant
from handlers.question import Outcome, Question, Reply
from handlers.values import Verbatim

WORDINGS = {"again": ("answer",), "nothing": ("saldo",)}


def answer(question: Question) -> Reply:
    """Repeats what discloses something only to a phone that SALDO would answer now."""
    caller = question.caller
    if caller.last_answer is None:
        usage = {"saldo": Verbatim(question.usage["saldo"])}
        return Reply(Outcome.UNKNOWN, "ulang.nothing", usage)
    if caller.last_about is None:
        return _again(caller.last_answer)
    participant = question.ledger.participant(caller.last_about)
    return bound_participant.answer_for(question, _repeat, caller.last_about, participant)


def _repeat(question: Question, _participant: Participant) -> Reply:
    return _again(question.caller.last_answer or "")


def _again(answered: str) -> Reply:
    return Reply(Outcome.ANSWERED, "ulang.again", {"answer": Verbatim(answered)})
