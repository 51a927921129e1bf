"""ULANG: the last answer once more, without asking the ledger: its SMS may have been lost."""

from handlers.question import Outcome, Question, Reply, Verbatim

WORDINGS = {"again": ("answer",), "nothing": ("saldo",)}


def answer(question: Question) -> Reply:
    caller = question.caller
    if caller.last_answer is None:
        usage = {"saldo": Verbatim(question.usage["saldo"])}
        return Reply(Outcome.UNKNOWN, "ulang.nothing", usage)
    values = {"answer": Verbatim(caller.last_answer)}
    return Reply(Outcome.ANSWERED, "ulang.again", values, about=caller.last_about)
