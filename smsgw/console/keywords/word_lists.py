"""Shows and edits lists of words in the draft: those of concepts, and those that answer a
question."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from smsgw.backoffice.accounts import Permission
from smsgw.configuration import edits, lint
from smsgw.configuration.document import KeywordsError
from smsgw.configuration.edits import mapping
from smsgw.configuration.topic_lint import A_CONCEPT
from smsgw.configuration.versions import Outdated
from smsgw.console import access
from smsgw.console.keywords import draft_form
from smsgw.console.keywords.draft_form import DraftView
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page, translate_fault

CONCEPTS, ANSWERS, TOPICS = "concepts", "answers", "topics"
GROUPS = (CONCEPTS, ANSWERS)

blueprint = Blueprint("word_lists", __name__, url_prefix="/words")
TAB = Tab(blueprint, "Concepts and answers")
Answer = str | Response | tuple[str, int]


class ConceptInUse(Exception):
    """A topic of the draft names the concept."""


@dataclass(frozen=True, slots=True)
class WordListRow:
    group: str
    name: str
    words: tuple[str, ...]
    topics: int
    change: str


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _all()


@blueprint.post("/")
@access.needs(Permission.DRAFT)
def add() -> Answer:
    """Adds a concept."""
    name = request.form.get("name", "").strip().upper().replace(" ", "_")
    if not A_CONCEPT.fullmatch(name):
        return _all(
            error=_("A name has 2 to 30 letters, digits or _, and begins with a letter.")
        ), 400
    try:
        draft_form.put(CONCEPTS, name, lambda _view: _typed())
    except Outdated:
        return _all(error=_("{name} already exists.", name=name)), 409
    except KeywordsError as error:
        return _all(error=translate_fault(str(error))), 400
    return _saved(CONCEPTS, name)


@blueprint.get("/<group>/<name>")
@access.needs(Permission.LOOK)
def edit(group: str, name: str) -> str:
    return _one(group, name)


@blueprint.post("/<group>/<name>")
@access.needs(Permission.DRAFT)
def save(group: str, name: str) -> Answer:
    try:
        draft_form.put(group, name, partial(_replaced, group, name))
    except Outdated:
        return _one(group, name, error=draft_form.meanwhile(), typed=_typed()), 409
    except KeywordsError as error:
        return _one(group, name, error=translate_fault(str(error)), typed=_typed()), 400
    return _saved(group, name)


@blueprint.post("/<group>/<name>/delete")
@access.needs(Permission.DRAFT)
def delete(group: str, name: str) -> Answer:
    """Deletes a concept that no topic uses."""
    if group != CONCEPTS:
        raise NotFound
    try:
        draft_form.put(group, name, partial(_delete, name))
    except ConceptInUse:
        return _one(group, name, error=_("A topic uses this concept. Change the topic first.")), 409
    except Outdated:
        return _one(group, name, error=draft_form.meanwhile()), 409
    flash(_("{name} is deleted from the draft.", name=name))
    return redirect(url_for(".show"), 303)


def _saved(group: str, name: str) -> Response:
    flash(_("{name} is saved in the draft.", name=name))
    return redirect(url_for(".edit", group=group, name=name), 303)


def _typed() -> list[str]:
    return edits.split_words(request.form.get("words", ""))


def _delete(name: str, view: DraftView) -> None:
    _words(view, CONCEPTS, name)
    if _users(view, name):
        raise ConceptInUse


def _replaced(group: str, name: str, view: DraftView) -> list[str]:
    _words(view, group, name)
    return _typed()


def _words(view: DraftView, group: str, name: str) -> list[str]:
    """Raises NotFound for what is no list of words."""
    found = mapping(view.raw, group).get(name) if group in GROUPS else None
    if not isinstance(found, list):
        raise NotFound
    return list(map(str, found))


def _users(view: DraftView, name: str) -> list[str]:
    """Returns the topics that name a concept."""
    topics = mapping(view.raw, TOPICS)
    parts = {topic: mapping(topics, topic) for topic in topics}
    return [
        topic
        for topic, part in parts.items()
        if any(name in (part.get(key) or ()) for key in ("needs", "any", "without"))
    ]


def _all(error: str | None = None) -> str:
    view = draft_form.load_draft()
    wanted = request.args.get("q", "").strip().upper()
    rows = [
        WordListRow(group, name, tuple(map(str, words)), len(_users(view, name)), change)
        for group in GROUPS
        for name, words in mapping(view.raw, group).items()
        if isinstance(words, list)
        and (wanted in name.upper() or any(wanted in str(word).upper() for word in words))
        for change in [view.change(group, name)]
    ]
    return page(
        "keywords/word_lists.html",
        rows=rows,
        wanted=wanted,
        is_draft=view.is_draft,
        was=edits.fingerprint(None),
        error=error,
    )


def _one(group: str, name: str, typed: list[str] | None = None, **values: Any) -> str:
    view = draft_form.load_draft()
    words = _words(view, group, name)
    return page(
        "keywords/word_list.html",
        group=group,
        name=name,
        words=words if typed is None else typed,
        users=_users(view, name) if group == CONCEPTS else [],
        was=edits.fingerprint(words),
        found=_findings(view, group, name),
        **values,
    )


def _findings(view: DraftView, group: str, name: str) -> list[str]:
    """Returns what is wrong with this list, or with topics because of it."""
    found = lint.of(view.raw)
    places = (f"{group}.{name}:", f"{group}:", "fillers:", "topics.")
    return [each for each in (*found.faults, *found.warnings) if each.startswith(places)]
