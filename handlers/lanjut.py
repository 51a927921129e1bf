"""Answers LANJUT: sends the next page of a long answer, as it was written then."""

from handlers.changes import TurnPage
from handlers.question import Outcome, Question, Reply
from handlers.values import Verbatim

WORDINGS = {"page": ("answer",), "nothing": ("saldo",)}


def answer(question: Question) -> Reply:
    page = question.caller.next_page
    if page is None:
        usage = {"saldo": Verbatim(question.usage["saldo"])}
        return Reply(Outcome.UNKNOWN, "lanjut.nothing", usage)
    return Reply(Outcome.ANSWERED, "lanjut.page", {"answer": Verbatim(page)}, changes=(TurnPage(),))
