"""Runs the draft over messages of the past: starts, shows and stops backtests."""

from dataclasses import dataclass

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from smsgw.backoffice import background_tasks, backtest, comparison
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.background_tasks import Task
from smsgw.backoffice.backtest_findings import BacktestFindings, BacktestRequest, ChangeKind
from smsgw.configuration import versions
from smsgw.configuration.document import KeywordsError
from smsgw.configuration.versions import Draft
from smsgw.console import access
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, is_htmx, page
from smsgw.operations import jobs
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.operators import TaskKind
from smsgw.storage.transaction import Transaction

DAYS = 7  # that are proposed
SHAPES = (ChangeKind.UNDERSTOOD, ChangeKind.MISUNDERSTOOD, ChangeKind.REROUTED)

blueprint = Blueprint("rehearsal", __name__, url_prefix="/rehearsal")
TAB = Tab(blueprint, "Backtest")
Answer = str | BaseResponse | tuple[str, int]


@dataclass(frozen=True, slots=True)
class BacktestRun:
    task: Task
    request: BacktestRequest
    findings: BacktestFindings | None  # None before it began


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _page()


@blueprint.post("/")
@access.needs(Permission.DRAFT)
def begin() -> Answer:
    days = request.form.get("days", type=int)
    if days not in backtest.DAYS:
        return _page(error=_("Choose how many days.")), 400
    with access.rt().reading() as tx:
        asked = _request(tx, days)
    if asked is None or asked.draft == asked.published:
        return _page(
            error=_("There is nothing to test: the draft equals the published version.")
        ), 400
    try:
        comparison.configuration(asked.draft, access.rt().today)
    except KeywordsError as error:
        return _page(error=f"{_('The draft cannot be read yet:')}\n{error}"), 400
    try:
        with access.rt().writing() as tx:
            operator_id = access.operator().id
            task_id = background_tasks.make(tx, TaskKind.REHEARSAL, operator_id, asked.model_dump())
            audit.note(tx, Act.REHEARSED, access.operator().actor, detail=f"{asked.days} days")
    except background_tasks.AtWork:
        return _to_the_one_at_work()
    if not jobs.hint_task(access.rt(), task_id):
        flash(_("The queue is unavailable. This starts when it is back."))
    return redirect(url_for(".one", task_id=task_id), 303)


@blueprint.get("/<id:task_id>")
@access.needs(Permission.LOOK)
def one(task_id: int) -> str | BaseResponse:
    """Shows a backtest. The page requests its part again until the backtest is over, then
    reloads."""
    with access.rt().reading() as tx:
        run = _run(tx, task_id)
        draft, current = versions.draft(tx), versions.current(tx)
    if is_htmx() and run.task.is_over:
        return Response(headers={"HX-Refresh": "true"})
    return page(
        "keywords/_backtest.html" if is_htmx() else "keywords/backtest.html",
        run=run,
        since=_since(run, draft),
        is_published_since=current.number != run.request.version,
        kinds=ChangeKind,
        shapes=SHAPES,
        segment_rupiah=access.rt().settings.segment_rupiah,
    )


@blueprint.post("/<id:task_id>/stop")
@access.needs(Permission.DRAFT)
def stop(task_id: int) -> BaseResponse:
    with access.rt().writing() as tx:
        _run(tx, task_id)
        background_tasks.stop(tx, task_id)
    return redirect(url_for(".one", task_id=task_id), 303)


def _page(error: str | None = None) -> str:
    with access.rt().reading() as tx:
        runs = [_backtest_run(task) for task in background_tasks.latest(tx, TaskKind.REHEARSAL)]
        asked = _request(tx, DAYS)
    chosen = request.form.get("days", DAYS, type=int)
    return page(
        "keywords/backtests.html",
        error=error,
        runs=runs,
        asked=asked,
        all_days=backtest.DAYS,
        chosen=chosen,
        is_away=access.rt().redis is None,
    )


def _request(tx: Transaction, days: int) -> BacktestRequest | None:
    """Returns None if there is no draft."""
    draft, current = versions.draft(tx), versions.current(tx)
    if draft is None:
        return None
    return BacktestRequest(
        days=days,
        by=access.operator().name,
        version=current.number,
        edition=draft.edition,
        published=current.text,
        draft=draft.text,
    )


def _to_the_one_at_work() -> BaseResponse:
    with access.rt().reading() as tx:
        (latest,) = background_tasks.latest(tx, TaskKind.REHEARSAL, limit=1)
    flash(_("One is already running. Wait until it ends, or stop it."))
    return redirect(url_for(".one", task_id=latest.id), 303)


def _run(tx: Transaction, task_id: int) -> BacktestRun:
    task = background_tasks.one(tx, task_id, TaskKind.REHEARSAL)
    if task is None:
        raise NotFound
    return _backtest_run(task)


def _backtest_run(task: Task) -> BacktestRun:
    found = BacktestFindings.model_validate(task.findings) if task.findings else None
    return BacktestRun(task, BacktestRequest.model_validate(task.request), found)


def _since(run: BacktestRun, draft: Draft | None) -> str | None:
    """Returns what became of the draft since."""
    if draft is None:
        return _("This draft has been published or discarded since then.")
    if draft.edition != run.request.edition:
        return _("The draft has changed since then, so this result is out of date.")
    return None
