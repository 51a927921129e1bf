"""Announces something to people who asked for a kind of notification."""

from typing import Any

from flask import Blueprint, flash, redirect, url_for
from werkzeug.wrappers import Response

from handlers import notification
from handlers.ports import LedgerDown
from smsgw.backoffice import announcements, notifications
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.announcements import LONGEST_USE, PROGRAMS, NotAnnounced
from smsgw.configuration.languages import REQUIRED
from smsgw.console import access
from smsgw.console.menu import Tab
from smsgw.console.notifications import announcement_form
from smsgw.console.notifications.announcement_form import TypedAnnouncement
from smsgw.console.rendering import _, is_htmx, page
from smsgw.storage.tables.notifications import Audience

blueprint = Blueprint("announcements", __name__, url_prefix="/notifications/announcements")
TAB = Tab(blueprint, "Announcements", Permission.PUBLISH)
Answer = str | Response | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.PUBLISH)
def show() -> str:
    return _form(announcement_form.empty())


@blueprint.post("/typed")
@access.needs(Permission.PUBLISH)
def typed() -> Answer:
    """Returns how an announcement will look and what it costs, while it is written; without
    scripts, also what is wrong with the rest."""
    if is_htmx():
        previews = _previews(announcement_form.texts(), with_faults=True)
        return page("notifications/_announced.html", previews=previews, **_limits())
    asked = announcement_form.read()
    try:
        found = announcements.faults(access.rt(), asked.kind, asked.announcement, asked.nkps)
    except LedgerDown:
        return _ledger_down(asked)
    return _form(asked, faults=announcement_form.explain(found) | asked.faults)


@blueprint.post("/")
@access.needs(Permission.PUBLISH)
def announce() -> Answer:
    rt, asked = access.rt(), announcement_form.read()
    try:
        found = announcements.faults(rt, asked.kind, asked.announcement, asked.nkps)
        if found or asked.faults:
            raise NotAnnounced(found)
        run = announcements.announce(
            rt, asked.kind, asked.announcement, access.operator().actor, asked.nkps
        )
    except LedgerDown:
        return _ledger_down(asked)
    except NotAnnounced as error:
        faults = announcement_form.explain(error.faults) | asked.faults
        error_text = _("Nothing was announced. What is wrong stands beside each field.")
        return _form(asked, faults=faults, error=error_text), 400
    flash(_("The announcement is planned. Below is who gets it, once all were looked at."))
    return redirect(url_for("console.notification_runs.one", run_id=run.id), 303)


def _ledger_down(asked: TypedAnnouncement) -> Answer:
    error = _("Nothing was announced: the ledger does not answer. Try again.")
    return _form(asked, error=error), 503


def _form(asked: TypedAnnouncement, **values: Any) -> str:
    rt = access.rt()
    return page(
        "notifications/announce.html",
        asked=asked,
        states=notifications.states(rt),
        audiences=Audience,
        programs=PROGRAMS,
        previews=_previews(asked.texts),
        first_day=rt.today,
        last_day=rt.today + LONGEST_USE,
        approval=rt.settings.notification_approval,
        **_limits(),
        **{"faults": {}, **values},
    )


def _limits() -> dict[str, Any]:
    return {
        "most": notification.LONGEST_ANNOUNCEMENT,
        "cost": access.rt().settings.segment_rupiah,
    }


def _previews(texts: dict[str, str], *, with_faults: bool = False) -> list[dict[str, Any]]:
    """Returns the texts as they would be sent."""
    configuration = access.rt().configuration
    return [
        {
            "language": language,
            "shown": announcements.preview(configuration, texts[language], language),
            "faults": announcement_form.text_faults(texts[language]) if with_faults else (),
        }
        for language in REQUIRED
        if texts[language].strip()
    ]
