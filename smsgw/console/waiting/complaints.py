"""Complaints and data requests: what a person has to see to, with the time there is for it."""

from datetime import datetime
from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from sqlalchemy import Row
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response

from grammar import fold
from handlers.changes import CaseKind
from smsgw import phone
from smsgw.backoffice import accounts, casework
from smsgw.backoffice.accounts import MAY, Permission
from smsgw.backoffice.casework import AnswerFault, TooLate
from smsgw.console import access, list_pages, reasons
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, is_htmx, page
from smsgw.operations import jobs, retention
from smsgw.operations.retention import ERASED, NotErased, NotOpen
from smsgw.registry import cases
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

ROWS = 50

complaints = Blueprint("complaints", __name__, url_prefix="/waiting/complaints")
requests = Blueprint("data_requests", __name__, url_prefix="/waiting/requests")
COMPLAINTS, REQUESTS = Tab(complaints, "Complaints"), Tab(requests, "Data requests")
Answer = str | Response | tuple[str, int]


@complaints.get("/", endpoint="show")
@access.needs(Permission.LOOK)
def show_complaints() -> str:
    return _list(CaseKind.COMPLAINT)


@complaints.get("/<number>", endpoint="one")
@access.needs(Permission.LOOK)
def one_complaint(number: str) -> str:
    return _complaint(number)


@complaints.post("/<number>", endpoint="look")
@access.needs(Permission.HELP)
def look_complaint(number: str) -> Answer:
    """An answer that is half written stays in its form."""
    answer_text = request.form.get("said", "")
    _look(CaseKind.COMPLAINT, number)
    if answer_text.strip():
        return _complaint(number, said=answer_text)
    return redirect(url_for("console.complaints.one", number=number), 303)


@complaints.post("/<number>/assign")
@access.needs(Permission.HELP)
def assign(number: str) -> Response:
    with access.rt().writing() as tx:
        case = _case(tx, CaseKind.COMPLAINT, number)
        names = {row.id: row.name for row in _helpers(tx)}
        to = request.form.get("to", 0, type=int)
        if to not in names:
            raise BadRequest
        is_done = cases.assign(tx, number, to)
        if is_done:
            _note(tx, Act.CASE_ASSIGNED, case, f"{number}: {names[to]}")
    name = names[to]
    flash(_("{name} is now responsible.", name=name) if is_done else _("It is already closed."))
    return redirect(url_for("console.complaints.one", number=number), 303)


@complaints.post("/<number>/typed")
@access.needs(Permission.HELP)
def typed(number: str) -> str:
    """Returns how an answer will look and what it costs, while it is written."""
    answer_text = request.form.get("said", "")
    preview = _preview(number, answer_text)
    if is_htmx():
        return page("waiting/_answer_preview.html", **_preview_values(preview))
    return _complaint(
        number, said=answer_text, closes="closes" in request.form, **_preview_values(preview)
    )


@complaints.post("/<number>/answer")
@access.needs(Permission.HELP)
def answer(number: str) -> Answer:
    answer_text, closes = request.form.get("said", ""), "closes" in request.form
    after = request.form.get("answers", -1, type=int)
    preview = _preview(number, answer_text)
    if preview.fault is not None:
        error = _("The answer was not sent. {why}", why=_fault(preview))
        return _complaint(number, error=error, said=answer_text, **_preview_values(preview)), 400
    try:
        actor = access.operator().actor
        sent = casework.answer(access.rt(), number, answer_text, actor, after=after, closes=closes)
    except casework.AnsweredMeanwhile:
        error = _(
            "Your answer was not sent: another answer was sent in the meantime. It is shown below."
        )
        return _complaint(number, error=error, said=answer_text, **_preview_values(preview)), 409
    except casework.AnswerRepeated:
        error = _("This answer was already sent, as shown below. It was not sent again.")
        return _complaint(number, error=error, said=answer_text, **_preview_values(preview)), 409
    except TooLate:
        error = _("Nothing was sent: the case has just been closed.")
        return _complaint(number, error=error, said=answer_text, **_preview_values(preview)), 409
    for each in sent:
        jobs.hint(access.rt(), each.carrier, each.sender_id)
    with access.rt().reading() as tx:
        reasons.close("case", _case(tx, CaseKind.COMPLAINT, number).id)
    flash(_("The answer is queued."))
    return redirect(url_for("console.complaints.one", number=number), 303)


@complaints.post("/<number>/close", endpoint="close")
@access.needs(Permission.HELP)
def close_complaint(number: str) -> Response:
    return _close(CaseKind.COMPLAINT, number, "console.complaints.show")


@requests.get("/", endpoint="show")
@access.needs(Permission.LOOK)
def show_requests() -> str:
    return _list(CaseKind.DATA_REQUEST)


@requests.get("/<number>", endpoint="one")
@access.needs(Permission.LOOK)
def one_request(number: str) -> str:
    return _request(number)


@requests.post("/<number>", endpoint="look")
@access.needs(Permission.HELP)
def look_request(number: str) -> Answer:
    _look(CaseKind.DATA_REQUEST, number)
    return redirect(url_for("console.data_requests.one", number=number), 303)


@requests.post("/<number>/erase")
@access.needs(Permission.HELP)
def erase(number: str) -> Answer:
    """Erases after the number is typed once more, since nothing brings the data back."""
    rt, typed = access.rt(), request.form.get("confirmed", "").strip()
    with rt.reading() as tx:
        case = _case(tx, CaseKind.DATA_REQUEST, number)
        number_of_phone = _phone(tx, case)
    if fold(typed).strip().upper() != number and (
        not number_of_phone or phone.e164(typed) != number_of_phone
    ):
        error = _("Nothing was erased: this is neither the request's number nor the phone's.")
        return _request(number, error=error, confirmed=typed), 400
    try:
        retention.erase(rt, number, access.operator().actor)
    except NotOpen:
        return _request(number, error=_end_notice(case)), 409
    except NotErased:
        error = _("Nothing was erased: an SMS to this phone is being sent or unresolved.")
        return _request(number, error=error, confirmed=typed), 409
    jobs.hint(rt, rt.default_carrier.name, rt.default_carrier.default_sender_id)
    flash(_("{number} is complete. The person is notified by SMS.", number=number))
    return redirect(url_for("console.data_requests.show"), 303)


@requests.post("/<number>/close", endpoint="close")
@access.needs(Permission.HELP)
def close_request(number: str) -> Response:
    return _close(CaseKind.DATA_REQUEST, number, "console.data_requests.show")


def _list(kind: CaseKind) -> str:
    """Returns those that wait, or those that are closed."""
    is_closed = "closed" in request.args
    with access.rt().reading() as tx:
        listed = list_pages.read(
            partial(cases.closed if is_closed else cases.waiting, tx, kind), ROWS
        )
        phones = {row.id: _phone(tx, row) for row in listed.rows}
        now = tx.now
    return page(
        "waiting/cases.html",
        kind=str(kind),
        rows=[(row, phones[row.id], _due(row)) for row in listed.rows],
        listed=listed,
        now=now,
        is_closed=is_closed,
        kept={"closed": 1} if is_closed else {},
    )


def _complaint(number: str, **values: Any) -> str:
    with access.rt().reading() as tx:
        case = _case(tx, CaseKind.COMPLAINT, number)
        helpers = _helpers(tx)
        answers = cases.answers(tx, case, casework.ANSWERED)
    return _page("waiting/complaint.html", case, helpers=helpers, answers=answers, **values)


def _request(number: str, **values: Any) -> str:
    with access.rt().reading() as tx:
        case = _case(tx, CaseKind.DATA_REQUEST, number)
    return _page("waiting/data_request.html", case, **values)


def _page(template: str, case: Row[Any], **values: Any) -> str:
    is_read = reasons.open_for("case", case.id) is not None
    with access.rt().reading() as tx:
        masked, now = phone.mask(_phone(tx, case)), tx.now
        case_text = cases.case_text(tx, case) if is_read else None
    shown = {"case": case, "masked": masked, "due": _due(case), "now": now, "case_text": case_text}
    return page(template, **shown, **values)


def _look(kind: CaseKind, number: str) -> None:
    with access.rt().writing() as tx:
        case = _case(tx, kind, number)
        reasons.look(tx, phone_id=case.phone_id, message_id=case.message_id)
    reasons.keep_open("case", case.id)


def _end_notice(case: Row[Any]) -> str:
    with access.rt().reading() as tx:
        is_erased = cases.count_answers(tx, case, ERASED) > 0
    return _("It has already been carried out.") if is_erased else _("It is already closed.")


def _close(kind: CaseKind, number: str, endpoint: str) -> Response:
    reason = reasons.required_reason()
    with access.rt().writing() as tx:
        case = _case(tx, kind, number)
        is_done = cases.close(tx, number)
        if is_done:
            _note(tx, Act.CASE_CLOSED, case, f"{number}: {reason}")
    reasons.close("case", case.id)
    closed = _("{number} is closed.", number=number)
    flash(closed if is_done else _("It is already closed."))
    return redirect(url_for(endpoint), 303)


def _case(tx: Transaction, kind: CaseKind, number: str) -> Row[Any]:
    case = cases.one(tx, kind, number)
    if case is None:
        raise NotFound
    return case


def _phone(tx: Transaction, case: Row[Any]) -> str:
    return tx.opened(case.phone, Ciphertext.PHONE, case.phone_id, case.phone_hash) or ""


def _due(case: Row[Any]) -> datetime:
    settings = access.rt().settings
    return cases.due(case.kind, case.opened_at.astimezone(settings.zone), settings.holidays)


def _helpers(tx: Transaction) -> list[Row[Any]]:
    """Returns operators who may handle a case."""
    operators = accounts.list_accounts(tx)
    return [
        row for row in operators if Permission.HELP in MAY[row.role] and row.disabled_at is None
    ]


def _preview(number: str, answer_text: str) -> casework.AnswerPreview:
    with access.rt().reading() as tx:
        case = _case(tx, CaseKind.COMPLAINT, number)
    return casework.preview_answer(access.rt().configuration, number, answer_text, case.language)


def _preview_values(typed: casework.AnswerPreview) -> dict[str, Any]:
    cost = typed.count.segments * access.rt().settings.segment_rupiah
    return {"typed": typed, "cost": cost, "fault": _fault(typed)}


def _note(tx: Transaction, act: Act, case: Row[Any], detail: str) -> None:
    ids = {"phone_id": case.phone_id, "message_id": case.message_id}
    audit.note(tx, act, access.operator().actor, **ids, detail=detail)


def _fault(typed: casework.AnswerPreview) -> str | None:
    if typed.fault is None:
        return None
    wrong = typed.character or ""
    wrong = wrong if wrong.isprintable() else f"U+{ord(wrong):04X}"
    return {
        AnswerFault.EMPTY: _("There is no text."),
        AnswerFault.LINK: _("An SMS must not contain links. Put a space after each full stop."),
        AnswerFault.CHARACTERS: _(
            "An SMS cannot contain this character: {character}", character=wrong
        ),
        AnswerFault.LONG: _("It is too long."),
    }[typed.fault]
