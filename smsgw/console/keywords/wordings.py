"""Edits the wordings that belong to no keyword, in the same way as a keyword's."""

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from smsgw.backoffice.accounts import Permission
from smsgw.configuration import edits
from smsgw.configuration.document import KeywordsError, RawDocument
from smsgw.configuration.edits import WORDINGS, Clash, mapping
from smsgw.configuration.versions import Outdated
from smsgw.console import access
from smsgw.console.keywords import draft_form
from smsgw.console.keywords.draft_form import DraftView
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, is_htmx, page

blueprint = Blueprint("wordings", __name__, url_prefix="/wordings")
TAB = Tab(blueprint, "Wordings")
Answer = str | Response | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    view = draft_form.load_draft()
    sections = mapping(view.raw, WORDINGS)
    rows = [
        (name, len(mapping(sections, name)), view.change(WORDINGS, name), len(view.waiting(name)))
        for name in sections
    ]
    return page("keywords/wordings.html", rows=rows, titles=_titles())


@blueprint.get("/<name>")
@access.needs(Permission.LOOK)
def edit(name: str) -> str:
    view = draft_form.load_draft()
    return _page(view, name, view.require_part(WORDINGS, name))


@blueprint.post("/<name>")
@access.needs(Permission.DRAFT)
def save(name: str) -> Answer:
    try:
        draft_form.save_edit(WORDINGS, name, edits.texts)
    except (Clash, Outdated, KeywordsError) as error:
        return draft_form.show_again(error, WORDINGS, name, edits.texts, _page)
    flash(_("{name} is saved in the draft.", name=_titles().get(name, name)))
    return redirect(url_for("console.wordings.edit", name=name), 303)


@blueprint.post("/<name>/confirm")
@access.needs(Permission.DRAFT)
def confirm(name: str) -> Answer:
    try:
        flash(draft_form.confirm(WORDINGS, name))
    except Outdated:
        view = draft_form.load_draft()
        part = view.require_part(WORDINGS, name)
        return _page(view, name, part, error=draft_form.not_confirmed()), 409
    return redirect(url_for("console.wordings.edit", name=name), 303)


@blueprint.post("/<name>/preview")
@access.needs(Permission.DRAFT)
def preview(name: str) -> str:
    view = draft_form.load_draft()
    typed = edits.texts(view.require_part(WORDINGS, name), request.form)
    return _page(view, name, typed, was=request.form.get("was", ""))


def _page(view: DraftView, name: str, typed: RawDocument, **values: Any) -> str:
    values = {"was": edits.fingerprint(view.require_part(WORDINGS, name)), **values}
    return page(
        "keywords/_previewed.html" if is_htmx() else "keywords/wording_section.html",
        name=name,
        blocks=edits.blocks(typed, edits.wording_names(name, {})),
        waiting=view.waiting(name),
        preview=draft_form.preview_edit(view.raw, WORDINGS, name, typed),
        view=view,
        titles=_titles(),
        keys={},
        **values,
    )


def _titles() -> dict[str, str]:
    return {
        "disclosure": _("Access and disclosure"),
        "own": _("People with several cards"),
        "officer": _("Officers' decisions"),
        "misread": _("Unrecognised messages"),
        "notification": _("Notifications"),
    }
