"""A message that could not be read, or not surely: what was read of it, and what is needed."""

from datetime import timedelta

from grammar import Command, Misread, Reason
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
DRAFTED = "daftar"  # long enough that nobody should type it twice
DRAFT_LASTS = timedelta(minutes=15)
SUGGESTION_LASTS = timedelta(minutes=10)


def suggest(question: Question, command: Command) -> Reply:
    return Reply(
        Outcome.CONFIRM,
        "misread.slip",
        {"meant": Verbatim(question.usage[command.keyword])},
        changes=(Ask(Suggestion(command), SUGGESTION_LASTS),),
    )


def answer(question: Question) -> Reply:
    said = question.said
    if not isinstance(said, Misread):
        raise TypeError("a command is answered by its handler")
    usage = {name: Verbatim(line) for name, line in question.usage.items()}
    match said.reason:
        case Reason.SECRET:
            return Reply(Outcome.SECRET, "misread.secret")
        case Reason.COURTESY:
            return still_open(question)
        case Reason.EITHER:
            either = {"first": Verbatim(said.read or ""), "second": Verbatim(said.needed or "")}
            return Reply(Outcome.CONFIRM, "misread.either", either)
        case Reason.MISDIRECTED:
            values = {"digits": said.slot, "service": said.read, "contact": said.needed}
            values_and_usage = {**values, "saldo": usage["saldo"]}
            return Reply(Outcome.MISDIRECTED, "misread.misdirected", values_and_usage)
    if said.reason is Reason.UNKNOWN and question.caller.asked is not None:
        return still_open(question)
    if said.reason is Reason.UNKNOWN or said.keyword is None:
        return Reply(Outcome.UNKNOWN, "misread.unknown", {"saldo": usage["saldo"]})
    return _invalid(said, usage[said.keyword])


def _invalid(said: Misread, usage: Verbatim) -> Reply:
    values: dict[str, Value] = {
        "slot": (said.slot or "").replace("_", " "),
        "read": said.read,
        "needed": said.needed,
        "usage": usage,
    }
    name, changes = str(said.reason), tuple[Ask, ...]()
    if said.keyword == DRAFTED and said.fields:
        command = Command(said.keyword, said.fields, said.word, said.rest)
        changes = (Ask(DraftQuestion(command), DRAFT_LASTS),)
        name = "only_missing" if said.reason is Reason.MISSING else name
    offered = {name: values[name] for name in WORDINGS[name]}
    return Reply(Outcome.INVALID, f"misread.{name}", offered, changes=changes)
