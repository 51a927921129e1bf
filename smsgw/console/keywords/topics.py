"""Shows and edits the topics of the draft, in the order in which they are looked at."""

from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from smsgw.backoffice.accounts import Permission
from smsgw.configuration import edits, lint, versions
from smsgw.configuration.document import KeywordsError, RawDocument
from smsgw.configuration.edits import mapping
from smsgw.configuration.topic_lint import A_TOPIC
from smsgw.configuration.versions import Outdated
from smsgw.console import access
from smsgw.console.keywords import draft_form
from smsgw.console.keywords.draft_form import DraftView
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page, translate_fault

TOPICS, CONCEPTS = "topics", "concepts"
LISTS, TEXTS = ("needs", "any", "without"), ("hit", "miss")
UP, DOWN = "up", "down"

blueprint = Blueprint("topics", __name__, url_prefix="/topics")
TAB = Tab(blueprint, "Topics")
Answer = str | Response | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _all()


@blueprint.post("/")
@access.needs(Permission.DRAFT)
def add() -> Answer:
    name = request.form.get("name", "").strip().lower().replace(" ", "_")
    if not A_TOPIC.fullmatch(name):
        error = _("A name has 2 to 40 letters, digits or _, and begins with a letter.")
        return _all(error=error, typed=_typed()), 400
    try:
        draft_form.put(TOPICS, name, lambda _view: _typed())
    except Outdated:
        return _all(error=_("{name} already exists.", name=name), typed=_typed()), 409
    except KeywordsError as error:
        return _all(error=translate_fault(str(error)), typed=_typed()), 400
    return _saved(name)


@blueprint.get("/<name>")
@access.needs(Permission.LOOK)
def edit(name: str) -> str:
    return _one(name)


@blueprint.post("/<name>")
@access.needs(Permission.DRAFT)
def save(name: str) -> Answer:
    try:
        draft_form.put(TOPICS, name, partial(_replaced, name))
    except Outdated:
        return _one(name, error=draft_form.meanwhile(), typed=_typed()), 409
    except KeywordsError as error:
        return _one(name, error=translate_fault(str(error)), typed=_typed()), 400
    return _saved(name)


@blueprint.post("/<name>/delete")
@access.needs(Permission.DRAFT)
def delete(name: str) -> Answer:
    try:
        draft_form.put(TOPICS, name, lambda _view: None)
    except Outdated:
        return _one(name, error=draft_form.meanwhile()), 409
    flash(_("{name} is deleted from the draft.", name=name))
    return redirect(url_for(".show"), 303)


@blueprint.post("/<name>/move")
@access.needs(Permission.DRAFT)
def move(name: str) -> Answer:
    """Moves a topic one place: of several that fit, the first counts."""
    step = -1 if request.form.get("to") == UP else 1
    try:
        with access.rt().writing() as tx:
            raw, edition = versions.editable(tx)
            DraftView(raw).require_part(TOPICS, name)
            moved = {**raw, TOPICS: _moved(mapping(raw, TOPICS), name, step)}
            versions.save(tx, moved, edition, access.operator().actor, f"{TOPICS}: {name}")
    except Outdated:
        return _all(error=draft_form.meanwhile()), 409
    return redirect(url_for(".show", _anchor=name), 303)


def _moved(topics: RawDocument, name: str, step: int) -> RawDocument:
    names = list(topics)
    place = names.index(name)
    names.insert(max(place + step, 0), names.pop(place))
    return {each: topics[each] for each in names}


def _saved(name: str) -> Response:
    flash(_("{name} is saved in the draft.", name=name))
    return redirect(url_for(".edit", name=name), 303)


def _typed() -> RawDocument:
    form = request.form
    means = " ".join(form.get("means", "").split()).upper()
    lists = {key: edits.split_words(form.get(key, "")) for key in LISTS}
    texts = {key: edits.single_line(form.get(key, "")) for key in TEXTS}
    kept = {key: words for key, words in lists.items() if words or key == "needs"}
    return {"means": means, **kept, **texts}


def _replaced(name: str, view: DraftView) -> RawDocument:
    view.require_part(TOPICS, name)
    return _typed()


def _all(**values: Any) -> str:
    view = draft_form.load_draft()
    topics = mapping(view.raw, TOPICS)
    rows = [(name, mapping(topics, name), view.change(TOPICS, name)) for name in topics]
    return page(
        "keywords/topics.html",
        rows=rows,
        is_draft=view.is_draft,
        concepts=sorted(mapping(view.raw, CONCEPTS)),
        was=edits.fingerprint(None),
        **{"typed": {}, **values},
    )


def _one(name: str, **values: Any) -> str:
    view = draft_form.load_draft()
    part = view.require_part(TOPICS, name)
    found = lint.of(view.raw)
    return page(
        "keywords/topic.html",
        name=name,
        concepts=sorted(mapping(view.raw, CONCEPTS)),
        was=edits.fingerprint(part),
        found=[
            each for each in (*found.faults, *found.warnings) if each.startswith(f"{TOPICS}.{name}")
        ],
        **{"typed": part, **values},
    )
