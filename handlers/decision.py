"""Decides the answer to a message from the keywords in force, what is known of the phone, and the
ledger.

Nothing is stored or sent here, so the same words serve whoever asks what would be answered.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from grammar import NO, NO_FIELDS, YES, Command, Grammar, Misread, Reason, normalise
from handlers import (
    HANDLERS,
    bound_participant,
    custom_keyword,
    disclosure,
    looks_up,
    misread,
)
from handlers.changes import (
    Ask,
    Choice,
    Close,
    Consent,
    DraftQuestion,
    Identity,
    Suggestion,
)
from handlers.ports import Ledger
from handlers.question import Caller, CustomKeyword, Question, Reply

LETTERS = "ABCDEF"
SHORTEST_END, LONGEST_END = 2, 10  # digits that tell one NKP from another
NO_TO_A_QUESTION = "BATAL"  # with none open it stops unasked messages, as elsewhere in the country


class Keywords(Protocol):
    """The keywords in force."""

    @property
    def grammar(self) -> Grammar: ...

    @property
    def usage(self) -> Mapping[str, str]:
        """Returns how each is written, by its id."""

    @property
    def made(self) -> Mapping[str, CustomKeyword]:
        """Returns those that operators made without code, by their ids."""

    @property
    def asked(self) -> Set[str]:
        """Returns the ids of those that are asked first, in doubt."""


class Inquiry(NamedTuple):
    """A message and the phone it came from. `said`: `text` as the grammar of the keywords reads
    it."""

    keywords: Keywords
    said: Command | Misread
    text: str
    caller: Caller


class Decided(NamedTuple):
    """`said` is what was meant; `reply` is None where thanks are best left alone."""

    said: Command | Misread
    reply: Reply | None


def decide(inquiry: Inquiry, ledger: Ledger, now: datetime, unused_for: timedelta) -> Decided:
    """`now`: where the scheme is; `unused_for`: after which a binding has to be proven anew.
    Raises LedgerDown, after `meant` of the same inquiry has told what was asked."""
    keywords, caller = inquiry.keywords, inquiry.caller
    said = meant(inquiry)
    if _is_silent(said, caller):
        return Decided(said, None)
    chosen = confirmed(said, caller)
    question = Question(chosen or said, caller, ledger, keywords.usage, now, unused_for)
    reply = disclosure.locked(question) or _handled(question, keywords)
    if _is_settled(said, caller, reply):
        reply = reply._replace(changes=(Close(), *reply.changes))
    return Decided(said, _naming_also(reply, question.said))


def meant(inquiry: Inquiry) -> Command | Misread:
    """Returns what is said, to a phone with that question open."""
    return resolve(_completed(inquiry), inquiry.caller)


def lookups(said: Command | Misread, caller: Caller) -> dict[str, set[str]]:
    """Returns what the ledger is likely to be asked for: NKPs, or NIKs, by the name of a
    look-up."""
    said = confirmed(said, caller) or resolve(said, caller)
    nkp, nik = (said.fields.get(name) for name in ("nkp", "nik"))
    names = looks_up(said.keyword, said.fields)
    nkps = {str(nkp)} if nkp else set(caller.nkps)
    if isinstance(caller.open, Consent):
        nkps.add(caller.open.nkp)
    wanted = dict.fromkeys(names, nkps) if nkps else {}
    if nik and not nkp and names:
        wanted["participants_of"] = {str(nik)}
        wanted.pop("participant", None)
    return wanted


def resolve(said: Command | Misread, caller: Caller) -> Command | Misread:
    """Returns what is meant while the caller's question is open."""
    if isinstance(said, Misread) and caller.awaits_code and "code" in said.fields:
        return Command("kode", said.fields, "", said.rest)
    if caller.open is None:
        return said
    if isinstance(said, Command) and NO_TO_A_QUESTION in said.word.split():
        return replace(said, keyword="tidak")
    answer = said.as_answer
    if isinstance(caller.open, Choice) and answer is not None and answer in LETTERS:
        return replace(caller.open.command, rest=answer)
    if said.keyword == "lanjut" and caller.next_page is None:
        return Misread(Reason.UNKNOWN)  # "lanjutkan" says neither yes nor no
    if answer in (YES, NO):
        return Command(answer, NO_FIELDS, said.word, said.rest)
    return said


def confirmed(said: Command | Misread, caller: Caller) -> Command | None:
    """Returns what YA says yes to, where we had asked whether it was meant."""
    if isinstance(caller.open, Suggestion) and resolve(said, caller).keyword == YES:
        return replace(caller.open.command, is_slip=False)
    return None


def _completed(inquiry: Inquiry) -> Command | Misread:
    """Returns what a message without a keyword adds to a registration that lacked something, or
    says to a question about the NIK."""
    said, asked = inquiry.said, inquiry.caller.open
    if said.as_answer == NO:
        return said
    if isinstance(asked, Choice) and said.keyword in {None, asked.command.keyword}:
        return _with_chosen_nkp(asked.command, inquiry) or said
    if said.word and said.keyword != YES:
        return said
    if isinstance(asked, Identity):  # "ya, 0003" answers it too
        return _with_digits(asked.command, inquiry.text) or said
    if said.word or not isinstance(asked, DraftQuestion):
        return said
    draft = asked.command
    completed = inquiry.keywords.grammar.complete(draft.keyword, draft.fields, inquiry.text)
    is_no_help = completed.fields == draft.fields and said.keyword is None
    return said if is_no_help else completed


def _with_digits(command: Command, text: str) -> Command | None:
    digits = "".join(filter(str.isdecimal, normalise(text)))
    if len(digits) != bound_participant.IDENTITY_DIGITS:
        return None
    return replace(command, fields={**command.fields, bound_participant.PROOF: digits})


def _with_chosen_nkp(command: Command, inquiry: Inquiry) -> Command | None:
    """Returns the command for the NKP that ends as was answered: "yang 0025"."""
    numbers = re.findall(r"\d+", normalise(inquiry.text))
    if len(numbers) != 1 or not SHORTEST_END <= len(numbers[0]) <= LONGEST_END:
        return None
    letters = [
        letter
        for letter, nkp in zip(LETTERS, inquiry.caller.nkps, strict=False)
        if nkp.endswith(numbers[0])
    ]
    is_own = command.keyword != "kantor" and len(letters) == 1
    return replace(command, rest=letters[0]) if is_own else None


def _is_silent(said: Command | Misread, caller: Caller) -> bool:
    """Tells whether it is thanks, which need no answer unless we wait for one."""
    is_courtesy = isinstance(said, Misread) and said.reason is Reason.COURTESY
    return is_courtesy and caller.open is None


def _is_settled(said: Command | Misread, caller: Caller, reply: Reply) -> bool:
    """Tells whether the open question got its answer, so that thanks are not taken for a new
    one."""
    if isinstance(caller.open, Suggestion):
        return said.keyword == "ya"
    is_asked_anew = any(isinstance(change, Ask) for change in reply.changes)
    return (
        isinstance(caller.open, Choice | DraftQuestion | Identity)
        and said.keyword == caller.open.command.keyword
        and not is_asked_anew
    )


def _naming_also(reply: Reply, said: Command | Misread) -> Reply:
    """Offers every wording what else the sentence asked for."""
    also = said.also if isinstance(said, Command) else None
    return reply._replace(values={**reply.values, "also": also}) if also else reply


def _handled(question: Question, keywords: Keywords) -> Reply:
    said = question.said
    if isinstance(said, Misread):
        return misread.answer(question)
    if said.is_slip and said.keyword in keywords.asked:
        return misread.suggest(question, said)
    if said.keyword in keywords.made:
        return custom_keyword.answer(question, said.keyword, keywords.made[said.keyword])
    return HANDLERS[said.keyword].answer(question)
