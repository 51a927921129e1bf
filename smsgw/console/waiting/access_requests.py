"""Shows the requests for a copy of one's data, and lets a second person approve a copy."""

from flask import Blueprint, flash, redirect, url_for
from werkzeug.wrappers import Response

from handlers.changes import CaseKind
from smsgw.backoffice import access_requests
from smsgw.backoffice.access_requests import NotHandedOut, SamePerson
from smsgw.backoffice.accounts import Permission
from smsgw.console import access, reasons
from smsgw.console.menu import Tab
from smsgw.console.rendering import _
from smsgw.console.waiting import case_pages
from smsgw.console.waiting.case_pages import Answer

blueprint = Blueprint("access_requests", __name__, url_prefix="/waiting/copies")
TAB = Tab(blueprint, "Access requests")


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return case_pages.listed_cases(CaseKind.ACCESS_REQUEST)


@blueprint.get("/<number>")
@access.needs(Permission.LOOK)
def one(number: str) -> str:
    return _request(number)


@blueprint.post("/<number>")
@access.needs(Permission.HELP)
def look(number: str) -> Answer:
    case_pages.look(CaseKind.ACCESS_REQUEST, number)
    return redirect(url_for("console.access_requests.one", number=number), 303)


@blueprint.post("/<number>/approve")
@access.needs(Permission.HELP)
def approve(number: str) -> Answer:
    reason = reasons.required_reason()
    try:
        asked_by = access_requests.approve(access.rt(), number, access.operator().actor, reason)
    except SamePerson:
        error = _("You asked for this copy, so somebody else has to approve it.")
        return _request(number, error=error), 409
    except NotHandedOut:
        return _request(number, error=_("There is nothing to approve any more.")), 409
    flash(_("{name} can make the copy within a day.", name=asked_by))
    return redirect(url_for("console.access_requests.one", number=number), 303)


@blueprint.post("/<number>/close")
@access.needs(Permission.HELP)
def close(number: str) -> Response:
    return case_pages.close(CaseKind.ACCESS_REQUEST, number, "console.access_requests.show")


def _request(number: str, **values: object) -> str:
    with access.rt().reading() as tx:
        case = case_pages.find(tx, CaseKind.ACCESS_REQUEST, number)
        asked = access_requests.state(tx, case)
        actor = access.operator().actor
        is_mine = asked is not None and access_requests.is_same_person(tx, actor, asked.asked_by)
    return case_pages.case_page(
        "waiting/access_request.html", case, asked=asked, is_mine=is_mine, **values
    )
