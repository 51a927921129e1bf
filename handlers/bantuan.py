"""Answers BANTUAN: says what people can ask here, and who helps."""

from handlers.question import Outcome, Question, Reply, ReplyPage
from handlers.values import Verbatim

WORDINGS = {"menu": ("daftar",), "more": ("daftar",)}


def answer(question: Question) -> Reply:
    usage = {"daftar": Verbatim(question.usage["daftar"])}
    return Reply(Outcome.ANSWERED, "bantuan.menu", usage, pages=(ReplyPage("bantuan.more", usage),))
