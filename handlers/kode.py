"""Answers KODE BCDFGHJ: the code went to the number on file, and is typed on the phone to be
registered."""

from handlers.changes import Bind, WrongCode
from handlers.question import Outcome, Question, Reply
from handlers.values import Masked

WORDINGS = {"bound": ("nkp",), "wrong": (), "closed": ()}


def answer(question: Question) -> Reply:
    """Replies alike to a wrong code and to one that was never sent, so a stranger learns of no
    match."""
    claimed = question.caller.claimed
    if question.caller.has_tried_codes:
        return Reply(Outcome.LOCKED, "kode.closed")
    if claimed is None:
        return Reply(Outcome.INVALID, "kode.wrong", changes=(WrongCode(),))
    bind = Bind(claimed.nkp, claimed.on_file, claimed.code_id)
    return Reply(
        Outcome.ANSWERED,
        "kode.bound",
        {"nkp": Masked(claimed.nkp)},
        changes=(bind,),
        about=claimed.nkp,
    )
