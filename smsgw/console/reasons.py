"""Asks for a reason before an operator sees personal data, or does what others must understand
later."""

import json
from datetime import timedelta

from flask import request, session
from werkzeug.exceptions import BadRequest

from smsgw.backoffice.accounts import Permission
from smsgw.console import access
from smsgw.personal_data import HARMLESS, may_identify
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.transaction import Transaction

SHORTEST, LONGEST = 3, 200  # characters
OPENED = "opened"  # in the session: what, when, and why
STAYS_OPEN = timedelta(minutes=15)
COOKIE_ROOM = 2000  # octets; browsers keep no cookie of more than 4 kB


class NoReason(BadRequest):
    """Says that no reason was given; nothing was shown or done."""


class NamesSomebody(BadRequest):
    """Says that a reason names somebody; nothing was shown or done, since the audit log keeps
    reasons for ever."""


def required_reason() -> str:
    """Returns what the form says. Raises NoReason and NamesSomebody."""
    reason = " ".join(request.form.get("reason", "").split())
    if not SHORTEST <= len(reason) <= LONGEST:
        raise NoReason
    if may_identify(HARMLESS.sub("", reason)):
        raise NamesSomebody
    return reason


def keep_open(kind: str, id_: int) -> None:
    """Opens by its address for a while what was looked at with a reason, so that going back shows
    it."""
    key, at = f"{kind} {id_}", int(access.rt().now().timestamp())
    before = [each for each in session.get(OPENED, []) if each[0] != key]
    open_ = [*before, [key, at, required_reason()]]
    while len(json.dumps(open_)) > COOKIE_ROOM:
        open_.pop(0)
    session[OPENED] = open_


def open_for(kind: str, id_: int) -> str | None:
    """Returns the reason that was given for it, or None if it is not open."""
    since = access.rt().now().timestamp() - STAYS_OPEN.total_seconds()
    for key, at, reason in session.get(OPENED, []):
        if key == f"{kind} {id_}" and at > since and access.may(Permission.HELP):
            return str(reason)
    return None


def close(kind: str, id_: int) -> None:
    """Forgets the reason once something is decided: looking again needs another one."""
    session[OPENED] = [each for each in session.get(OPENED, []) if each[0] != f"{kind} {id_}"]


def look(
    tx: Transaction,
    *,
    phone_id: int | None,
    message_id: int | None = None,
    nkp: str | None = None,
) -> None:
    """Records a look before a text, a full number or ledger data of `nkp` is shown, in a
    transaction that is committed. Raises NoReason."""
    looker, reason = access.operator(), required_reason()
    is_found = phone_id is not None or message_id is not None
    audit.note(
        tx,
        Act.LOOKED,
        looker.actor,
        phone_id=phone_id,
        message_id=message_id,
        nkp=nkp,
        detail=reason if is_found else f"not found: {reason}",
    )
