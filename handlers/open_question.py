"""Replies about a question that is open, or that is not."""

from handlers.changes import AskAgain
from handlers.question import Outcome, Question, Reply
from handlers.values import Verbatim

MOST_REPEATS = 2


def nothing_open(question: Question) -> Reply:
    usage = {"saldo": Verbatim(question.usage["saldo"])}
    return Reply(Outcome.UNKNOWN, "ya.nothing_open", usage)


def still_open(question: Question) -> Reply:
    """Asks the question once more: this was no answer to it. It is asked again twice."""
    if question.caller.repeats >= MOST_REPEATS:
        usage = {"saldo": Verbatim(question.usage["saldo"])}
        return Reply(Outcome.UNKNOWN, "misread.unknown", usage)
    asked = {"answer": Verbatim(question.caller.asked or "")}
    return Reply(Outcome.CONFIRM, "misread.still_open", asked, changes=(AskAgain(),))
