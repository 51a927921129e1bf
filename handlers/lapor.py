"""LAPOR PT Maju belum bayar iuran: a complaint, with a number to ask for it by."""

from handlers.changes import CaseKind, OpenCase
from handlers.question import Outcome, Question, Reply

WORDINGS = {"noted": ("number",), "answered": ("number", "answer")}  # answered: by an officer


def answer(question: Question) -> Reply:
    """Its text is the message itself."""
    return Reply(Outcome.ANSWERED, "lapor.noted", changes=(OpenCase(CaseKind.COMPLAINT),))
