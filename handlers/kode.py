"""KODE BCDFGHJ: what the number on file was sent, typed on the phone that is to be registered."""

from handlers.changes import Bind, WrongCode
from handlers.question import Outcome, Question, Reply
from handlers.values import Masked

WORDINGS = {"bound": ("nkp",), "wrong": (), "closed": ()}


def answer(question: Question) -> Reply:
    """A wrong code and no code at all read the same: a stranger learns of no match."""
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
