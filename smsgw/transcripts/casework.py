"""Lets an officer act in a transcript: registrations, complaints, data requests, announcements."""

from datetime import timedelta

from handlers.changes import NotificationKind
from handlers.ports import LedgerDown
from smsgw.backoffice import access_requests, announcements, casework
from smsgw.backoffice.casework import RejectionWording
from smsgw.notifications.runs import Announcement
from smsgw.operations import retention
from smsgw.registry import cases, phones, registrations
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.notifications import Audience
from smsgw.storage.tables.security import Ciphertext
from smsgw.transcripts.format import Officer

WHY = "in a transcript"  # an officer's reason
SECOND = "operator:second"  # who approves a copy
MAX_WAITING = 1000
ANNOUNCED_FOR = timedelta(days=2)
# Why an officer could not do something, as `reason` says it.
NOT_DONE: dict[type[Exception], str] = {
    casework.TooLate: "not_waiting",
    casework.NotInLedger: "not_in_ledger",
    casework.Frozen: "frozen",
    casework.NotLooked: "not_looked",
    casework.SameOfficer: "same_officer",
    retention.NotErased: "not_waiting",
    access_requests.NotHandedOut: "not_waiting",
    announcements.NotAnnounced: "not_waiting",
    LedgerDown: "ledger_down",
}


class Unsendable(Exception):
    """Says why an officer may not send an answer."""


def carry_out(rt: Runtime, officer: Officer) -> str | None:
    """Returns why it could not be done; None where it was. Raises Unsendable."""
    actor = f"operator:{officer.by}"
    try:
        if officer.answer is not None:
            _answer(rt, officer.answer, officer.text or "", actor)
        elif officer.erase is not None:
            retention.erase(rt, officer.erase, actor)
        elif officer.announce is not None:
            _announce(rt, officer.announce, actor)
        elif officer.hand_out is not None:
            _make_copy(rt, officer.hand_out, actor)
        else:
            _decide(rt, _registration(rt, officer), officer, actor)
    except tuple(NOT_DONE) as error:
        return next(NOT_DONE[each] for each in type(error).__mro__ if each in NOT_DONE)
    return None


def _decide(rt: Runtime, registration_id: int, officer: Officer, actor: str) -> None:
    if officer.look is not None:
        _look(rt, registration_id, officer.look, actor)
    elif officer.accept is not None:
        casework.accept(rt, registration_id, actor, WHY)
    else:
        casework.refuse(rt, registration_id, actor, WHY, RejectionWording(officer.because))


def _make_copy(rt: Runtime, number: str, actor: str) -> None:
    access_requests.ask(rt, number, actor, WHY)
    access_requests.approve(rt, number, SECOND, WHY)
    access_requests.make_copy(rt, number, actor, WHY)


def _announce(rt: Runtime, text: str, actor: str) -> None:
    until = rt.now() + ANNOUNCED_FOR
    announcement = Announcement(text, text, Audience.ALL, None, until)
    announcements.announce(rt, NotificationKind.BALANCE, announcement, actor)


def _answer(rt: Runtime, number: str, text: str, actor: str) -> None:
    with rt.reading() as tx:
        case = cases.open_one(tx, number)
        if case is None:
            raise casework.TooLate
        language = phones.language_of(tx, case.phone_id)
        after = cases.count_answers(tx, case, casework.ANSWERED)
    fault = casework.preview_answer(rt.configuration, number, text, language).fault
    if fault is not None:
        raise Unsendable(f"officer: this answer cannot be sent ({fault})")
    casework.answer(rt, number, text, actor, after=after, closes=True)


def _registration(rt: Runtime, officer: Officer) -> int:
    """Returns the id of the registration that waits. Raises TooLate."""
    with rt.reading() as tx:
        for row in registrations.waiting(tx, 0, MAX_WAITING):
            number = tx.vault.decrypt(row.phone, Ciphertext.PHONE, row.phone_hash)
            form = registrations.submitted_form(tx, row)
            is_theirs = officer.sender in {None, number}
            if form is not None and form.nkp == officer.nkp and is_theirs:
                return int(row.id)
    raise casework.TooLate


def _look(rt: Runtime, registration_id: int, nkp: str, actor: str) -> None:
    with rt.writing() as tx:
        row = registrations.one(tx, registration_id)
        if row is None:
            raise casework.TooLate
        audit.note(
            tx,
            Act.LOOKED,
            actor,
            phone_id=row.phone_id,
            message_id=row.message_id,
            nkp=nkp,
            detail=WHY,
        )
        registrations.record_look(tx, registration_id, actor)
