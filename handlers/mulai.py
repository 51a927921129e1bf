"""MULAI: takes STOP back."""

from handlers.question import Outcome, Question, Reply, Resume

WORDINGS = {"resumed": ()}


def answer(question: Question) -> Reply:
    return Reply(Outcome.ANSWERED, "mulai.resumed", changes=(Resume(),))
