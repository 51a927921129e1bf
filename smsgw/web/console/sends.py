"""Sends of which nobody knows whether they went out: again, or let be."""

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from smsgw import audit, jobs, unknowns
from smsgw.audit import Act
from smsgw.operators import Permission
from smsgw.web.console import guard, reasons
from smsgw.web.console.shown import page, told

ROWS = 50
ACTS = {"resend": Act.RESENT, "close": Act.CLOSED}

blueprint = Blueprint("sends", __name__, url_prefix="/waiting/sends")


@blueprint.get("/")
@guard.needs(Permission.LOOK)
def show() -> str:
    after = request.args.get("after", 0, type=int)
    with guard.rt().reading() as tx:
        rows = unknowns.some_open(tx, after, ROWS + 1)
    further = rows[ROWS - 1].reply_id if len(rows) > ROWS else None
    return page("sends.html", rows=rows[:ROWS], after=after, further=further)


@blueprint.post("/<int:reply_id>")
@guard.needs(Permission.HELP)
def decide(reply_id: int) -> Response:
    reason, wanted = reasons.given(), request.form.get("do", "")
    if wanted not in ACTS:
        raise BadRequest
    rt = guard.rt()
    lasts = rt.settings.validity if wanted == "resend" else None
    with rt.writing() as tx:
        unknown = unknowns.one_open(tx, reply_id)
        is_done = unknown is not None and unknowns.decide(tx, reply_id, resend_for=lasts)
        if unknown is not None and is_done:
            actor, detail = guard.operator().actor, f"reply {reply_id}: {reason}"
            audit.note(tx, ACTS[wanted], actor, phone_id=unknown.phone_id, detail=detail)
    if unknown is None or not is_done:
        flash(told("It is settled already."))
    elif wanted == "resend":
        jobs.hint(rt, unknown.carrier, unknown.sms.lane)
        flash(told("It is sent again."))
    else:
        flash(told("It is let be."))
    return redirect(url_for("console.sends.show"), 303)
