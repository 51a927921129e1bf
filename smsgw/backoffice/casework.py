"""Carries out what officers decide for people who wait, and notifies them by SMS.

What stands in the way is raised and nothing is changed then; each decision is made once, whoever
else makes one at that instant.
"""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from handlers.changes import RegistrationForm
from handlers.ports import Participant
from handlers.values import MaskedNkp, Moment, Value, Verbatim
from smsgw import gsm7
from smsgw.configuration.compiler import Configuration
from smsgw.messaging.composer import Composer, Outgoing, call_centre
from smsgw.registry import bindings, cases, freezes, phone_state, registration_codes, registrations
from smsgw.registry.phone_state import PhoneState
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.messages import Priority, ReplyState
from smsgw.storage.tables.phones import RegistrationState
from smsgw.storage.transaction import Conflict

ACCEPTED, ANSWERED = "officer.accepted", cases.ANSWERED
NOT_ARRIVED = {ReplyState.REFUSED, ReplyState.UNDELIVERED, ReplyState.EXPIRED}
# A campaign's link was taken for phishing, and that is what people are to think of links.
LINK = re.compile(r"://|www\.|[a-z0-9]\.[a-z]{2,}", re.IGNORECASE)


class CaseworkError(Exception):
    """Says why nothing was changed."""


class TooLate(CaseworkError):
    """Says that another officer, or the person, was first."""


class AnsweredMeanwhile(CaseworkError):
    """Says that another answer was sent since the case was looked at."""


class AnswerRepeated(CaseworkError):
    """Says that the same answer was sent before."""


class NotInLedger(CaseworkError):
    """Says that the ledger has no such NKP."""


class Frozen(CaseworkError):
    """Says that somebody sent BUKAN SAYA for this participant."""


class NotLooked(CaseworkError):
    """Says that this officer has not viewed what was sent."""


class SameOfficer(CaseworkError):
    """Says that something differs from the ledger, so a second officer has to accept."""


class RejectionWording(StrEnum):
    """Names the wordings of a rejection. The first discloses nothing about a participant to a
    stranger."""

    VISIT = "visit"
    DIFFERS = "differs"
    NOT_FOUND = "not_found"


class AnswerFault(StrEnum):
    """Says why an officer's answer cannot be sent."""

    EMPTY = "empty"
    LINK = "link"
    CHARACTERS = "characters"  # that do not reach the person as they are, nor anything like them
    LONG = "long"


@dataclass(frozen=True, slots=True)
class AnswerPreview:
    """Holds an answer as it would be sent."""

    text: str
    count: gsm7.Count
    budget: int  # segments
    fault: AnswerFault | None
    character: str | None  # the first that does not reach the person as it is


def accept(rt: Runtime, registration_id: int, actor: str, reason: str) -> list[Outgoing] | None:
    """Binds the phone as its code would have, though it is told nothing for some hours; returns
    what is to be sent. None where something differs from the ledger, and a second officer has to
    agree. Raises NotDone and LedgerDown."""
    form, participant = _requested(rt, registration_id)
    nkp = participant.nkp
    with _write_composer(rt, actor) as composer:
        if not _is_agreed(composer, registration_id, form, participant, reason):
            return None
        known, composer = _decide(composer, registration_id, RegistrationState.ACCEPTED)
        registration_codes.lock(
            composer.tx, composer.tx.vault.hash(nkp, "nkp")
        )  # after the phone, as everywhere
        if freezes.is_blocked(composer.tx, nkp):
            raise Frozen
        tells_from = composer.tx.now + rt.settings.officer_wait
        values: dict[str, Value] = {
            "nkp": MaskedNkp(nkp),
            "starts": Moment(tells_from.astimezone(rt.settings.zone)),
        }
        text = composer.render(ACCEPTED, values)
        notices = bindings.bind(
            composer.tx,
            known,
            nkp,
            consent=text,
            on_file=participant.phone,
            tells_from=tells_from,
            actor=actor,
        )
        binding_id = bindings.binding_id(composer.tx, known, nkp)
        sent = [_send_answer(composer, known, ACCEPTED, text, binding_id)]
        composer.log_disclosure(known.phone_id, nkp, ACCEPTED)
        _note(composer, Act.ACCEPTED, known, reason, nkp)
        sent += [composer.send_notice(each, Priority.SCHEDULED) for each in notices]
    return _spent(rt, sent)


def differs(form: RegistrationForm, participant: Participant) -> bool:
    """Tells whether the NIK, the birth date, or the name if one was given, is another in the
    ledger."""
    sent_name, ledger_name = form.name or "", participant.name or ""
    is_same_name = not sent_name or sent_name.casefold().split() == ledger_name.casefold().split()
    is_same = (form.nik, form.birth_date) == (participant.nik, participant.birth_date)
    return not is_same or not is_same_name


def _is_agreed(
    composer: Composer,
    registration_id: int,
    form: RegistrationForm,
    participant: Participant,
    reason: str,
) -> bool:
    """Tells whether as many officers agree as are needed. Raises NotLooked, SameOfficer and
    TooLate."""
    row = registrations.one(composer.tx, registration_id)
    if row is None or row.state != RegistrationState.WAITING:
        raise TooLate
    if not registrations.has_looked(composer.tx, registration_id, composer.actor):
        raise NotLooked
    if not differs(form, participant):
        return True
    if row.agreed_by == composer.actor:
        raise SameOfficer
    if row.agreed_by is not None:
        return True
    registrations.agree(composer.tx, registration_id, composer.actor)
    about = {"phone_id": row.phone_id, "message_id": row.message_id, "nkp": participant.nkp}
    audit.note(composer.tx, Act.AGREED, composer.actor, detail=reason, **about)
    return False


def refuse(
    rt: Runtime, registration_id: int, actor: str, reason: str, refusal: RejectionWording
) -> list[Outgoing]:
    """Raises NotDone."""
    wording = f"officer.{refusal}"
    with _write_composer(rt, actor) as composer:
        known, composer = _decide(composer, registration_id, RegistrationState.REFUSED)
        sent = _send_answer(composer, known, wording, composer.render(wording, {}))
        _note(composer, Act.REFUSED, known, f"{refusal}: {reason}")
    return _spent(rt, [sent])


def answer(
    rt: Runtime, number: str, text: str, actor: str, *, after: int, closes: bool
) -> list[Outgoing]:
    """Answers a complaint that was answered `after` times before, so that each answer is sent once,
    however often it is clicked. The text has no fault. Raises NotDone."""
    with _write_composer(rt, actor) as composer:
        case = cases.open_one(composer.tx, number)
        known = phone_state.lock(composer.tx, case.phone_id) if case else None
        if case is None or known is None:
            raise TooLate
        if cases.count_answers(composer.tx, case, ANSWERED) != after:
            raise AnsweredMeanwhile
        composer = composer._replace(message_id=case.message_id, language=known.language)
        if closes and not cases.close(composer.tx, number):
            raise TooLate
        preview = preview_answer(composer.configuration, number, text, known.language)
        if _was_sent(composer, case, preview.text):
            raise AnswerRepeated
        sent = _send_answer(composer, known, ANSWERED, preview.text)
        _note(composer, Act.CASE_ANSWERED, known, number)
        if closes:
            _note(composer, Act.CASE_CLOSED, known, f"{number}: answered")
    return _spent(rt, [sent])


def preview_answer(
    configuration: Configuration, number: str, answer_text: str, language: str
) -> AnswerPreview:
    """Returns what an officer types, as the person who wrote `number` will read it."""
    answer_text = " ".join(answer_text.split())
    plain, budget = gsm7.to_gsm7(answer_text), configuration.budget(ANSWERED)
    text = configuration.text(
        ANSWERED, {"number": Verbatim(number), "answer": Verbatim(plain)}, language
    )
    counted, character = gsm7.count(text), next(filter(is_lost, answer_text), None)
    faults = {
        AnswerFault.EMPTY: not answer_text,
        AnswerFault.LINK: LINK.search(plain) is not None,
        AnswerFault.CHARACTERS: character is not None,
        AnswerFault.LONG: counted.segments > budget,
    }
    fault = next((each for each, is_so in faults.items() if is_so), None)
    return AnswerPreview(text, counted, budget, fault, character)


def _was_sent(composer: Composer, case: Row[Any], text: str) -> bool:
    """Tells whether this answer was sent before, apart from marks and letter case: a browser may
    submit the form again, on a page that counts the first one. An answer that did not arrive may be
    sent again."""
    before = cases.answers(composer.tx, case, ANSWERED)
    sent = {_letters(each) for _, state, each in before if state not in NOT_ARRIVED}
    return _letters(text) in sent


def _letters(text: str) -> str:
    return "".join(each for each in text.casefold() if each.isalnum())


def is_lost(character: str) -> bool:
    """Quotes, dashes and accents have a plain form that says the same; these have not."""
    is_control = unicodedata.category(character) == "Cc"
    sent = gsm7.to_gsm7(character)
    return is_control or character in gsm7.EXTENSION or ("?" in sent and character != "?")


def _requested(rt: Runtime, registration_id: int) -> tuple[RegistrationForm, Participant]:
    """Reads the registration and its participant before the write, so no transaction waits for the
    ledger."""
    with rt.reading() as tx:
        row = registrations.one(tx, registration_id)
        form = registrations.submitted_form(tx, row) if row else None
    if form is None:
        raise TooLate
    participant = rt.ledger.participant(form.nkp)
    if participant is None:
        raise NotInLedger
    return form, participant


@contextmanager
def _write_composer(rt: Runtime, actor: str) -> Iterator[Composer]:
    centre = call_centre(rt.ledger)
    try:
        with rt.writing() as tx:
            yield Composer(rt, tx, rt.configuration, centre, actor)
    except Conflict:
        raise TooLate from None


def _decide(
    composer: Composer, registration_id: int, state: RegistrationState
) -> tuple[PhoneState, Composer]:
    """Locks the phone first, as an incoming message does, then decides the registration."""
    row = registrations.one(composer.tx, registration_id)
    known = phone_state.lock(composer.tx, row.phone_id) if row else None
    if (
        row is None
        or known is None
        or not registrations.decide(composer.tx, registration_id, state)
    ):
        raise TooLate
    return known, composer._replace(message_id=row.message_id, language=known.language)


def _send_answer(
    composer: Composer, known: PhoneState, wording: str, text: str, binding_id: int | None = None
) -> Outgoing:
    return composer.send_answer(known.phone_id, known.caller.phone, wording, text, binding_id)


def _spent(rt: Runtime, sent: list[Outgoing]) -> list[Outgoing]:
    rt.spend((each.recipient, each.text) for each in sent)
    return sent


def _note(
    composer: Composer, act: Act, known: PhoneState, detail: str, nkp: str | None = None
) -> None:
    audit.note(
        composer.tx,
        act,
        composer.actor,
        phone_id=known.phone_id,
        message_id=composer.message_id,
        nkp=nkp,
        detail=detail,
    )
