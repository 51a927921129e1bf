"""Decides what a message means while a question is open."""

from dataclasses import replace

from grammar import Command, Misread, Reason
from handlers.changes import Ask, Choice, DraftQuestion, Identity, Suggestion
from handlers.question import Caller, Outcome, Question, Reply
from handlers.values import Verbatim

LETTERS = "ABCDEF"
NO_TO_A_QUESTION = "BATAL"  # with none open it stops unasked messages, as elsewhere in the country


def resolve(parsed: Command | Misread, caller: Caller) -> Command | Misread:
    if caller.open is None:
        return parsed
    if isinstance(parsed, Command) and NO_TO_A_QUESTION in parsed.word.split():
        return replace(parsed, keyword="tidak")
    if isinstance(caller.open, Choice) and parsed.keyword is None and parsed.rest in tuple(LETTERS):
        return replace(caller.open.command, rest=parsed.rest)
    return parsed


def meant(parsed: Command | Misread, caller: Caller) -> Command | None:
    """Returns what YA says yes to, where we had asked whether it was meant."""
    if isinstance(caller.open, Suggestion) and parsed.keyword == "ya":
        return replace(caller.open.command, is_slip=False)
    return None


def is_settled(parsed: Command | Misread, caller: Caller, reply: Reply) -> bool:
    """Tells whether the open question got its answer, so that thanks are not taken for a new
    one."""
    if isinstance(caller.open, Suggestion):
        return parsed.keyword == "ya"
    is_asked_anew = any(isinstance(change, Ask) for change in reply.changes)
    return (
        isinstance(caller.open, Choice | DraftQuestion | Identity)
        and parsed.keyword == caller.open.command.keyword
        and not is_asked_anew
    )


def is_silent(parsed: Command | Misread, caller: Caller) -> bool:
    """Thanks need no answer, unless we wait for one."""
    is_courtesy = isinstance(parsed, Misread) and parsed.reason is Reason.COURTESY
    return is_courtesy and caller.open is None


def nothing_open(question: Question) -> Reply:
    usage = {"saldo": Verbatim(question.usage["saldo"])}
    return Reply(Outcome.UNKNOWN, "ya.nothing_open", usage)


def still_open(question: Question) -> Reply:
    """Asks the question once more: this was no answer to it."""
    asked = {"answer": Verbatim(question.caller.asked or "")}
    return Reply(Outcome.CONFIRM, "misread.still_open", asked)
