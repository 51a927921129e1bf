"""Shows the draft of all keywords: what it changes, what is wrong with it, how it is published."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from smsgw.backoffice import accounts
from smsgw.backoffice.accounts import Permission
from smsgw.configuration import background_file, diff, document, lint, past_drafts, versions
from smsgw.configuration.background import PrivateMessage
from smsgw.configuration.document import KeywordsError
from smsgw.configuration.versions import Draft, NotPublished, Outdated, Version
from smsgw.console import access, converters
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page, translate_fault

WHOLE = "everything"  # what was changed, as the audit tells it

blueprint = Blueprint("draft", __name__, url_prefix="/draft")
TAB = Tab(blueprint, "Draft")
Answer = str | BaseResponse | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _page()


@blueprint.get("/text")
@access.needs(Permission.DRAFT)
def form() -> str:
    with access.rt().reading() as tx:
        text, edition = versions.editable_text(tx)
    return page("keywords/draft_text.html", text=text, edition=edition)


@blueprint.post("/text")
@access.needs(Permission.DRAFT)
def save() -> Answer:
    return _save(request.form.get("text", ""), WHOLE)


@blueprint.post("/text/typed")
@access.needs(Permission.DRAFT)
def typed() -> str:
    """Shows the form again, with what was typed in it."""
    return page("keywords/draft_text.html", text=request.form.get("text", ""), edition=_edition())


@blueprint.post("/import")
@access.needs(Permission.DRAFT)
def bring() -> Answer:
    """Takes the place of the draft."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _page(error=_("Choose a file first.")), 400
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        return _page(error=_("Nothing was changed: the file is not UTF-8.")), 400
    return _save(text, f"import of {file.filename}"[:80])


@blueprint.post("/publish")
@access.needs(Permission.PUBLISH)
def publish() -> Answer:
    reason = request.form.get("reason", "")
    is_same_person = accounts.is_same_person if access.rt().settings.publish_by_two else None
    try:
        with access.rt().writing() as tx:
            actor = access.operator().actor
            number = versions.publish(
                tx,
                _edition(),
                actor,
                reason,
                is_same_person=is_same_person,
                is_sure="sure" in request.form,
            )
    except NotPublished as error:
        return _page(error=translate_fault(str(error)), reason=reason), 409
    except Outdated:
        return _outdated_page(reason=reason)
    flash(_("Version {number} is published and takes effect within seconds.", number=number))
    return redirect(url_for("console.versions.one", number=number), 303)


@blueprint.post("/discard")
@access.needs(Permission.DRAFT)
def discard() -> Answer:
    try:
        with access.rt().writing() as tx:
            versions.discard(tx, _edition(), access.operator().actor)
    except Outdated:
        return _outdated_page()
    return _redirect(_("The draft is discarded."))


@blueprint.post("/past/<id:past_id>")
@access.needs(Permission.DRAFT)
def restore(past_id: int) -> Answer:
    try:
        with access.rt().writing() as tx:
            actor = access.operator().actor
            is_done = versions.restore(tx, past_id, _edition(), actor)
    except Outdated:
        return _outdated_page()
    if not is_done:
        raise NotFound
    return _redirect(_("The earlier draft is restored. The draft it replaced is kept too."))


@blueprint.get("/past/<id:past_id>.yaml")
@access.needs(Permission.LOOK)
def export_past(past_id: int) -> Response:
    with access.rt().reading() as tx:
        found = past_drafts.one(tx, past_id)
    if found is None:
        raise NotFound
    return as_file(found.text, f"keywords-earlier-draft-{past_id}.yaml")


@blueprint.post("/rebase")
@access.needs(Permission.DRAFT)
def rebase() -> Answer:
    try:
        with access.rt().writing() as tx:
            clashes = versions.rebase(tx, _edition(), access.operator().actor)
    except Outdated:
        return _outdated_page()
    except KeywordsError as error:
        return _page(error=translate_fault(str(error))), 409
    if clashes:
        places = ", ".join(clashes)
        flash(_("Conflicts, kept as in your draft: {places}", places=places))
    return _redirect(_("The newly published version is merged into the draft."))


@blueprint.get("/keywords-draft.yaml")
@access.needs(Permission.LOOK)
def export() -> Response:
    with access.rt().reading() as tx:
        draft = versions.draft(tx)
    if draft is None:
        raise NotFound
    return as_file(draft.text, "keywords-draft.yaml")


def as_file(text: str, name: str) -> Response:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, mimetype="application/yaml", headers=disposition)


def _save(text: str, what: str) -> Answer:
    """Saves the draft. Whatever goes wrong, the text stays in the form."""
    try:
        raw = document.loads(text)
        with access.rt().writing() as tx:
            actor = access.operator().actor
            versions.save(tx, raw, _edition(), actor, what, is_whole=True)
    except KeywordsError as error:
        return page(
            "keywords/draft_text.html",
            text=text,
            edition=_edition(),
            error=translate_fault(str(error)),
        ), 400
    except Outdated:
        return _conflict_page(text)
    return _redirect(_saved_with(len(lint.of(raw).faults)))


def _saved_with(faults: int) -> str:
    if faults == 0:
        return _("The draft is saved.")
    if faults == 1:
        return _("The draft is saved. It has 1 error and cannot be published yet.")
    return _("The draft is saved. It has {n} errors and cannot be published yet.", n=faults)


def _conflict_page(text: str) -> Answer:
    """Shows what somebody else did meanwhile; saving again replaces it."""
    with access.rt().reading() as tx:
        ours, edition = versions.editable_text(tx)
        now = versions.draft(tx)
    theirs = diff.compare(text, ours)
    return page(
        "keywords/draft_text.html",
        text=text,
        edition=edition,
        is_outdated=True,
        now=now,
        theirs=theirs,
    ), 409


def _page(**values: Any) -> str:
    with access.rt().reading() as tx:
        draft, current = versions.draft(tx), versions.current(tx)
        base = versions.version(tx, draft.based_on) if draft else None
        past = past_drafts.newest(tx)
        private = background_file.messages(tx)
    if draft is not None:
        values |= _about(draft, current, private)
    if base is not None and base.number != current.number:
        values["meanwhile"] = diff.compare(*(document.dumps(each.raw) for each in (base, current)))
    by_two = access.rt().settings.publish_by_two
    return page(
        "keywords/draft.html", draft=draft, current=current, by_two=by_two, past=past, **values
    )


def _about(draft: Draft, answering: Version, private: Sequence[PrivateMessage]) -> dict[str, Any]:
    found = lint.of(draft.raw)
    read = found.publishable
    return {
        "difference": diff.compare(document.dumps(answering.raw), draft.text),
        "faults": found.faults,
        "warnings": found.warnings if read else [],
        "doubts": versions.doubts(answering, read, private) if read else [],
        "is_own": access.operator().actor in draft.authors,
    }


def _edition() -> int:
    return converters.number(request.form, "edition", converters.LARGEST_INTEGER - 1) or 0


def _outdated_page(**values: Any) -> Answer:
    error = _("Nothing was done: someone changed the draft. Check it and try again.")
    return _page(error=error, **values), 409


def _redirect(message: str) -> BaseResponse:
    flash(message)
    return redirect(url_for("console.draft.show"), 303)
