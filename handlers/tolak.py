"""Answers TOLAK, which means "I did not ask for that code": ends codes, and leaves this phone's
bindings."""

from datetime import UTC, datetime, timedelta

from handlers import tidak
from handlers.changes import Consent, RejectCodes
from handlers.open_question import nothing_open
from handlers.placeholders import moment
from handlers.question import Outcome, Question, Reply
from handlers.values import Moment

WORDINGS = {"done": ("until",), "done_again": ()}
PLACEHOLDERS = {"until": moment(datetime(2026, 1, 31, 20, 0, tzinfo=UTC))}
LASTS = timedelta(hours=24)  # how long no codes are sent then
MOST = 3  # in a month: after that an officer looks at it


def answer(question: Question) -> Reply:
    if isinstance(question.caller.open, Consent):
        return tidak.answer(question)
    if not question.caller.asked_codes:
        return nothing_open(question)
    if question.caller.rejections + 1 >= MOST:
        changes = (RejectCodes(until_officer=True),)
        return Reply(Outcome.ANSWERED, "tolak.done_again", changes=changes)
    until = {"until": Moment(question.now + LASTS)}
    changes = (RejectCodes(until_officer=False),)
    return Reply(Outcome.ANSWERED, "tolak.done", until, changes=changes)
