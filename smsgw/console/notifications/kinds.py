"""Shows the kinds of notification: counts who would get one, switches each on and off."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from handlers import notification
from handlers.changes import NotificationKind
from handlers.values import Verbatim
from smsgw.backoffice import notifications
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.notifications import NotCounted, NotDone
from smsgw.configuration import preview
from smsgw.configuration.preview import RenderedReply
from smsgw.console import access, list_pages, reasons
from smsgw.console.menu import Tab
from smsgw.console.notifications import counted
from smsgw.console.rendering import _, page
from smsgw.notifications import runs
from smsgw.storage.tables.notifications import RunState

ROWS = 20
REPORTED = timedelta(days=30)

blueprint = Blueprint("notifications", __name__, url_prefix="/notifications")
TAB = Tab(blueprint, "Kinds")
Answer = str | Response | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _kinds()


@blueprint.post("/stop")
@access.needs(Permission.PUBLISH)
def stop_all() -> Answer:
    reason = reasons.required_reason()
    try:
        dropped = notifications.stop_all(access.rt(), access.operator().actor, reason)
    except NotDone:
        error = _("Not all kinds were stopped: somebody switched one at this moment. Try again.")
        return _kinds(error=error), 409
    flash(_("All kinds are off. Notifications dropped: {count}.", count=dropped))
    return redirect(url_for(".show"), 303)


@blueprint.get("/<name>")
@access.needs(Permission.LOOK)
def one(name: str) -> str:
    return _kind_page(_kind(name))


@blueprint.post("/<name>/count")
@access.needs(Permission.PUBLISH)
def count(name: str) -> Answer:
    kind = _kind(name)
    try:
        notifications.start_dry_run(access.rt(), kind, access.operator().actor)
    except NotDone:
        return _refused(kind)
    return _to(kind)


@blueprint.post("/<name>/on")
@access.needs(Permission.PUBLISH)
def switch_on(name: str) -> Answer:
    """Looks at all subscribers at once too: the clock may have looked just before it was off."""
    kind, reason = _kind(name), reasons.required_reason()
    try:
        notifications.switch_on(access.rt(), kind, access.operator().actor, reason)
        notifications.begin(access.rt(), kind, access.operator().actor)
    except NotCounted:
        error = _("Not switched on: first count who would get one. The last count is too old.")
        return _kind_page(kind, error=error), 409
    except NotDone:
        return _refused(kind)
    flash(_("It is on. All subscribers are looked at now."))
    return _to(kind)


@blueprint.post("/<name>/pause")
@access.needs(Permission.PUBLISH)
def pause(name: str) -> Answer:
    done = _("It is paused. What was planned waits.")
    return _switch(name, notifications.pause, done)


@blueprint.post("/<name>/resume")
@access.needs(Permission.PUBLISH)
def resume(name: str) -> Answer:
    return _switch(name, notifications.resume, _("It goes on."))


@blueprint.post("/<name>/stop")
@access.needs(Permission.PUBLISH)
def stop(name: str) -> Answer:
    kind, reason = _kind(name), reasons.required_reason()
    try:
        dropped = notifications.stop(access.rt(), kind, access.operator().actor, reason)
    except NotDone:
        return _refused(kind)
    flash(_("It is off. Notifications dropped: {count}.", count=dropped))
    return _to(kind)


@blueprint.post("/<name>/run")
@access.needs(Permission.PUBLISH)
def run(name: str) -> Answer:
    kind = _kind(name)
    try:
        begun = notifications.begin(access.rt(), kind, access.operator().actor)
    except NotDone:
        return _refused(kind)
    flash(_("Run {id} has begun. If it finds nobody, it is not listed.", id=begun.id))
    return _to(kind)


def _switch(name: str, switch: Callable[..., object], done: str) -> Answer:
    kind, reason = _kind(name), reasons.required_reason()
    try:
        switch(access.rt(), kind, access.operator().actor, reason)
    except NotDone:
        return _refused(kind)
    flash(done)
    return _to(kind)


def _kinds(**values: Any) -> str:
    rt = access.rt()
    return page(
        "notifications/kinds.html",
        reports=notifications.report(rt, rt.now() - REPORTED),
        used=notifications.budget_used(rt),
        budget=rt.settings.notification_segments,
        waiting=notifications.waiting(rt),
        days=REPORTED.days,
        **values,
    )


def _kind_page(kind: NotificationKind, **values: Any) -> str:
    rt = access.rt()
    reports = notifications.report(rt, rt.now() - REPORTED)
    (report,) = (each for each in reports if each.state.kind is kind)
    with rt.reading() as tx:
        last = next(iter(runs.latest(tx, kind, 1, is_dry=True)), None)
    return page(
        "notifications/kind.html",
        kind=kind,
        report=report,
        state=report.state,
        days=REPORTED.days,
        counted=counted.of_run(last) if last else None,
        can_be_switched_on=notifications.is_counted(report.state, rt.now())
        and (last is None or last.state is not RunState.LOOKING),
        wordings=_wordings(kind),
        cost=rt.settings.segment_rupiah,
        most=rt.settings.notification_approval,
        listed=list_pages.read(
            lambda before, limit: notifications.progress(rt, kind, limit, before),
            ROWS,
            list_pages.BEFORE,
            key=lambda each: int(each.run.id),
        ),
        **values,
    )


def _wordings(kind: NotificationKind) -> dict[str, dict[str, RenderedReply]]:
    rt, own = access.rt(), {"ask": Verbatim(notification.ASK[kind])}
    rupiah = rt.settings.segment_rupiah
    found = preview.of_published(rt.configuration, notification.SECTION, rupiah, own)
    return {name: found.get(name, {}) for name in notification.OF_KIND[kind]}


def _kind(name: str) -> NotificationKind:
    try:
        return NotificationKind(name)
    except ValueError:
        raise NotFound from None


def _refused(kind: NotificationKind) -> Answer:
    error = _(
        "Nothing was done: somebody switched this kind in the meantime. Below is how it is now."
    )
    return _kind_page(kind, error=error), 409


def _to(kind: NotificationKind) -> Response:
    return redirect(url_for(".one", name=kind), 303)
