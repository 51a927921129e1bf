"""Shows complaints, and lets officers answer them by SMS."""

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from sqlalchemy import Row
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from handlers.changes import CaseKind
from smsgw.backoffice import accounts, casework
from smsgw.backoffice.accounts import MAY, Permission
from smsgw.backoffice.casework import AnswerFault, TooLate
from smsgw.console import access, reasons
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, is_htmx, page
from smsgw.console.waiting import case_pages
from smsgw.console.waiting.case_pages import Answer
from smsgw.operations import jobs
from smsgw.registry import cases
from smsgw.storage.audit import Act
from smsgw.storage.transaction import Transaction

blueprint = Blueprint("complaints", __name__, url_prefix="/waiting/complaints")
TAB = Tab(blueprint, "Complaints")


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return case_pages.listed_cases(CaseKind.COMPLAINT)


@blueprint.get("/<number>")
@access.needs(Permission.LOOK)
def one(number: str) -> str:
    return _complaint(number)


@blueprint.post("/<number>")
@access.needs(Permission.HELP)
def look(number: str) -> Answer:
    """An answer that is half written stays in its form."""
    answer_text = request.form.get("said", "")
    case_pages.look(CaseKind.COMPLAINT, number)
    if answer_text.strip():
        return _complaint(number, said=answer_text)
    return redirect(url_for("console.complaints.one", number=number), 303)


@blueprint.post("/<number>/assign")
@access.needs(Permission.HELP)
def assign(number: str) -> Response:
    with access.rt().writing() as tx:
        case = case_pages.find(tx, CaseKind.COMPLAINT, number)
        names = {row.id: row.name for row in _helpers(tx)}
        to = request.form.get("to", 0, type=int)
        if to not in names:
            raise BadRequest
        is_done = cases.assign(tx, number, to)
        if is_done:
            case_pages.note(tx, Act.CASE_ASSIGNED, case, f"{number}: {names[to]}")
    name = names[to]
    flash(_("{name} is now responsible.", name=name) if is_done else _("It is already closed."))
    return redirect(url_for("console.complaints.one", number=number), 303)


@blueprint.post("/<number>/typed")
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


@blueprint.post("/<number>/answer")
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
        reasons.close("case", case_pages.find(tx, CaseKind.COMPLAINT, number).id)
    flash(_("The answer is queued."))
    return redirect(url_for("console.complaints.one", number=number), 303)


@blueprint.post("/<number>/close")
@access.needs(Permission.HELP)
def close(number: str) -> Response:
    return case_pages.close(CaseKind.COMPLAINT, number, "console.complaints.show")


def _complaint(number: str, **values: Any) -> str:
    with access.rt().reading() as tx:
        case = case_pages.find(tx, CaseKind.COMPLAINT, number)
        helpers = _helpers(tx)
        answers = cases.answers(tx, case, casework.ANSWERED)
    return case_pages.case_page(
        "waiting/complaint.html", case, helpers=helpers, answers=answers, **values
    )


def _helpers(tx: Transaction) -> list[Row[Any]]:
    """Returns operators who may handle a case."""
    operators = accounts.list_accounts(tx)
    return [
        row for row in operators if Permission.HELP in MAY[row.role] and row.disabled_at is None
    ]


def _preview(number: str, answer_text: str) -> casework.AnswerPreview:
    with access.rt().reading() as tx:
        case = case_pages.find(tx, CaseKind.COMPLAINT, number)
    return casework.preview_answer(access.rt().configuration, number, answer_text, case.language)


def _preview_values(typed: casework.AnswerPreview) -> dict[str, Any]:
    cost = typed.count.segments * access.rt().settings.segment_rupiah
    return {"typed": typed, "cost": cost, "fault": _fault(typed)}


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
