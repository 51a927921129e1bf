"""SALDO, SALDO 19012345678, SALDO B: the JHT balance of a participant bound to this phone."""

from datetime import timedelta

from handlers.disclosure import ask, is_on_file, not_linked, not_registered
from handlers.ports import Participant
from handlers.question import (
    Ask,
    Choice,
    Choices,
    Masked,
    Month,
    Outcome,
    Question,
    Reply,
    Value,
)

WORDINGS = {
    "balance": ("nkp", "as_of", "total", "status", "month"),
    "no_balance": ("nkp", "status"),
    "choose": ("choices", "count"),
}
CHOICE_LASTS = timedelta(minutes=10)


def answer(question: Question) -> Reply:
    nkp = question.nkp
    if nkp is None:
        return _own(question)
    participant = question.ledger.participant(nkp)
    if nkp in question.caller.nkps:
        return balance(question, nkp, participant)
    if is_on_file(participant, question.caller):
        return ask(nkp)
    return not_linked(nkp) if question.caller.nkps else not_registered(question)


def balance(question: Question, nkp: str, participant: Participant | None) -> Reply:
    held = question.ledger.balance(nkp)
    values: dict[str, Value] = {
        "nkp": Masked(nkp),
        "status": participant.status if participant else None,
    }
    if held is None or held.total is None:
        return Reply(Outcome.ANSWERED, "saldo.no_balance", values, about=nkp)
    last = question.ledger.last_contribution(nkp)
    values |= {
        "as_of": held.as_of,
        "total": held.total,
        "month": Month(last) if last else None,
    }
    return Reply(Outcome.ANSWERED, "saldo.balance", values, about=nkp)


def choose(nkps: tuple[str, ...]) -> Reply:
    values: dict[str, Value] = {"choices": Choices(nkps), "count": len(nkps)}
    return Reply(Outcome.CONFIRM, "saldo.choose", values, changes=(Ask(Choice(), CHOICE_LASTS),))


def _own(question: Question) -> Reply:
    nkps = question.caller.nkps
    if not nkps:
        return not_registered(question)
    chosen = nkps[0] if len(nkps) == 1 else _by_letter(question.said.rest, nkps)
    if chosen is None:
        return choose(nkps)
    return balance(question, chosen, question.ledger.participant(chosen))


def _by_letter(letter: str, nkps: tuple[str, ...]) -> str | None:
    """The NKP that a single letter names, as the question lists them."""
    index = ord(letter) - ord("A") if len(letter) == 1 else -1
    return nkps[index] if 0 <= index < len(nkps) else None
