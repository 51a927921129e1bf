"""Answers TIDAK, and BATAL while a question is open: says no to it."""

from handlers.changes import Close, Consent
from handlers.open_question import nothing_open
from handlers.question import Outcome, Question, Reply

WORDINGS = {"refused": (), "dropped": ()}


def answer(question: Question) -> Reply:
    if question.caller.open is None:
        return nothing_open(question)
    is_consent = isinstance(question.caller.open, Consent)
    wording = "tidak.refused" if is_consent else "tidak.dropped"
    return Reply(Outcome.ANSWERED, wording, changes=(Close(),))
