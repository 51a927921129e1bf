"""Answers a message that was not understood, or not surely: says what was read and what is
needed."""

from datetime import timedelta

from grammar import Command, Misread, Reason
from handlers import notif
from handlers.changes import Ask, DraftQuestion, Suggestion
from handlers.open_question import still_open
from handlers.placeholders import Placeholder, own_words, text
from handlers.question import Outcome, Question, Reply
from handlers.values import Value, Verbatim

WORDINGS = {
    "unknown": ("saldo",),
    "missing": ("slot", "usage"),
    "only_missing": ("slot",),
    "wrong_length": ("slot", "read", "needed", "usage"),
    "impossible_date": ("slot", "read", "usage"),
    "phone_number": ("slot", "needed", "usage"),
    "family_card": ("usage",),
    "misdirected": ("digits", "service", "contact", "saldo"),
    "either": ("first", "second"),
    "secret": (),
    "slip": ("meant",),
    "still_open": ("answer",),
}
PLACEHOLDERS = {
    "slot": text("NKP"),
    "read": text("10"),
    "needed": text("11"),
    "digits": Placeholder("16", "13"),
    "service": text("BPJS Kesehatan", width=30),
    "contact": text("165"),
    "first": own_words("STOP"),
    "second": own_words("KLAIM"),
    "meant": own_words("STOP", width=40),
}
REGISTRATION = "daftar"  # long enough that nobody should type it twice
DRAFT_LASTS = timedelta(minutes=15)
SUGGESTION_LASTS = timedelta(minutes=10)


def suggest(question: Question, command: Command) -> Reply:
    """Asks whether a command was meant, and names what YA would do."""
    meant = question.usage[command.keyword]
    if command.keyword == "notif":
        meant = notif.meant(meant, command.fields)
    return Reply(
        Outcome.CONFIRM,
        "misread.slip",
        {"meant": Verbatim(meant)},
        changes=(Ask(Suggestion(command), SUGGESTION_LASTS),),
    )


def answer(question: Question) -> Reply:
    parsed = question.said
    if not isinstance(parsed, Misread):
        raise TypeError("a command is answered by its handler")
    usage = {name: Verbatim(line) for name, line in question.usage.items()}
    match parsed.reason:
        case Reason.SECRET:
            return Reply(Outcome.SECRET, "misread.secret")
        case Reason.COURTESY:
            return still_open(question)
        case Reason.EITHER:
            either = {"first": Verbatim(parsed.read or ""), "second": Verbatim(parsed.needed or "")}
            return Reply(Outcome.CONFIRM, "misread.either", either)
        case Reason.MISDIRECTED:
            values = {"digits": parsed.slot, "service": parsed.read, "contact": parsed.needed}
            values_and_usage = {**values, "saldo": usage["saldo"]}
            return Reply(Outcome.MISDIRECTED, "misread.misdirected", values_and_usage)
    if parsed.reason is Reason.UNKNOWN and question.caller.asked is not None:
        return still_open(question)
    if parsed.reason is Reason.UNKNOWN or parsed.keyword is None:
        return Reply(Outcome.UNKNOWN, "misread.unknown", {"saldo": usage["saldo"]})
    return _invalid(parsed, usage[parsed.keyword])


def _invalid(parsed: Misread, usage: Verbatim) -> Reply:
    values: dict[str, Value] = {
        "slot": (parsed.slot or "").replace("_", " "),
        "read": parsed.read,
        "needed": parsed.needed,
        "usage": usage,
    }
    name, changes = str(parsed.reason), tuple[Ask, ...]()
    if parsed.keyword == REGISTRATION and parsed.fields:
        command = Command(parsed.keyword, parsed.fields, parsed.word, parsed.rest)
        changes = (Ask(DraftQuestion(command), DRAFT_LASTS),)
        name = "only_missing" if parsed.reason is Reason.MISSING else name
    offered = {name: values[name] for name in WORDINGS[name]}
    return Reply(Outcome.INVALID, f"misread.{name}", offered, changes=changes)
