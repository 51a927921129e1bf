"""Answers NOTIF ON and NOTIF OFF: agrees to news or declines it. Consent to balances does not
include it."""

from handlers.changes import SetNews
from handlers.disclosure import not_registered
from handlers.question import Outcome, Question, Reply

WORDINGS = {"wished": (), "declined": ()}


def answer(question: Question) -> Reply:
    wanted = question.text("switch") == "on"
    if wanted and not question.caller.nkps:
        return not_registered(question)
    wording = "notif.wished" if wanted else "notif.declined"
    return Reply(Outcome.ANSWERED, wording, changes=(SetNews(wanted),))
