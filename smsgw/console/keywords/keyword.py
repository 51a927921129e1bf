"""Shows and edits the keywords of the draft: each as its poster prints it, with all its replies.

Beside what is typed stands what it will look like and cost; with scripts at every pause, without
them when asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from grammar.slots import KINDS
from handlers import SECTIONS
from handlers.custom_keyword import FOUND, NOT_FOUND, TEXT
from smsgw.backoffice.accounts import Permission
from smsgw.configuration import edits
from smsgw.configuration.document import KeywordsError, RawDocument
from smsgw.configuration.edits import KEYWORDS, NEW, TABLES, WORDINGS, Clash, mapping
from smsgw.configuration.schema import AN_ID, LOOKUP, MOST_SEGMENTS, STATIC
from smsgw.configuration.validation import ALWAYS, MADE_SLOTS
from smsgw.configuration.versions import Outdated
from smsgw.console import access
from smsgw.console.keywords import draft_form
from smsgw.console.keywords.draft_form import DraftView
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, is_htmx, page

blueprint = Blueprint("keywords", __name__, url_prefix="/keywords")
TAB = Tab(blueprint, "Keywords")
Answer = str | Response | tuple[str, int]

TOPIC_SLOT = " [<ISI>]"


class NotAdded(Exception):
    """Says why a keyword was not added, with the status code of the answer."""

    def __init__(self, why: str, code: int) -> None:
        super().__init__(why)
        self.why, self.code = why, code


@dataclass(frozen=True, slots=True)
class KeywordRow:
    name: str
    poster: str
    aliases: str
    kind: str | None
    is_enabled: bool
    since: str
    until: str
    is_today: bool
    change: str
    waits: int  # wordings that nobody has reviewed


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    view = draft_form.load_draft()
    return page(
        "keywords/keywords.html",
        rows=list(_rows(view)),
        gone=view.deleted_names(KEYWORDS),
        is_draft=view.is_draft,
    )


@blueprint.get("/<name>")
@access.needs(Permission.LOOK)
def edit(name: str) -> str:
    view = draft_form.load_draft()
    return _page(view, name, view.require_part(KEYWORDS, name))


@blueprint.post("/<name>")
@access.needs(Permission.DRAFT)
def save(name: str) -> Answer:
    try:
        part = draft_form.save_edit(KEYWORDS, name, edits.keyword)
    except (Clash, Outdated, KeywordsError) as error:
        return draft_form.show_again(error, KEYWORDS, name, edits.keyword, _page)
    flash(_("{name} is saved in the draft.", name=part["poster"]))
    return redirect(url_for("console.keywords.edit", name=name), 303)


@blueprint.post("/<name>/preview")
@access.needs(Permission.DRAFT)
def preview(name: str) -> str:
    view = draft_form.load_draft()
    typed = edits.keyword(view.require_part(KEYWORDS, name), request.form)
    return _page(view, name, typed, was=request.form.get("was", ""))


@blueprint.post("/<name>/confirm")
@access.needs(Permission.DRAFT)
def confirm(name: str) -> Answer:
    try:
        flash(draft_form.confirm(KEYWORDS, name))
    except Outdated:
        view = draft_form.load_draft()
        part = view.require_part(KEYWORDS, name)
        return _page(view, name, part, error=draft_form.not_confirmed()), 409
    return redirect(url_for("console.keywords.edit", name=name), 303)


@blueprint.post("/<name>/delete")
@access.needs(Permission.DRAFT)
def delete(name: str) -> Answer:
    try:
        draft_form.put(KEYWORDS, name, partial(_delete, name))
    except Outdated:
        view = draft_form.load_draft()
        return _page(
            view, name, view.require_part(KEYWORDS, name), error=draft_form.meanwhile()
        ), 409
    flash(_("{name} is deleted from the draft.", name=name))
    return redirect(url_for("console.keywords.show"), 303)


@blueprint.get("/a-new-one")
@access.needs(Permission.DRAFT)
def begin() -> str:
    return _new_page(draft_form.load_draft())


@blueprint.post("/a-new-one")
@access.needs(Permission.DRAFT)
def add() -> Answer:
    """Adds a keyword. If its kind needs words after it, the poster gets room for them."""
    form = request.form
    poster, kind = edits.single_line(form["poster"]).upper(), form.get("kind", STATIC)
    name = edits.an_id(poster.partition("<")[0])
    if kind == LOOKUP and "<" not in poster:
        poster += TOPIC_SLOT
    try:
        draft_form.put(KEYWORDS, name, partial(_add, name, kind, poster))
    except NotAdded as error:
        return _new_page(draft_form.load_draft(), error=error.why), error.code
    except (Outdated, KeywordsError):
        return _new_page(draft_form.load_draft(), error=draft_form.meanwhile()), 409
    flash(_("{name} is in the draft. Now write its reply.", name=poster))
    return redirect(url_for("console.keywords.edit", name=name), 303)


@blueprint.post("/a-new-one/typed")
@access.needs(Permission.DRAFT)
def typed() -> str:
    """Shows the form again, with what was typed in it."""
    return _new_page(draft_form.load_draft())


def _delete(name: str, view: DraftView) -> None:
    """Raises NotFound for a keyword that is built in, which stays."""
    if view.require_part(KEYWORDS, name).get("kind") is None:
        raise NotFound


def _add(name: str, kind: str, poster: str, view: DraftView) -> RawDocument:
    """Returns the new entry. Raises NotAdded."""
    chosen = request.form.get("table", "")
    table = mapping(mapping(view.raw, TABLES), chosen)
    if not AN_ID.fullmatch(name):
        raise NotAdded(_("Begin with a word of 2 to 20 letters."), 400)
    if name in mapping(view.raw, KEYWORDS) or name in SECTIONS:
        raise NotAdded(_("{name} already exists.", name=name), 409)
    if kind == LOOKUP and not table:
        raise NotAdded(_("Choose the table to look up."), 400)
    return _new_entry(kind, poster, chosen, table)


def _new_entry(kind: str, poster: str, table: str, table_content: RawDocument) -> RawDocument:
    nothing = edits.empty_texts()
    if kind != LOOKUP:
        return {"kind": STATIC, "poster": poster, WORDINGS: {TEXT: nothing}}
    first, *others = table_content["columns"]
    found = f"{{{first}}}:" + "".join(f"[ {{{each}}}]" for each in others)
    wordings = {FOUND: dict.fromkeys(nothing, found), NOT_FOUND: nothing}
    return {"kind": LOOKUP, "poster": poster, "table": table, WORDINGS: wordings}


def _rows(view: DraftView) -> Iterator[KeywordRow]:
    for name in mapping(view.raw, KEYWORDS):
        part = view.part(KEYWORDS, name) or {}
        since, until = part.get("from"), part.get("until")
        aliases = part.get("aliases", ())
        yield KeywordRow(
            name=name,
            poster=str(part.get("poster", name)),
            aliases=", ".join(map(str, aliases if isinstance(aliases, list) else ())),
            kind=part.get("kind"),
            is_enabled=part.get("enabled", True) is not False,
            since=_as_day(since),
            until=_as_day(until),
            is_today=_is_today(since, until),
            change=view.change(KEYWORDS, name),
            waits=len(view.waiting(name)),
        )


def _is_today(since: object, until: object) -> bool:
    today = access.rt().today
    started = type(since) is not date or since <= today  # a draft may hold a time of a day
    return started and (type(until) is not date or today <= until)


def _as_day(day: object) -> str:
    return f"{day:%d-%m-%Y}" if type(day) is date else str(day or "")


def _page(view: DraftView, name: str, typed: RawDocument, **values: Any) -> str:
    now = view.part(KEYWORDS, name)
    topics = mapping(typed, "topics") if typed.get("kind") == STATIC else None
    blocks = edits.blocks(mapping(typed, WORDINGS), edits.wording_names(name, typed), topics)
    values = {"was": edits.fingerprint(now), **values}
    return page(
        "keywords/_previewed.html" if is_htmx() else "keywords/keyword.html",
        name=name,
        part=typed,
        blocks=blocks,
        waiting=view.waiting(name),
        preview=draft_form.preview_edit(view.raw, KEYWORDS, name, typed),
        view=view,
        may_be_off=name not in ALWAYS,
        slots=sorted(MADE_SLOTS if typed.get("kind") else KINDS),
        tables=list(mapping(view.raw, TABLES)),
        most=MOST_SEGMENTS,
        keys={each.name: NEW for each in blocks if f"w.{each.name}.id" not in request.form},
        **values,
    )


def _new_page(view: DraftView, **values: Any) -> str:
    return page(
        "keywords/keyword_new.html",
        tables=list(mapping(view.raw, TABLES)),
        was=edits.fingerprint(None),
        typed=request.form,
        **values,
    )
