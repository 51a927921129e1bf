"""BANTUAN: what can be asked here, and who helps."""

from handlers.question import Outcome, Question, Reply, Verbatim

WORDINGS = {"menu": ("saldo", "daftar")}


def answer(question: Question) -> Reply:
    usage = {name: Verbatim(question.usage[name]) for name in ("saldo", "daftar")}
    return Reply(Outcome.ANSWERED, "bantuan.menu", usage)
