"""Finds the phone's participant that a message asks for, before anything is disclosed.

SALDO                one bound: that one; several: A or B; none: how to register
SALDO <NKP or NIK>   bound: that one; on file for this phone: asks consent; else not linked
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from grammar import Command
from handlers import disclosure
from handlers.changes import Ask, Choice, Close, Identity, Lapse, Unbind, WrongIdentity, WrongNkp
from handlers.disclosure import OnFile
from handlers.ports import Participant
from handlers.question import Bound, Outcome, Question, Reply
from handlers.values import Choices, MaskedNkp, Moment, Value

WORDINGS = {
    "choose": ("choices", "count"),
    "not_yet": ("nkp", "starts"),
    "identity": ("nkp",),
    "identity_wrong": (),
    "no_identity": (),
}
IDENTITY_LASTS = timedelta(minutes=10)
IDENTITY_DIGITS, WRONG_ALLOWED = 4, 3
PROOF = "proof"  # the field of the digits that were answered
CHOICE_LASTS = timedelta(minutes=10)

Tell = Callable[[Question, Participant], Reply]


def answer(question: Question, tell: Tell) -> Reply:
    """Returns what `tell` says of the participant that is meant, once it is known to be this
    phone's."""
    if question.nkp is not None:
        return _answer_named(question, tell, [question.ledger.participant(question.nkp)])
    if question.nik is not None:
        return _answer_named(question, tell, list(question.ledger.participants_of(question.nik)))
    nkps = question.caller.nkps
    if not nkps:
        return disclosure.not_registered(question)
    chosen = nkps[0] if len(nkps) == 1 else _by_letter(question.said.rest, nkps)
    if chosen is None:
        return choose(question)
    return answer_for(question, tell, chosen, question.ledger.participant(chosen))


def choose(question: Question) -> Reply:
    nkps = question.caller.nkps
    command = question.said
    if not isinstance(command, Command):
        raise TypeError("only a command can be chosen for")
    return Reply(
        Outcome.CONFIRM,
        "own.choose",
        {"choices": Choices(nkps), "count": len(nkps)},
        changes=(Ask(Choice(replace(command, rest="")), CHOICE_LASTS),),
        shows=nkps,
    )


def _answer_named(question: Question, tell: Tell, found: list[Participant | None]) -> Reply:
    """Answers for the NKP or NIK in the message. "No such number" and "not yours" take the same
    path."""
    caller = question.caller
    participants = [each for each in found if each is not None]
    if question.nkp in caller.nkps:
        return answer_for(
            question, tell, question.nkp or "", participants[0] if participants else None
        )
    for participant in participants:
        if participant.nkp in caller.nkps:
            return answer_for(question, tell, participant.nkp, participant)
    for participant in participants:
        is_new = participant.nkp not in caller.former
        if is_new and disclosure.is_on_file(participant, caller):
            return disclosure.ask(participant.nkp)
    wrong = WrongNkp(question.nkp, is_issued=bool(participants)) if question.nkp else None
    if not caller.nkps:
        reply = disclosure.not_registered(question)
        return reply._replace(changes=(wrong,)) if wrong else reply
    return disclosure.not_linked(disclosure.guess(question.nkp or question.nik, wrong=wrong))


def answer_for(question: Question, tell: Tell, nkp: str, participant: Participant | None) -> Reply:
    """Answers if the participant may be disclosed. Everything that discloses data of a participant
    passes here. A binding lapses if the number on file is another one, but not while there is
    none."""
    bound = question.caller.binding(nkp)
    bound_with = bound.on_file if bound else None
    on_file = disclosure.number_on_file(participant, bound_with, question.caller.phone)
    if on_file is OnFile.ANOTHER:
        reply = disclosure.not_registered(question)
        return reply._replace(changes=(Lapse(nkp), *reply.changes))
    if participant is None or on_file is OnFile.UNCLEAR:
        return disclosure.number_unclear()
    if bound is not None and bound.tells_from is not None and question.now < bound.tells_from:
        starts = bound.tells_from.astimezone(question.now.tzinfo)
        values: dict[str, Value] = {"nkp": MaskedNkp(nkp), "starts": Moment(starts)}
        return Reply(Outcome.PENDING, "own.not_yet", values, shows=(nkp,))
    asked = _ask_identity(question, participant, bound)
    return asked or tell(question, participant)._replace(about=nkp)


def _ask_identity(
    question: Question, participant: Participant, bound: Bound | None
) -> Reply | None:
    """Asks for the last digits of the NIK if the phone was silent for long. Its number may belong
    to somebody else by now, who has no KTP to read them from."""
    if bound is None or bound.used_at is None:
        return None
    if question.now - bound.used_at < question.unused_for:
        return None
    wanted = (participant.nik or "")[-IDENTITY_DIGITS:]
    if len(wanted) < IDENTITY_DIGITS:
        return Reply(Outcome.LOCKED, "own.no_identity")
    if not isinstance(question.said, Command):
        raise TypeError("only a command can be proven for")
    digits, asked = question.text(PROOF), question.caller.open
    fields = {name: value for name, value in question.said.fields.items() if name != PROOF}
    command = replace(question.said, fields=fields)
    ask = Ask(Identity(command, bound.nkp), IDENTITY_LASTS)
    if digits is None or not isinstance(asked, Identity) or asked.nkp != bound.nkp:
        values: dict[str, Value] = {"nkp": MaskedNkp(bound.nkp)}
        return Reply(Outcome.CONFIRM, "own.identity", values, changes=(ask,), shows=(bound.nkp,))
    if digits == wanted:
        return None
    if bound.wrong_answers + 1 < WRONG_ALLOWED:
        changes = (WrongIdentity(bound.nkp), ask)
        return Reply(Outcome.NOT_LINKED, "own.identity_wrong", changes=changes)
    reply = disclosure.not_registered(question)
    return reply._replace(changes=(Unbind((bound.nkp,)), Close(), *reply.changes))


def _by_letter(letter: str, nkps: tuple[str, ...]) -> str | None:
    """Returns the NKP that a single letter stands for, as the question lists them."""
    index = ord(letter) - ord("A") if len(letter) == 1 else -1
    return nkps[index] if 0 <= index < len(nkps) else None
