"""GANTI HP: this phone is given up; how the next one is registered."""

from handlers.question import Outcome, Question, Reply, Unbind

WORDINGS = {"done": ()}


def answer(question: Question) -> Reply:
    changes = (Unbind(question.caller.nkps),)
    return Reply(Outcome.ANSWERED, "ganti_hp.done", changes=changes)
