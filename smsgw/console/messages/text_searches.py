"""Searches the texts of a day: started with a reason, watched, stopped."""

from dataclasses import dataclass
from datetime import date

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from smsgw.backoffice import background_tasks, message_log, text_search
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.background_tasks import Task
from smsgw.backoffice.text_search import SearchFindings, SearchRequest
from smsgw.console import access, reasons
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, is_htmx, page
from smsgw.operations import jobs
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.operators import TaskKind
from smsgw.storage.transaction import Transaction

blueprint = Blueprint("searches", __name__, url_prefix="/messages/words")
TAB = Tab(blueprint, "Search texts", Permission.HELP)


@dataclass(frozen=True, slots=True)
class Search:
    task: Task
    request: SearchRequest
    findings: SearchFindings | None  # None before it began


@blueprint.get("/")
@access.needs(Permission.HELP)
def show() -> str:
    return _page()


@blueprint.post("/")
@access.needs(Permission.HELP)
def begin() -> str | BaseResponse | tuple[str, int]:
    reason, day, words = reasons.required_reason(), _day(), request.form.get("words", "").strip()
    if day is None:
        return _page(error=_("Choose today or an earlier day.")), 400
    if not _is_enough(words):
        return _page(
            error=_("Enter a word of at least 3 letters, and at most 60 letters in all.")
        ), 400
    rt, looker = access.rt(), access.operator()
    with rt.writing() as tx:
        asked = SearchRequest(day=day, words=words, by=looker.actor).model_dump(mode="json")
        task_id = background_tasks.make(tx, TaskKind.SEARCH, looker.id, asked)
        audit.note(tx, Act.SEARCHED, looker.actor, detail=f"{day}: {reason}")
    if not jobs.hint_task(rt, task_id):
        flash(_("The queue is unavailable. This starts when it is back."))
    return redirect(url_for(".one", task_id=task_id), 303)


@blueprint.get("/<id:task_id>")
@access.needs(Permission.HELP)
def one(task_id: int) -> str | BaseResponse:
    """Shows a search. The page requests its part again until the search is over, then reloads."""
    with access.rt().reading() as tx:
        search = _own(tx, task_id)
        listed = message_log.some(tx, search.findings.hits) if search.findings else []
    if is_htmx() and search.task.is_over:
        return Response(headers={"HX-Refresh": "true"})
    template = "messages/_text_search.html" if is_htmx() else "messages/text_search.html"
    return page(template, search=search, listed=listed, most=text_search.MOST_HITS)


@blueprint.post("/<id:task_id>/stop")
@access.needs(Permission.HELP)
def stop(task_id: int) -> BaseResponse:
    with access.rt().writing() as tx:
        search = _own(tx, task_id)
        if search.findings is not None and not search.task.is_over:
            text_search.note(tx, search.request, search.findings)
        background_tasks.stop(tx, task_id)
    return redirect(url_for(".one", task_id=task_id), 303)


def _page(error: str | None = None) -> str:
    rt = access.rt()
    with rt.reading() as tx:
        latest = background_tasks.latest(tx, TaskKind.SEARCH, access.operator().id)
    return page(
        "messages/text_searches.html",
        error=error,
        searches=[_search(task) for task in latest],
        today=access.rt().today,
        longest=text_search.LONGEST,
    )


def _own(tx: Transaction, task_id: int) -> Search:
    """Finds a search of this operator only: the words searched for may be personal."""
    task = background_tasks.one(tx, task_id, TaskKind.SEARCH)
    if task is None or task.operator_id != access.operator().id:
        raise NotFound
    return _search(task)


def _search(task: Task) -> Search:
    found = SearchFindings.model_validate(task.findings) if task.findings else None
    return Search(task, SearchRequest.model_validate(task.request), found)


def _day() -> date | None:
    try:
        day = date.fromisoformat(request.form.get("day", ""))
    except ValueError:
        return None
    return day if date(2000, 1, 1) <= day <= access.rt().today else None


def _is_enough(words: str) -> bool:
    each = text_search.words_of(words)
    is_long = any(len(word) >= text_search.SHORTEST for word in each)
    return is_long and len(words) <= text_search.LONGEST
