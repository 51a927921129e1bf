"""Shows and opens locks of phones that guessed too often, and of participants for whom somebody
sent BUKAN SAYA."""

from functools import partial

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from smsgw.backoffice.accounts import Permission
from smsgw.console import access, list_pages, reasons
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page
from smsgw.registry import freezes, lockout
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.security import Ciphertext

ROWS, FROZEN = 50, 200
SHOWN_DIGITS = 4

blueprint = Blueprint("locked", __name__, url_prefix="/waiting/locked")
TAB = Tab(blueprint, "Locked")


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    with access.rt().reading() as tx:
        listed = list_pages.read(partial(lockout.locked_phones, tx), ROWS)
        phones = {
            row.id: tx.opened(row.number, Ciphertext.PHONE, row.id, row.hash) or ""
            for row in listed.rows
        }
        frozen = freezes.blocked_participants(tx, FROZEN)
    return page(
        "waiting/lockouts.html",
        listed=listed,
        phones=phones,
        frozen=frozen,
        digits=SHOWN_DIGITS,
    )


@blueprint.post("/phones/<id:phone_id>")
@access.needs(Permission.HELP)
def unlock(phone_id: int) -> Response:
    reason = reasons.required_reason()
    with access.rt().writing() as tx:
        is_done = lockout.unlock(tx, phone_id)
        if is_done:
            audit.note(tx, Act.UNLOCKED, access.operator().actor, phone_id=phone_id, detail=reason)
    return _redirect(_("The phone is unlocked.") if is_done else _("It was no longer locked."))


@blueprint.post("/participants")
@access.needs(Permission.HELP)
def unblock() -> Response:
    """Unlocks a participant, whom the form names: not even the hash of an NKP belongs in an
    address."""
    reason = reasons.required_reason()
    with access.rt().writing() as tx:
        unblocked = freezes.end(tx, request.form.get("key", ""))
        if unblocked is not None:
            audit.note(tx, Act.UNLOCKED, access.operator().actor, subject=unblocked, detail=reason)
    message = _("Unlocked. Codes can be sent and registrations accepted again.")
    return _redirect(message if unblocked else _("It was no longer locked."))


def _redirect(message: str) -> Response:
    flash(message)
    return redirect(url_for("console.locked.show"), 303)
