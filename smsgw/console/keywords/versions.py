"""Every configuration that was published: who, when, why, what changed; and the way back to it."""

from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from smsgw.backoffice.accounts import Permission
from smsgw.configuration import diff, document, lint, versions
from smsgw.configuration.versions import NotPublished, Version
from smsgw.console import access, converters
from smsgw.console.keywords.draft import as_file
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page, translate_fault
from smsgw.storage.transaction import Transaction

ROWS = 50
HIGHEST = converters.LARGEST_INTEGER

blueprint = Blueprint("versions", __name__, url_prefix="/versions")
TAB = Tab(blueprint, "Versions")
Answer = str | BaseResponse | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    before = converters.number(request.args, "before", HIGHEST) or HIGHEST
    with access.rt().reading() as tx:
        rows = versions.versions(tx, before, ROWS + 1)
        newest = versions.current(tx).number
    older = rows[ROWS - 1].number if len(rows) > ROWS else None
    shown = {"rows": rows[:ROWS], "older": older, "newest": newest}
    return page("keywords/versions.html", is_first=before == HIGHEST, **shown)


@blueprint.get("/<id(digits=9):number>")
@access.needs(Permission.LOOK)
def one(number: int) -> str:
    return _page(number)


@blueprint.get("/<id(digits=9):number>/keywords.yaml")
@access.needs(Permission.LOOK)
def export(number: int) -> Response:
    with access.rt().reading() as tx:
        return as_file(_found(tx, number).text, f"keywords-{number}.yaml")


@blueprint.post("/<id(digits=9):number>/back")
@access.needs(Permission.PUBLISH)
def bring_back(number: int) -> Answer:
    reason = request.form.get("reason", "")
    try:
        with access.rt().writing() as tx:
            _found(tx, number)
            actor, is_sure = access.operator().actor, "sure" in request.form
            made = versions.bring_back(tx, number, actor, reason, is_sure=is_sure)
    except NotPublished as error:
        return _page(number, error=translate_fault(str(error)), reason=reason), 409
    flash(
        _(
            "Version {made} is published, with the content of version {number}.",
            made=made,
            number=number,
        )
    )
    return redirect(url_for("console.versions.one", number=made), 303)


def _page(number: int, **values: Any) -> str:
    with access.rt().reading() as tx:
        it = _found(tx, number)
        before = versions.version(tx, number - 1) if number else None
        newest = versions.current(tx).number
        has_draft = versions.draft(tx) is not None
        doubts = _doubts(tx, it, newest)
    difference = diff.between(before.text, it.text) if before else None
    values |= {"difference": difference, "newest": newest, "has_draft": has_draft}
    values["doubts"] = doubts
    return page("keywords/version.html", it=it, **values)


def _doubts(tx: Transaction, it: Version, newest: int) -> list[lint.Doubt]:
    """Returns what to ask about before a version comes back; nothing for one that has faults now,
    which cannot."""
    if it.number == newest or lint.faults(document.upgrade(it.text)):
        return []
    return versions.doubts(tx, it.text)


def _found(tx: Transaction, number: int) -> Version:
    found = versions.version(tx, number)
    if found is None:
        raise NotFound
    return found
