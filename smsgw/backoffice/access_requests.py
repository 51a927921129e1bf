"""Hands out the copy that an access request asks for: one person asks for it, another approves, and
the first makes the file.

The request is closed and the person notified once the copy is made. While the approval lasts, the
copy can be made again, if the file was lost for example.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from handlers.changes import CaseKind
from handlers.ports import LedgerDown
from handlers.values import Verbatim
from smsgw.backoffice import accounts, ownership
from smsgw.backoffice.personal_copy import record, sections
from smsgw.messaging.composer import Composer, Outgoing, call_centre
from smsgw.registry import case_exports, cases
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.transaction import Conflict, Transaction

READY = "data_saya.ready"
APPROVED_FOR = timedelta(days=1)
FORMAT = 1  # counts up when a section's fields change


class NotHandedOut(Exception):
    """Its text tells an operator why, and what to do."""


class NotApproved(NotHandedOut):
    """Says that a second person has to approve first."""


class SamePerson(NotHandedOut):
    """Says that who asked cannot approve."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Holds what is written to the file, how many entries each section has, and the SMS that tells
    the person, unless they were told before."""

    text: str
    counts: Mapping[str, int]
    sent: Outgoing | None


def ask(rt: Runtime, number: str, actor: str, reason: str) -> None:
    """Records that `actor` wants to make the copy. Raises NotHandedOut."""
    try:
        with rt.writing() as tx:
            case = _open_request(tx, number)
            case_exports.ask(tx, case.id, actor)
            _note(tx, Act.COPY_ASKED, case, actor, f"{number}: {reason}")
    except Conflict:
        raise NotHandedOut("somebody else has just asked; look again") from None


def ask_unless_approved(rt: Runtime, number: str, actor: str, reason: str) -> str | None:
    """Returns what the copy waits for; None where `actor` may make it now. Asks for it where nobody
    has. Raises NotHandedOut."""
    with rt.reading() as tx:
        case = _request(tx, number)
        asked = case_exports.one(tx, case.id)
        lapsed = asked is not None and (asked.approved_at or tx.now) < tx.now - APPROVED_FOR
    second = f"a second person has to approve: smsgw cases approve-export {number}"
    if asked is None or lapsed:
        ask(rt, number, actor, reason)
        return second
    if asked.asked_by != actor:
        return f"{asked.asked_by} asked for this copy, and makes it"
    return None if asked.approved_by is not None else second


def approve(rt: Runtime, number: str, actor: str, reason: str) -> str:
    """Approves what another person asked for, and returns who that is. Raises NotHandedOut."""
    with rt.writing() as tx:
        case = _open_request(tx, number)
        asked = case_exports.one(tx, case.id)
        if asked is None:
            raise NotHandedOut(f"nobody asked for this copy; see smsgw cases export {number}")
        if is_same_person(tx, actor, asked.asked_by):
            raise SamePerson(f"{asked.asked_by} asked for it: somebody else has to approve")
        if asked.approved_by is not None or not case_exports.approve(tx, asked, actor):
            raise NotHandedOut("it was approved before, or somebody has just asked anew")
        _note(tx, Act.COPY_APPROVED, case, actor, f"{number}: {reason}")
    return str(asked.asked_by)


def state(tx: Transaction, case: Row[Any]) -> Row[Any] | None:
    """Returns who asked for the copy and who approved it."""
    return case_exports.one(tx, case.id)


def is_same_person(tx: Transaction, actor: str, asked_by: str) -> bool:
    """Tells whether one person is behind both, as far as accounts tell: `ani` of the shell is the
    operator `ani`, and who let an operator in can be that operator."""
    by_name = actor.partition(":")[2] == asked_by.partition(":")[2]
    return (
        by_name
        or accounts.is_same_person(tx, actor, [asked_by])
        or accounts.is_same_person(tx, asked_by, [actor])
    )


def make_copy(rt: Runtime, number: str, actor: str, reason: str) -> Copy:
    """Collects the copy, closes the request and notifies the person. Raises NotHandedOut."""
    with rt.reading() as tx:
        case = _request(tx, number)
        _check_approval(tx, case, actor)
    try:
        owner = ownership.owner_of(rt, case.phone_id)
    except LedgerDown:
        raise NotHandedOut(
            "the ledger cannot be read, which says whose number it is; try again later"
        ) from None
    if owner is None:
        raise NotHandedOut("the phone's number is deleted: nothing is held of this person any more")
    with rt.reading() as tx:
        collected = sections.collect(tx, owner)
    counts = {name: len(entries) for name, entries in collected.items()}
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    sent = _close(rt, case, owner.number, actor, f"{number}: {reason} ({shown})")
    return Copy(_text(rt, number, owner.periods, collected), counts, sent)


def _close(rt: Runtime, case: Row[Any], recipient: str, actor: str, detail: str) -> Outgoing | None:
    """Records that the copy is made. Closes the request and notifies the person, unless that was
    done before. Raises NotApproved."""
    centre = call_centre(rt.ledger)
    with rt.writing() as tx:
        _check_approval(tx, case, actor)
        _note(tx, Act.COPY_MADE, case, actor, detail)
        if not cases.close(tx, case.number):
            return None
        composer = Composer(
            rt, tx, rt.configuration, centre, actor, case.message_id, language=case.language
        )
        text = composer.render(READY, {"number": Verbatim(case.number)})
        sent = composer.send_answer(case.phone_id, recipient, READY, text)
    rt.spend([(sent.recipient, sent.text)])
    return sent


def _check_approval(tx: Transaction, case: Row[Any], actor: str) -> None:
    """Raises NotApproved."""
    asked = case_exports.one(tx, case.id)
    if asked is None or asked.asked_by != actor:
        raise NotApproved("ask for the copy first")
    if asked.approved_by is None:
        raise NotApproved("nobody has approved it yet")
    if asked.approved_at < tx.now - APPROVED_FOR:
        raise NotApproved("the approval is older than a day; ask again")


def _request(tx: Transaction, number: str) -> Row[Any]:
    """Raises NotHandedOut."""
    case = cases.one(tx, CaseKind.ACCESS_REQUEST, number)
    if case is None:
        raise NotHandedOut(f"{number} is no access request; see smsgw cases list")
    return case


def _open_request(tx: Transaction, number: str) -> Row[Any]:
    case = _request(tx, number)
    if case.closed_at is not None:
        raise NotHandedOut(f"{number} is closed; the person can send DATA SAYA again")
    return case


def _text(
    rt: Runtime,
    number: str,
    periods: tuple[ownership.Period, ...],
    collected: dict[str, list[dict[str, Any]]],
) -> str:
    document = {
        "format": FORMAT,
        "request": number,
        "made_at": rt.local,
        "periods": [{"from": since, "until": until} for since, until in periods],
        "processing": record.processing(rt.settings),
        **collected,
    }
    zone = rt.settings.zone

    def plain(value: object) -> str:
        if isinstance(value, datetime):
            return value.astimezone(zone).isoformat()
        if isinstance(value, date):
            return value.isoformat()
        raise TypeError(f"the copy holds a {type(value).__name__}")

    return json.dumps(document, ensure_ascii=False, indent=2, default=plain) + "\n"


def _note(tx: Transaction, act: Act, case: Row[Any], actor: str, detail: str) -> None:
    ids = {"phone_id": case.phone_id, "message_id": case.message_id}
    audit.note(tx, act, actor, **ids, detail=detail)
