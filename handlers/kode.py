"""Answers KODE BCDFGHJ: the code went to the number on file, and is typed on the phone to be
registered."""

from handlers.changes import Bind, WrongCode
from handlers.question import Outcome, Question, Reply
from handlers.values import MaskedNkp

WORDINGS = {"bound": ("nkp",), "wrong": (), "closed": ()}


def answer(question: Question) -> Reply:
    """Replies alike to a wrong code and to one that was never sent, so a stranger learns of no
    match."""
    verified_code = question.caller.verified_code
    if question.caller.has_tried_codes:
        return Reply(Outcome.LOCKED, "kode.closed")
    if verified_code is None:
        return Reply(Outcome.INVALID, "kode.wrong", changes=(WrongCode(),))
    bind = Bind(verified_code.nkp, verified_code.on_file, verified_code.code_id)
    return Reply(
        Outcome.ANSWERED,
        "kode.bound",
        {"nkp": MaskedNkp(verified_code.nkp)},
        changes=(bind,),
        about=verified_code.nkp,
    )
