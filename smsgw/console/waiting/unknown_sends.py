"""Sends of which nobody knows whether they went out: again, or let be."""

from functools import partial
from operator import attrgetter
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from smsgw.backoffice import resend
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.resend import NotResent
from smsgw.console import access, list_pages, reasons
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page
from smsgw.messaging import reconciliation
from smsgw.operations import jobs
from smsgw.storage import audit
from smsgw.storage.audit import Act

ROWS = 50

blueprint = Blueprint("sends", __name__, url_prefix="/waiting/sends")
TAB = Tab(blueprint, "Unknown sends")
Answer = Response | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _page()


@blueprint.post("/<id:reply_id>")
@access.needs(Permission.HELP)
def decide(reply_id: int) -> Answer:
    reason, wanted = reasons.required_reason(), request.form.get("do", "")
    if wanted == "resend":
        return _resend(reply_id, reason)
    if wanted == "close":
        return _close(reply_id, reason)
    raise BadRequest


def _resend(reply_id: int, reason: str) -> Answer:
    rt = access.rt()
    with rt.reading() as tx:
        is_in_doubt = reconciliation.one_open(tx, reply_id) is not None
    if not is_in_doubt:
        return _redirect(_("It is already resolved."))
    try:
        sent = resend.resend(rt, reply_id, access.operator().actor, reason)
    except NotResent as refused:
        return _page(error=_(str(refused))), 409
    jobs.hint(rt, sent.carrier, sent.sender_id)
    return _redirect(_("The reply is queued again."))


def _close(reply_id: int, reason: str) -> Answer:
    with access.rt().writing() as tx:
        unknown = reconciliation.one_open(tx, reply_id)
        is_done = unknown is not None and reconciliation.decide(tx, reply_id, resend_for=None)
        if unknown is not None and is_done:
            actor, detail = access.operator().actor, f"reply {reply_id}: {reason}"
            audit.note(tx, Act.CLOSED, actor, phone_id=unknown.phone_id, detail=detail)
    return _redirect(_("Closed without resending.") if is_done else _("It is already resolved."))


def _page(**values: Any) -> str:
    with access.rt().reading() as tx:
        rows = partial(reconciliation.some_open, tx)
        listed = list_pages.read(rows, ROWS, key=attrgetter("reply_id"))
    return page("waiting/unknown_sends.html", listed=listed, **values)


def _redirect(message: str) -> Response:
    flash(message)
    return redirect(url_for("console.sends.show"), 303)
