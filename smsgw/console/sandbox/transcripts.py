"""Transcripts that were kept: read, taken along, run again, deleted."""

from functools import partial

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from smsgw.backoffice.accounts import Permission
from smsgw.configuration.document import KeywordsError
from smsgw.console import access, list_pages
from smsgw.console.list_pages import BEFORE
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page
from smsgw.transcripts import library, reader, recorder, sandbox
from smsgw.transcripts.faults import TranscriptError
from smsgw.transcripts.format import Conversation
from smsgw.transcripts.library import SavedTranscript
from smsgw.transcripts.runner import Result
from smsgw.transcripts.sandbox import NoDraft

AT_ONCE = 50
DRAFT = "draft"

blueprint = Blueprint("kept", __name__, url_prefix="/try/kept")
TAB = Tab(blueprint, "Transcripts")
Answer = str | BaseResponse | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    with access.rt().reading() as tx:
        listed = list_pages.read(partial(library.newest, tx), AT_ONCE, BEFORE)
    return page("sandbox/transcripts.html", listed=listed)


@blueprint.get("/<id:number>")
@access.needs(Permission.LOOK)
def one(number: int) -> str:
    return _page(_existing(number))


@blueprint.get("/<id:number>.yaml")
@access.needs(Permission.LOOK)
def download(number: int) -> Response:
    name = f"transcript-{number}.yaml"
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return Response(_existing(number).text, mimetype="application/yaml", headers=headers)


@blueprint.post("/<id:number>/run")
@access.needs(Permission.LOOK)
def run(number: int) -> Answer:
    """Runs the transcript in databases of its own; nothing is changed."""
    transcript = _existing(number)
    of_draft = request.form.get("which") == DRAFT
    try:
        chosen = sandbox.configuration(access.rt(), of_draft=of_draft)
        taken = recorder.again(transcript.text, transcript.name, chosen)
        return _page(transcript, taken=taken, of_draft=of_draft)
    except NoDraft:
        return _page(transcript, error=_("There is no draft. Choose the published version.")), 409
    except (KeywordsError, TranscriptError) as error:
        return _page(transcript, error=_("This cannot be run: {why}", why=str(error))), 409


@blueprint.post("/<id:number>/delete")
@access.needs(Permission.DRAFT)
def delete(number: int) -> BaseResponse:
    with access.rt().writing() as tx:
        library.remove(tx, number, access.operator().actor)
    flash(_("The transcript is deleted."))
    return redirect(url_for("console.kept.show"), 303)


def _existing(number: int) -> SavedTranscript:
    with access.rt().reading() as tx:
        found = library.one(tx, number)
    if found is None:
        raise NotFound
    return found


def _page(
    transcript: SavedTranscript,
    error: str | None = None,
    taken: list[Result] | None = None,
    *,
    of_draft: bool = False,
) -> str:
    differing = sum(1 for each in taken or () if each.differs)
    return page(
        "sandbox/transcript.html",
        transcript=transcript,
        conversations=_conversations(transcript),
        taken=taken,
        differing=differing,
        of_draft=of_draft,
        error=error,
    )


def _conversations(transcript: SavedTranscript) -> tuple[Conversation, ...]:
    """Returns the conversations, or none if the transcript cannot be read; its text is shown all
    the same."""
    try:
        return reader.parse(transcript.text, transcript.name).transcript.conversations
    except TranscriptError:
        return ()
