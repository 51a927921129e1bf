"""Shows every configuration that was published: who, when, why and what changed. Restores one."""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from smsgw.backoffice.accounts import Permission
from smsgw.configuration import background_file, diff, lint, versions
from smsgw.configuration.background import PrivateMessage
from smsgw.configuration.versions import Doubt, NotPublished, Version
from smsgw.console import access, converters, list_pages
from smsgw.console.keywords.draft import as_file
from smsgw.console.list_pages import BEFORE
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page, translate_fault
from smsgw.storage.transaction import Transaction

ROWS = 50

blueprint = Blueprint("versions", __name__, url_prefix="/versions")
TAB = Tab(blueprint, "Versions")
Answer = str | BaseResponse | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    with access.rt().reading() as tx:
        rows, key = partial(versions.versions, tx), attrgetter("number")
        listed = list_pages.read(rows, ROWS, BEFORE, key=key, largest=converters.LARGEST_INTEGER)
        newest = versions.current(tx).number
    return page("keywords/versions.html", listed=listed, newest=newest)


@blueprint.get("/<id(digits=9):number>")
@access.needs(Permission.LOOK)
def one(number: int) -> str:
    return _page(number)


@blueprint.get("/<id(digits=9):number>/keywords.yaml")
@access.needs(Permission.LOOK)
def export(number: int) -> Response:
    with access.rt().reading() as tx:
        return as_file(_existing(tx, number).text, f"keywords-{number}.yaml")


@blueprint.post("/<id(digits=9):number>/back")
@access.needs(Permission.PUBLISH)
def bring_back(number: int) -> Answer:
    reason = request.form.get("reason", "")
    try:
        with access.rt().writing() as tx:
            _existing(tx, number)
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
        it = _existing(tx, number)
        before = versions.version(tx, number - 1) if number else None
        newest = versions.current(tx)
        has_draft = versions.draft(tx) is not None
        private = background_file.messages(tx)
    difference = diff.compare(before.text, it.text) if before else None
    values |= {"difference": difference, "newest": newest.number, "has_draft": has_draft}
    values["doubts"] = _doubts(it, newest, private)
    return page("keywords/version.html", it=it, **values)


def _doubts(it: Version, newest: Version, private: Sequence[PrivateMessage]) -> list[Doubt]:
    """Returns what to ask about before a version comes back; nothing for one that has faults now,
    which cannot."""
    if it.number == newest.number:
        return []
    read = lint.of(it.raw).publishable
    return versions.doubts(newest, read, private) if read else []


def _existing(tx: Transaction, number: int) -> Version:
    found = versions.version(tx, number)
    if found is None:
        raise NotFound
    return found
