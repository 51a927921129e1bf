"""Answers BUKAN SAYA: the owner of this phone is not the participant, or asked for no code."""

from handlers.changes import RejectRegistration, Unbind
from handlers.question import Outcome, Question, Reply

WORDINGS = {"done": ()}


def answer(question: Question) -> Reply:
    changes = (Unbind(question.caller.nkps), RejectRegistration())
    return Reply(Outcome.ANSWERED, "bukan_saya.done", changes=changes)
