"""STOP, BERHENTI, UNREG: nothing more that was not asked for. What is bound stays bound."""

from handlers.changes import OptOut
from handlers.question import Outcome, Question, Reply

WORDINGS = {"stopped": ()}


def answer(question: Question) -> Reply:
    return Reply(Outcome.ANSWERED, "stop.stopped", changes=(OptOut(),))
