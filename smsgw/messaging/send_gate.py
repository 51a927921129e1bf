"""Decides whether a reply that was claimed may leave.

What tells of a participant passes once more the gate that it passed when it was made: their number
on file may be another person's by now. A notification that did not leave at once is asked for
again: it may have been stopped since.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from handlers.disclosure import OnFile, number_on_file
from handlers.ports import LedgerDown, Participant
from smsgw.carriers.carrier import Ending, SendError
from smsgw.ledger.batch_ledger import BatchLedger, NotFetched
from smsgw.messaging import notification_replies
from smsgw.messaging.leases import Lease
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import UNBOUND

FRESH = 1.0  # seconds that what was read with a claim is believed
JUST_MADE = timedelta(minutes=1)  # such a reply need not wait for a ledger that is away


@dataclass(frozen=True, slots=True)
class Claim:
    """Holds replies that were claimed, and what the ledger held of their participants. `wait`: in
    how many seconds the throttle allows some, where it allowed none."""

    leases: Sequence[Lease]
    has_more: bool
    at: float  # of time.monotonic
    ledger: BatchLedger | None = None
    wait: float | None = None

    def is_fresh(self) -> bool:
        return time.monotonic() - self.at < FRESH


def fetched(rt: Runtime, leases: Sequence[Lease]) -> BatchLedger | None:
    nkps = {lease.binding.nkp for lease in leases if lease.binding is not None}
    return BatchLedger(rt.ledger, {"participant": nkps}) if nkps and rt.ledger.may_fetch else None


def refusal(rt: Runtime, lease: Lease, claimed: Claim | None) -> str | None:
    """Returns the code of a reply that may not leave any more. Raises SendError where that is not
    known now."""
    if lease.is_notification and (claimed is None or not claimed.is_fresh()):
        try:
            with rt.reading() as tx:
                code = notification_replies.refusal(tx, lease.reply_id)
        except (DBAPIError, NoConnection):
            raise SendError(Ending.RETRY, "database away") from None
        if code is not None:
            return code
    return None if _may_be_told(rt, lease, claimed) else UNBOUND


def _may_be_told(rt: Runtime, lease: Lease, claimed: Claim | None) -> bool:
    """Raises SendError where that cannot be known now."""
    if lease.binding is None:
        return True
    try:
        participant = _participant(rt, lease.binding.nkp, claimed)
    except LedgerDown:
        if lease.age < JUST_MADE:
            return True
        raise SendError(Ending.RETRY, "ledger away") from None
    on_file = number_on_file(participant, lease.binding.on_file, lease.sms.recipient)
    if on_file is OnFile.UNCLEAR:
        raise SendError(Ending.RETRY, "number unclear")
    return on_file is OnFile.SAME


def _participant(rt: Runtime, nkp: str, claimed: Claim | None) -> Participant | None:
    if claimed is not None and claimed.ledger is not None and claimed.is_fresh():
        with contextlib.suppress(NotFetched):
            return claimed.ledger.participant(nkp)
    return rt.ledger.participant(nkp)
