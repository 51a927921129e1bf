"""GANTI HP: this phone is given up; how the next one is registered."""

from handlers.changes import Unbind
from handlers.question import Outcome, Question, Reply

WORDINGS = {"done": ()}


def answer(question: Question) -> Reply:
    changes = (Unbind(question.caller.nkps),)
    return Reply(Outcome.ANSWERED, "ganti_hp.done", changes=changes)
