"""Answers NOTIF: asks for notifications or ends them, all or those of one kind, and tells which are
on. Consent to balances does not include them."""

from grammar import Fields
from handlers.changes import NotificationKind, Subscribe
from handlers.disclosure import not_registered
from handlers.placeholders import text
from handlers.question import Outcome, Question, Reply
from handlers.values import Term, Terms

WORDINGS = {
    "wished": (),
    "declined": (),
    "chosen": ("chosen",),
    "dropped": ("chosen",),
    "list": ("news",),
    "none": (),
    "stopped": (),
}
PLACEHOLDERS = {"chosen": text(Term("saldo"), width=15), "news": text(Term("saldo"), width=50)}
KINDS = {
    NotificationKind.BALANCE: "saldo",
    NotificationKind.CONTRIBUTION: "iuran",
    NotificationKind.CLAIM: "klaim",
    NotificationKind.DATA: "data",
    NotificationKind.STATUS: "status",
}


ALL = "all"
SLOTS = {"SALDO/IURAN/KLAIM": "kind", "ON/OFF": "switch"}  # as the usage has them


def meant(usage: str, fields: Fields) -> str:
    """Returns the keyword as it was read: NOTIF SALDO ON."""
    words = {"kind": {**{str(kind): word for kind, word in KINDS.items()}, ALL: "semua"}}
    for label, field in SLOTS.items():
        value = str(fields.get(field) or "")
        usage = usage.replace(label, words.get(field, {}).get(value, value).upper())
    return " ".join(usage.split())


def answer(question: Question) -> Reply:
    switch, named = question.text("switch"), question.text("kind")
    named = None if named == ALL else named
    if switch is None:
        return _list(question)
    wanted = switch == "on"
    if wanted and not question.caller.nkps:
        return not_registered(question)
    if wanted and question.caller.has_stopped:
        return Reply(Outcome.ANSWERED, "notif.stopped")
    if named is None:
        wording = "notif.wished" if wanted else "notif.declined"
        return Reply(Outcome.ANSWERED, wording, changes=(Subscribe(tuple(KINDS), wanted),))
    kind = NotificationKind(named)
    wording = "notif.chosen" if wanted else "notif.dropped"
    values = {"chosen": Term(KINDS[kind])}
    return Reply(Outcome.ANSWERED, wording, values, changes=(Subscribe((kind,), wanted),))


def _list(question: Question) -> Reply:
    asked = question.caller.notified
    words = tuple(word for kind, word in KINDS.items() if kind in asked)
    if not words or question.caller.has_stopped:
        return Reply(Outcome.ANSWERED, "notif.none")
    return Reply(Outcome.ANSWERED, "notif.list", {"news": Terms(words)})
