"""NOTIF ON, NOTIF OFF: the wish for news, which consent to balances does not hold."""

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
