"""Sends the replies that wait for a sender ID: leases them, sends them by its carrier and
records the results.

What tells of a participant passes once more the gate that it passed when it was made: their number
on file may be another person's by now.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from handlers.disclosure import OnFile, number_on_file
from handlers.ports import LedgerDown, Participant
from smsgw import logs
from smsgw.carriers import http
from smsgw.carriers.carrier import Ending, SendError
from smsgw.ledger.batch_ledger import BatchLedger, NotFetched
from smsgw.messaging import leases, outbox, throttle
from smsgw.messaging.leases import Lease, SendResult, claim
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import UNBOUND

log = logs.get(__name__)

SENDERS = 16  # at a carrier that takes 60 ms, 250 replies a second from one worker
FRESH = 1.0  # seconds that what was read of participants with a claim is believed
HOLDS = 15.0  # seconds that one drain keeps a worker
RECORD_AGAIN = (0.2, 1.0, 3.0, 5.0, 5.0, 5.0)  # seconds between tries; the lease lasts longer
JUST_MADE = timedelta(minutes=1)  # such a reply need not wait for a ledger that is away
LAST_MOMENT = outbox.LEASE.total_seconds() - http.READ_LIMIT - 15.0  # seconds after its claim


def drain(
    rt: Runtime,
    carrier: str,
    sender_id: str,
    holds: float = HOLDS,
    is_over: Callable[[], bool] = lambda: False,
) -> float | None:
    """Sends what is due until nothing waits for the sender ID, its throttle says no, `is_over` says
    so, or `holds` seconds have passed. Returns in how many seconds to come back; None where
    nothing waits.

    It is a pipeline, not a barrier: whenever a sender is free the next reply is claimed for it, and
    what has ended meanwhile is recorded in one go.
    """
    if carrier not in rt.carriers:
        log.error("replies are waiting for a carrier that is not configured", carrier=carrier)
        return None
    until = time.monotonic() + holds
    sending: set[Future[SendResult]] = set()
    ended: set[Future[SendResult]] = set()
    with ThreadPoolExecutor(SENDERS) as pool:
        try:
            while True:
                has_time = time.monotonic() < until and not is_over()
                room = SENDERS - len(sending) if has_time else 0
                leases, come_back = _claim(rt, carrier, sender_id, room)
                claimed = Claim(time.monotonic(), _fetched(rt, leases))
                sending |= {pool.submit(_send, rt, carrier, lease, claimed) for lease in leases}
                if not sending:
                    return come_back if has_time else 0.0
                ended, sending = wait(sending, return_when=FIRST_COMPLETED)
                _record(rt, ended)
        except BaseException:
            _record(rt, ended | wait(sending).done)  # twice does no harm
            raise


@dataclass(frozen=True, slots=True)
class Claim:
    """Tells when some replies were claimed, and what the ledger held of their participants."""

    at: float  # of time.monotonic
    ledger: BatchLedger | None

    def is_fresh(self) -> bool:
        return time.monotonic() - self.at < FRESH


def _fetched(rt: Runtime, leases: Sequence[Lease]) -> BatchLedger | None:
    nkps = {lease.binding.nkp for lease in leases if lease.binding is not None}
    return BatchLedger(rt.ledger, {"participant": nkps}) if nkps and rt.ledger.may_fetch else None


def _claim(
    rt: Runtime, carrier: str, sender_id: str, room: int
) -> tuple[list[Lease], float | None]:
    """Leases as many replies as the throttle allows; if none, returns in how many seconds it
    will."""
    if not room:
        return [], None
    allowed = throttle.take(rt, carrier, sender_id, room)
    if allowed.number <= 0:
        return [], allowed.wait
    may_expire = rt.clock_check.is_right()
    with rt.writing() as tx:
        leases = claim(tx, carrier, sender_id, allowed.number, may_expire=may_expire)
    throttle.give_back(rt, carrier, sender_id, allowed.number - len(leases))
    return leases, None


def _record(rt: Runtime, ended: set[Future[SendResult]]) -> None:
    """Records what was sent, if the database comes back before the leases run out."""
    results = [each.result() for each in ended]
    for pause in RECORD_AGAIN:
        try:
            with rt.writing() as tx:
                leases.record(tx, results)
        except (DBAPIError, NoConnection) as error:
            log.error("send results are not recorded yet", error=type(error).__name__)
            time.sleep(pause)
        else:
            return
    with rt.writing() as tx:
        leases.record(tx, results)


def sent(rt: Runtime, carrier: str, lease: Lease, claimed: Claim | None = None) -> SendResult:
    """Posts it, if it may still be told."""
    try:
        if not _may_be_told(rt, lease, claimed):
            raise SendError(Ending.REFUSED, UNBOUND)
        return SendResult(lease, carrier_ref=rt.carriers[carrier].send(lease.sms))
    except SendError as error:
        log.warning("not sent", reply=lease.reply_id, ending=error.ending, code=error.code)
        return SendResult(lease, error=error)
    except Exception as error:  # a bug after the POST may hide a sent SMS: never blindly again
        log.exception("send failed", reply=lease.reply_id, error=type(error).__name__)
        return SendResult(lease, error=SendError(Ending.UNKNOWN, "bug"))


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


def _send(rt: Runtime, carrier: str, lease: Lease, claimed: Claim) -> SendResult:
    """Sends a reply unless its lease is nearly over: another process may have decided about it."""
    http.SEND_BY.set(claimed.at + LAST_MOMENT)
    if time.monotonic() > claimed.at + LAST_MOMENT:
        return SendResult(lease, error=SendError(Ending.RETRY, "too late"))
    return sent(rt, carrier, lease, claimed)
