"""Answers DATA SAYA: opens an access request, for which officers hand out a copy of the data."""

from handlers.changes import CaseKind, OpenCase
from handlers.question import Outcome, Question, Reply

WORDINGS = {"noted": ("number",), "ready": ("number",)}  # ready: once the copy is made


def answer(question: Question) -> Reply:
    changes = (OpenCase(CaseKind.ACCESS_REQUEST),)
    return Reply(Outcome.ANSWERED, "data_saya.noted", changes=changes)
