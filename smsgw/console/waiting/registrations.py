"""Registrations that need an officer: what was sent beside what the ledger holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from sqlalchemy import Row
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response

from handlers.changes import RegistrationForm
from handlers.ports import LedgerDown, Participant
from smsgw.backoffice import casework
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.casework import CaseworkError, RejectionWording
from smsgw.console import access, list_pages, reasons
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page
from smsgw.messaging.composer import Outgoing
from smsgw.operations import jobs
from smsgw.registry import bindings, freezes, registrations
from smsgw.storage.tables.phones import RegistrationState
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

ROWS = 50

blueprint = Blueprint("registrations", __name__, url_prefix="/waiting/registrations")
TAB = Tab(blueprint, "Registrations")
Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class ComparedField:
    """Holds one detail that was sent, and the ledger's value."""

    name: str
    sent: str
    in_ledger: str
    verdict: str
    is_same: bool | None  # None where there is nothing to compare


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Holds what the ledger says about the NKP that was sent."""

    is_up: bool = True
    participant: Participant | None = None


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    with access.rt().reading() as tx:
        listed = list_pages.read(partial(registrations.waiting, tx), ROWS)
        phones = {
            row.id: tx.opened(row.phone, Ciphertext.PHONE, row.phone_id, row.phone_hash) or ""
            for row in listed.rows
        }
        same = _letters(registrations.by_nkp(tx))
    return page("waiting/registrations.html", listed=listed, phones=phones, same=same)


@blueprint.get("/<id:registration_id>")
@access.needs(Permission.LOOK)
def one(registration_id: int) -> str:
    return _page(registration_id, **_details(registration_id))


@blueprint.post("/<id:registration_id>")
@access.needs(Permission.HELP)
def look(registration_id: int) -> Response:
    """Opens by an address, to which the browser can go back."""
    with access.rt().writing() as tx:
        row = _row(tx, registration_id)
        form = registrations.submitted_form(tx, row)
        if form is None:
            raise NotFound
        reasons.look(tx, phone_id=row.phone_id, message_id=row.message_id, nkp=form.nkp)
        registrations.record_look(tx, registration_id, access.operator().actor)
    reasons.keep_open("registration", registration_id)
    return redirect(url_for("console.registrations.one", registration_id=registration_id), 303)


@blueprint.post("/<id:registration_id>/accept")
@access.needs(Permission.HELP)
def accept(registration_id: int) -> Answer:
    reasons.close("registration", registration_id)
    reason = reasons.required_reason()
    with access.rt().reading() as tx:
        _row(tx, registration_id)
    try:
        sent = casework.accept(access.rt(), registration_id, access.operator().actor, reason)
    except LedgerDown:
        error = _("The ledger is unavailable. Nothing was changed. Try again in a moment.")
        return _page(registration_id, error=error, reason=reason), 503
    except CaseworkError as why:
        return _page(registration_id, error=_why(why), reason=reason), 409
    if sent is None:
        return _redirect(
            [],
            _("Approved. Some details differ from the ledger, so a second officer must decide."),
        )
    return _redirect(sent, _("The phone is registered. The person is notified by SMS."))


@blueprint.post("/<id:registration_id>/refuse")
@access.needs(Permission.HELP)
def refuse(registration_id: int) -> Answer:
    reasons.close("registration", registration_id)
    reason, wanted = reasons.required_reason(), request.form.get("refusal")
    if wanted not in set(RejectionWording):
        raise BadRequest
    with access.rt().reading() as tx:
        _row(tx, registration_id)
    try:
        sent = casework.refuse(
            access.rt(), registration_id, access.operator().actor, reason, RejectionWording(wanted)
        )
    except CaseworkError as why:
        return _page(registration_id, error=_why(why), reason=reason), 409
    return _redirect(sent, _("The registration is refused. The person is notified by SMS."))


def _details(registration_id: int) -> dict[str, Any]:
    """Returns what was sent beside what the ledger holds, which is asked when nothing is open."""
    if reasons.open_for("registration", registration_id) is None:
        return {}
    with access.rt().reading() as tx:
        row = _row(tx, registration_id)
        form = registrations.submitted_form(tx, row)
        number = tx.opened(row.phone, Ciphertext.PHONE, row.phone_id, row.phone_hash) or ""
    if form is None:
        return {}
    found = _ledger_entry(form.nkp)
    with access.rt().reading() as tx:
        is_frozen, bound = freezes.is_blocked(tx, form.nkp), bindings.bound_to(tx, form.nkp)
    compared = list(_comparison(form, number, found.participant))
    told_ = {"number": number, "found": found, "compared": compared}
    return {**told_, "is_frozen": is_frozen, "bound": bound}


def _letters(by_nkp: Mapping[str, Sequence[Row[Any]]]) -> dict[int, tuple[str, int]]:
    """Gives each registration that is not alone the letter of its NKP, and how many share it."""
    several = [rows for rows in by_nkp.values() if len(rows) > 1]
    return {
        row.id: (_letter(number), len(rows)) for number, rows in enumerate(several) for row in rows
    }


def _letter(number: int) -> str:
    letter = chr(ord("A") + number % 26)
    return letter if number < 26 else f"{letter}{number // 26}"


def _others(tx: Transaction, registration_id: int) -> list[tuple[Row[Any], str]]:
    """Returns the others that wait for the same NKP, with their phones."""
    found = registrations.by_nkp(tx).values()
    rows = next((each for each in found if registration_id in {row.id for row in each}), [])
    return [
        (row, tx.opened(row.phone, Ciphertext.PHONE, row.phone_id, row.phone_hash) or "")
        for row in rows
        if row.id != registration_id
    ]


def _redirect(sent: list[Outgoing], message: str) -> Response:
    for carrier, sender_id in {(each.carrier, each.sender_id) for each in sent}:
        jobs.hint(access.rt(), carrier, sender_id)
    flash(message)
    return redirect(url_for("console.registrations.show"), 303)


def _page(registration_id: int, **values: Any) -> str:
    with access.rt().reading() as tx:
        row = _row(tx, registration_id)
        number = tx.opened(row.phone, Ciphertext.PHONE, row.phone_id, row.phone_hash) or ""
        others = _others(tx, registration_id)
    return page(
        "waiting/registration.html",
        row=row,
        others=others,
        masked=number,
        waits=row.state == RegistrationState.WAITING,
        refusals=_refusals(),
        **values,
    )


def _row(tx: Transaction, registration_id: int) -> Row[Any]:
    row = registrations.one(tx, registration_id)
    if row is None:
        raise NotFound
    return row


def _ledger_entry(nkp: str) -> LedgerEntry:
    try:
        return LedgerEntry(participant=access.rt().ledger.participant(nkp))
    except LedgerDown:
        return LedgerEntry(is_up=False)


def _comparison(
    form: RegistrationForm, number: str, participant: Participant | None
) -> Iterator[ComparedField]:
    pairs = {
        "NKP": (form.nkp, participant.nkp if participant else None),
        "NIK": (form.nik, participant.nik if participant else None),
        _("Name"): (form.name, participant.name if participant else None),
        _("Birth date"): (
            _day(form.birth_date),
            _day(participant.birth_date if participant else None),
        ),
        _("E-mail"): (form.email, participant.email if participant else None),
        _("Phone"): (number, participant.phone if participant else None),
    }
    for name, (sent, there) in pairs.items():
        yield _side_by_side(name, sent, there)


def _side_by_side(name: str, sent: str | None, in_ledger: str | None) -> ComparedField:
    """Compares what was sent with the ledger. Letter case and blanks make no difference."""
    if not sent or not in_ledger:
        verdict = _("not sent") if not sent else _("not in the ledger")
        return ComparedField(name, sent or "–", in_ledger or "–", verdict, None)
    is_same = sent.casefold().split() == in_ledger.casefold().split()
    return ComparedField(name, sent, in_ledger, _("the same") if is_same else _("differs"), is_same)


def _day(day: date | None) -> str | None:
    return f"{day:%d-%m-%Y}" if day else None


def _refusals() -> dict[RejectionWording, str]:
    return {
        RejectionWording.VISIT: _(
            "Come to an office with KTP and card (discloses nothing about a participant)"
        ),
        RejectionWording.DIFFERS: _("The details do not match"),
        RejectionWording.NOT_FOUND: _("No participant has these details"),
    }


def _why(why: CaseworkError) -> str:
    match why:
        case casework.NotInLedger():
            return _("This NKP is not in the ledger, so it cannot be registered.")
        case casework.Frozen():
            return _("This participant is blocked by BUKAN SAYA. Unlock them under Locked first.")
        case casework.NotLooked():
            return _("Look at the details first.")
        case casework.SameOfficer():
            return _(
                "You have already agreed. Some details differ, so a second officer must decide."
            )
        case _:
            return _("Nothing was changed: another officer or the person has already decided.")
