"""Shows the runs of notifications, and lets a second person approve one."""

from typing import Any

from flask import Blueprint, flash, redirect, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from smsgw.backoffice import access_requests, notifications
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.notifications import NotDone, SamePerson
from smsgw.console import access, list_pages, reasons
from smsgw.console.menu import Tab
from smsgw.console.notifications import counted
from smsgw.console.rendering import _, is_htmx, page
from smsgw.storage.tables.notifications import RunState

ROWS = 20

blueprint = Blueprint("notification_runs", __name__, url_prefix="/notifications/runs")
TAB = Tab(blueprint, "Runs")
Answer = str | Response | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    rt = access.rt()
    listed = list_pages.read(
        lambda before, limit: notifications.progress(rt, None, limit, before),
        ROWS,
        list_pages.BEFORE,
        key=lambda each: int(each.run.id),
    )
    return page("notifications/runs.html", listed=listed, waiting=notifications.waiting(rt))


@blueprint.get("/<id:run_id>")
@access.needs(Permission.LOOK)
def one(run_id: int) -> Answer:
    """Shows a run. A page asks for its part again while the run looks, then reloads."""
    if not is_htmx():
        return _run_page(run_id)
    found = notifications.one(access.rt(), run_id)
    if found is None or found.run.state is not RunState.LOOKING:
        return Response(headers={"HX-Refresh": "true"})
    return page("notifications/_counted.html", counted=counted.of_run(found.run))


@blueprint.post("/<id:run_id>/approve")
@access.needs(Permission.PUBLISH)
def approve(run_id: int) -> Answer:
    reason = reasons.required_reason()
    try:
        approved = notifications.approve(access.rt(), run_id, access.operator().actor, reason)
    except SamePerson:
        error = _("You started this run, so somebody else has to approve it.")
        return _run_page(run_id, error=error), 409
    except NotDone:
        return _run_page(run_id, error=_("This run does not wait for approval any more.")), 409
    flash(_("It is approved. By day, {count} are sent.", count=approved.found))
    return redirect(url_for(".one", run_id=run_id), 303)


@blueprint.post("/<id:run_id>/stop")
@access.needs(Permission.PUBLISH)
def stop(run_id: int) -> Answer:
    reason = reasons.required_reason()
    try:
        dropped = notifications.stop_run(access.rt(), run_id, access.operator().actor, reason)
    except NotDone:
        return _run_page(run_id, error=_("This run is over already.")), 409
    flash(_("The run is stopped. Notifications dropped: {count}.", count=dropped))
    return redirect(url_for(".one", run_id=run_id), 303)


def _run_page(run_id: int, **values: Any) -> str:
    rt = access.rt()
    progress = notifications.one(rt, run_id)
    if progress is None:
        raise NotFound
    with rt.reading() as tx:
        actor, starter = access.operator().actor, progress.run.started_by
        is_mine = access_requests.is_same_person(tx, actor, starter)
    return page(
        "notifications/run.html",
        progress=progress,
        run=progress.run,
        counted=counted.of_run(progress.run),
        is_mine=is_mine,
        most=rt.settings.notification_approval,
        **values,
    )
