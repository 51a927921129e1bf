"""Shows the requests to delete data, and carries them out."""

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from sqlalchemy import Row
from werkzeug.wrappers import Response

from grammar import fold
from handlers.changes import CaseKind
from smsgw import phone
from smsgw.backoffice.accounts import Permission
from smsgw.console import access
from smsgw.console.menu import Tab
from smsgw.console.rendering import _
from smsgw.console.waiting import case_pages
from smsgw.console.waiting.case_pages import Answer
from smsgw.operations import jobs, retention
from smsgw.operations.retention import ERASED, NotErased, NotOpen
from smsgw.registry import cases

blueprint = Blueprint("data_requests", __name__, url_prefix="/waiting/requests")
TAB = Tab(blueprint, "Data requests")


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return case_pages.listed_cases(CaseKind.DATA_REQUEST)


@blueprint.get("/<number>")
@access.needs(Permission.LOOK)
def one(number: str) -> str:
    return _request(number)


@blueprint.post("/<number>")
@access.needs(Permission.HELP)
def look(number: str) -> Answer:
    case_pages.look(CaseKind.DATA_REQUEST, number)
    return redirect(url_for("console.data_requests.one", number=number), 303)


@blueprint.post("/<number>/erase")
@access.needs(Permission.HELP)
def erase(number: str) -> Answer:
    """Erases after the number is typed once more, since nothing brings the data back."""
    rt, typed = access.rt(), request.form.get("confirmed", "").strip()
    with rt.reading() as tx:
        case = case_pages.find(tx, CaseKind.DATA_REQUEST, number)
        number_of_phone = case_pages.number_of(tx, case)
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


@blueprint.post("/<number>/close")
@access.needs(Permission.HELP)
def close(number: str) -> Response:
    return case_pages.close(CaseKind.DATA_REQUEST, number, "console.data_requests.show")


def _request(number: str, **values: Any) -> str:
    with access.rt().reading() as tx:
        case = case_pages.find(tx, CaseKind.DATA_REQUEST, number)
    return case_pages.case_page("waiting/data_request.html", case, **values)


def _end_notice(case: Row[Any]) -> str:
    with access.rt().reading() as tx:
        is_erased = cases.count_answers(tx, case, ERASED) > 0
    return _("It has already been carried out.") if is_erased else _("It is already closed.")
