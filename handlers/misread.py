"""A message that could not be read: what was read of it, and what is needed."""

from grammar import Misread, Reason
from handlers.question import Outcome, Question, Reply, Verbatim

WORDINGS = {
    "unknown": ("saldo",),
    "missing": ("slot", "usage"),
    "wrong_length": ("slot", "read", "needed", "usage"),
    "impossible_date": ("slot", "read", "usage"),
}


def answer(question: Question) -> Reply:
    said = question.said
    if not isinstance(said, Misread) or said.reason is Reason.UNKNOWN or said.keyword is None:
        usage = {"saldo": Verbatim(question.usage["saldo"])}
        return Reply(Outcome.UNKNOWN, "misread.unknown", usage)
    values = {
        "slot": (said.slot or "").replace("_", " "),
        "read": said.read,
        "needed": said.needed,
        "usage": Verbatim(question.usage[said.keyword]),
    }
    offered = {name: values[name] for name in WORDINGS[said.reason]}
    return Reply(Outcome.INVALID, f"misread.{said.reason}", offered)
