"""Decides the answer to a message from a configuration, what is known of the phone, and the ledger.

Nothing is stored or sent here, so the same words serve whoever asks what would be answered.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from grammar import Command, Misread, normalise
from handlers import (
    HANDLERS,
    bound_participant,
    custom_keyword,
    disclosure,
    looks_up,
    misread,
    open_question,
)
from handlers.changes import Close, Consent, DraftQuestion, Identity, OpenQuestion
from handlers.ports import Ledger
from handlers.question import Caller, Question, Reply
from smsgw.configuration.compiler import Configuration


@dataclass(frozen=True, slots=True)
class Decided:
    """`said` is what was meant; `reply` is None where thanks are best left alone."""

    said: Command | Misread
    reply: Reply | None


def decide(
    configuration: Configuration,
    said: Command | Misread,
    text: str,
    caller: Caller,
    ledger: Ledger,
    now: datetime,
    unused_for: timedelta,
) -> Decided:
    """`said`: `text` as the configuration's grammar reads it; `now`: where the scheme is;
    `unused_for`: after which a binding has to be proven anew. Raises LedgerDown, after
    `meant` of the same arguments has told what was asked."""
    said = meant(configuration, said, text, caller)
    if open_question.is_silent(said, caller):
        return Decided(said, None)
    question = Question(said, caller, ledger, configuration.usage, now, unused_for)
    chosen = open_question.meant(said, caller)
    asked = replace(question, said=chosen) if chosen else question
    reply = disclosure.locked(asked) or _handled(asked, configuration)
    settled = (Close(),) if open_question.is_settled(said, caller, reply) else ()
    return Decided(said, replace(reply, changes=(*settled, *reply.changes)))


def meant(
    configuration: Configuration, said: Command | Misread, text: str, caller: Caller
) -> Command | Misread:
    """Returns what is said, to a phone with that question open."""
    return open_question.resolve(_completed(configuration, said, text, caller.open), caller)


def lookups(said: Command | Misread, caller: Caller) -> dict[str, set[str]]:
    """Returns what the ledger is likely to be asked for: NKPs by the name of a look-up."""
    named = said.fields.get("nkp")
    nkps = {str(named)} if named else set(caller.nkps)
    if isinstance(caller.open, Consent):
        nkps.add(caller.open.nkp)
    return dict.fromkeys(looks_up(said.keyword), nkps) if nkps else {}


def _completed(
    configuration: Configuration, said: Command | Misread, text: str, asked: OpenQuestion | None
) -> Command | Misread:
    """Returns what a message without a keyword adds to a registration that lacked something, or
    says to a question about the NIK."""
    if said.word and said.keyword != "ya":
        return said
    if isinstance(asked, Identity):  # "ya, 0003" answers it too
        digits = "".join(filter(str.isdecimal, normalise(text)))
        if len(digits) != bound_participant.IDENTITY_DIGITS:
            return said
        return replace(
            asked.command, fields={**asked.command.fields, bound_participant.PROOF: digits}
        )
    if said.word or not isinstance(asked, DraftQuestion):
        return said
    draft = asked.command
    completed = configuration.grammar.complete(draft.keyword, draft.fields, text)
    is_no_help = completed.fields == draft.fields and said.keyword is None
    return said if is_no_help else completed


def _handled(question: Question, configuration: Configuration) -> Reply:
    said = question.said
    if isinstance(said, Misread):
        return misread.answer(question)
    if said.is_slip and said.keyword in configuration.asked:
        return misread.suggest(question, said)
    if said.keyword in configuration.made:
        return custom_keyword.answer(question, said.keyword, configuration.made[said.keyword])
    return HANDLERS[said.keyword].answer(question)
