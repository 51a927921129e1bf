"""Answers MULAI: takes STOP back."""

from handlers.changes import OptIn
from handlers.question import Outcome, Question, Reply

WORDINGS = {"resumed": ()}


def answer(question: Question) -> Reply:
    return Reply(Outcome.ANSWERED, "mulai.resumed", changes=(OptIn(),))
