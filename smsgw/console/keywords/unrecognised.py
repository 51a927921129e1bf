"""Shows unrecognised messages by shape, and adds suggestions to the draft."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from smsgw.backoffice import unrecognised
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.concept_proposals import ConceptWord
from smsgw.backoffice.unrecognised import MIN_PHONES, Alias, Change, Filler, NotAccepted, Reader
from smsgw.configuration import versions
from smsgw.configuration.document import KeywordsError
from smsgw.configuration.versions import Draft, Outdated, Version
from smsgw.console import access
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page
from smsgw.transcripts import phrases

DAYS = (1, 7, 30)
FILLER, CONCEPT = "filler", "concept"

blueprint = Blueprint("not_understood", __name__, url_prefix="/not-understood")
TAB = Tab(blueprint, "Unrecognised messages")
Answer = str | Response | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _page()


@blueprint.post("/")
@access.needs(Permission.DRAFT)
def accept() -> Answer:
    form = request.form
    phrase, words = (unrecognised.words_of(form.get(name, "")) for name in ("said", "words"))
    change = _change(words)
    try:
        if "see" in form:
            return _page(typed=form, effect=phrases.preview(access.rt(), change, phrase))
        phrases.accept(access.rt(), change, phrase, access.operator().actor)
    except NotAccepted as error:
        why = _("Nothing was changed: {why}", why=str(error))
        return _page(error=why, typed=form), 409
    except Outdated:
        why = _("Someone has just changed the draft. Try again.")
        return _page(error=why, typed=form), 409
    flash(_("{words} is in the draft now, with a transcript that shows it.", words=words))
    return redirect(url_for("console.not_understood.show", days=_days()), 303)


def _change(words: str) -> Change:
    form = request.form
    if form.get("kind") == FILLER:
        return Filler(words)
    if form.get("kind") == CONCEPT:
        return ConceptWord(words, form.get("concept", "").strip().upper())
    return Alias(words, form.get("keyword"))


def _page(**values: Any) -> str:
    rt, days = access.rt(), _days()
    with rt.reading() as tx:
        draft, answering = versions.draft(tx), versions.current(tx)
    reader, is_faulty = _reader(draft, answering)
    found = unrecognised.gather(rt, rt.now() - timedelta(days=days), reader)
    names = sorted(reader.document.entries)
    concepts = sorted(reader.document.words.concepts)
    values |= {"draft": draft, "is_faulty": is_faulty, "keywords": names, "concepts": concepts}
    values["several"] = MIN_PHONES
    return page("keywords/unrecognised.html", found=found, days=days, choices=DAYS, **values)


def _reader(draft: Draft | None, answering: Version) -> tuple[Reader, bool]:
    """Reads by the draft, or by what is published if the draft has faults."""
    try:
        return unrecognised.reader((draft or answering).raw), False
    except KeywordsError:
        return unrecognised.reader(answering.raw), True


def _days() -> int:
    days = request.values.get("days", 7, type=int)
    return days if days in DAYS else 7
