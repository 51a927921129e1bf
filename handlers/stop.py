"""Answers STOP, BERHENTI and UNREG: sends nothing more that was not asked for. Bindings stay."""

from handlers.changes import OptOut
from handlers.question import Outcome, Question, Reply

WORDINGS = {"stopped": ()}


def answer(question: Question) -> Reply:
    return Reply(Outcome.ANSWERED, "stop.stopped", changes=(OptOut(),))
