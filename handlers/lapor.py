"""Answers LAPOR PT Maju belum bayar iuran: opens a complaint, and gives its number."""

from handlers.changes import CaseKind, OpenCase
from handlers.question import Outcome, Question, Reply

WORDINGS = {"noted": ("number",), "answered": ("number", "answer")}  # answered: by an officer


def answer(question: Question) -> Reply:
    """Opens a complaint whose text is the message itself."""
    return Reply(Outcome.ANSWERED, "lapor.noted", changes=(OpenCase(CaseKind.COMPLAINT),))
