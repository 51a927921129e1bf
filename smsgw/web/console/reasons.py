"""Why an operator looks at what is somebody's own, or does what others have to understand later."""

import re

from flask import request
from werkzeug.exceptions import BadRequest

from smsgw import audit
from smsgw.audit import Act
from smsgw.recording import LONG_NUMBER
from smsgw.runtime import Transaction
from smsgw.web.console import guard

SHORTEST, LONGEST = 3, 200  # characters
# A case's number is ours, and a day or an hour is nobody's.
NOBODYS = re.compile(
    r"\bADU-?\d{6}-?\d{4,6}\b|\b\d{1,2}[-./]\d{1,2}[-./]\d{4}\b|\b\d{1,2}[:.]\d{2}\b", re.IGNORECASE
)


class NoReason(BadRequest):
    """Nothing was looked at or done."""


class NamesSomebody(BadRequest):
    """Nothing was looked at or done: what the audit keeps for ever names nobody."""


def given() -> str:
    """What the form says. Raises NoReason and NamesSomebody."""
    reason = " ".join(request.form.get("reason", "").split())
    if not SHORTEST <= len(reason) <= LONGEST:
        raise NoReason
    if "@" in reason or LONG_NUMBER.search(NOBODYS.sub("", reason)):
        raise NamesSomebody
    return reason


def look(
    tx: Transaction,
    *,
    phone_id: int | None,
    message_id: int | None = None,
    nkp: str | None = None,
) -> None:
    """Before a text or a whole number is shown, or what the ledger holds of `nkp`, in a transaction
    that is kept. Raises NoReason."""
    looker, reason = guard.operator(), given()
    is_found = phone_id is not None or message_id is not None
    audit.note(
        *(tx, Act.LOOKED, looker.actor),
        phone_id=phone_id,
        message_id=message_id,
        nkp=nkp,
        detail=reason if is_found else f"not found: {reason}",
    )
