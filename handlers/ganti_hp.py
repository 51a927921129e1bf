"""Answers GANTI HP: unbinds this phone, and says how to register the next one."""

from handlers.changes import Unbind
from handlers.question import Outcome, Question, Reply

WORDINGS = {"done": ()}


def answer(question: Question) -> Reply:
    changes = (Unbind(question.caller.nkps),)
    return Reply(Outcome.ANSWERED, "ganti_hp.done", changes=changes)
