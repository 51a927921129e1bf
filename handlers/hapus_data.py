"""Answers HAPUS DATA: opens a data-protection request, which an officer carries out."""

from handlers.changes import CaseKind, OpenCase
from handlers.question import Outcome, Question, Reply

WORDINGS = {"noted": ("number",), "done": ("number",)}  # done: when the officer has


def answer(question: Question) -> Reply:
    changes = (OpenCase(CaseKind.DATA_REQUEST),)
    return Reply(Outcome.ANSWERED, "hapus_data.noted", changes=changes)
