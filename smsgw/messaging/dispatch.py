"""Sends the replies that wait for a sender ID: leases them, sends them by its carrier and
records the results."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from smsgw import http_client, logs
from smsgw.carriers import http
from smsgw.carriers.carrier import Ending, SendError
from smsgw.messaging import leases, outbox, send_gate, throttle
from smsgw.messaging.leases import Lease, SendResult
from smsgw.messaging.send_gate import Claim
from smsgw.messaging.sender_threads import (
    AT_LEAST,
    SENDERS,
    SENT_WITHIN,
    Event,
    SenderThreads,
)
from smsgw.runtime import Runtime

log = logs.get(__name__)

# Replies that are claimed at most, in a sender's hands or waiting for one: if the worker is killed,
# nobody knows for a while whether they were sent.
AHEAD = SENDERS + 12
GATHERS = 0.02  # seconds that a result waits for others that are recorded together with it
# After a claim of so many, the next one is made so many seconds later: while much comes, few large
# claims take half the CPU of many small ones, here and in PostgreSQL.
SIBLINGS, PACE = 4, 0.02
LINGER = 0.25  # seconds that a drain with nothing to do waits for more
HOLDS = 15.0  # seconds that one drain keeps a worker
RECORD_AGAIN = (0.2, 1.0, 3.0, 5.0, 5.0, 5.0)  # seconds between tries; the lease lasts longer
LAST_MOMENT = outbox.LEASE.total_seconds() - http.READ_LIMIT - 15.0  # seconds after its claim


@dataclass(frozen=True, slots=True)
class Signals:
    """Tells a drain of new replies: None is put into `events` for them. `call_help` is called where
    more replies wait than one worker takes. `linger` returns the seconds to wait for more. `rest`
    is told until when no signal is of use, by time.monotonic."""

    events: SimpleQueue[Event]
    call_help: Callable[[], object]
    linger: Callable[[], float] = lambda: LINGER
    rest: Callable[[float], object] = lambda _until: None


def drain(
    rt: Runtime,
    carrier: str,
    sender_id: str,
    holds: float = HOLDS,
    is_over: Callable[[], bool] = lambda: False,
    signals: Signals | None = None,
) -> float | None:
    """Sends what is due until nothing waits, the throttle says no, `is_over` says so, or `holds`
    seconds have passed. Returns in how many seconds to come back; None where nothing waits. A
    drain that is told of new replies waits for them a little."""
    if carrier not in rt.carriers:
        log.error("replies are waiting for a carrier that is not configured", carrier=carrier)
        return None
    until = time.monotonic() + holds
    events = SimpleQueue[Event]() if signals is None else signals.events
    with SenderThreads(lambda lease, claim: _send(rt, carrier, lease, claim), events) as senders:
        pipeline = _Pipeline(rt, carrier, sender_id, senders, events, signals)
        return pipeline.run(lambda: time.monotonic() < until and not is_over())


class _Pipeline:
    """Claims replies ahead of the senders, and records in one go what has ended meanwhile."""

    def __init__(
        self,
        rt: Runtime,
        carrier: str,
        sender_id: str,
        senders: SenderThreads,
        events: SimpleQueue[Event],
        signals: Signals | None,
    ) -> None:
        self._rt, self._carrier, self._sender_id = rt, carrier, sender_id
        self._senders = senders
        self._events = events
        self._signals = signals
        self._results: list[SendResult] = []  # that are not recorded
        self._may_have_more = True
        self._next_claim = 0.0  # by time.monotonic

    def run(self, has_time: Callable[[], bool]) -> float | None:
        """Returns what `drain` does."""
        try:
            while True:
                goes_on = has_time()
                self._results += self._senders.collect()
                wait = self._fill() if goes_on else None
                self._record()
                if not self._senders.under_way and (wait is not None or not goes_on):
                    return wait if goes_on else 0.0
                happened = self._next()
                if not self._senders.under_way and not happened:
                    return None
                self._may_have_more |= self._signals is None or None in happened
        except BaseException:
            self._senders.finish()
            self._results += self._senders.collect()
            self._record()  # twice does no harm
            raise

    def _fill(self) -> float | None:
        """Claims what there is room for; few at a time would cost as much as many. Returns in how
        many seconds the throttle allows more, where it allowed none."""
        room = AHEAD - self._senders.under_way
        if room < AT_LEAST or not self._may_have_more:
            return None
        claim = _claim(self._rt, self._carrier, self._sender_id, room)
        self._senders.start(claim)
        self._may_have_more = claim.has_more
        is_large = len(claim.leases) >= SIBLINGS and not claim.has_more
        self._next_claim = claim.at + (PACE if is_large else 0.0)
        if self._signals is not None:
            self._signals.rest(self._next_claim)
            if claim.has_more and claim.leases:
                self._signals.call_help()
        return claim.wait

    def _next(self) -> list[Event]:
        """Returns what has happened by now, at least one thing; nothing where nothing is being sent
        and no more comes."""
        is_sending = self._senders.under_way > 0
        timeout = None if is_sending else self._signals.linger() if self._signals else 0.0
        happened: list[Event] = []
        with contextlib.suppress(Empty):
            happened.append(self._first(timeout))
            gathered = time.monotonic() + GATHERS
            while (left := self._waits_until(happened, gathered) - time.monotonic()) > 0:
                happened.append(self._events.get(timeout=left))
            while True:
                happened.append(self._events.get_nowait())
        return happened

    def _first(self, timeout: float | None) -> Event:
        """Waits for what happens next. Raises Empty."""
        if self._senders.waiting:
            with contextlib.suppress(Empty):
                return self._events.get(timeout=SENT_WITHIN)
            self._senders.hurry()
        return self._events.get(timeout=timeout)

    def _waits_until(self, happened: Sequence[Event], gathered: float) -> float:
        """Returns until when others are waited for: until the next claim may be made of what is
        new; otherwise for more results, of what is being sent or is still to come."""
        if None in happened:
            return self._next_claim
        ended, under_way = self._senders.ended, self._senders.under_way
        is_full = self._may_have_more and ended >= AT_LEAST and not self._senders.waiting
        has_company = ended < under_way or self._signals is not None
        return gathered if ended > 0 and not is_full and has_company else 0.0

    def _record(self) -> None:
        _record(self._rt, self._results)
        self._results = []


def _claim(rt: Runtime, carrier: str, sender_id: str, room: int) -> Claim:
    """Leases as many replies as there is room for and the throttle allows."""
    allowed = throttle.take(rt, carrier, sender_id, room)
    if allowed.number <= 0:
        return Claim((), has_more=True, at=time.monotonic(), wait=allowed.wait)
    may_expire, at = rt.clock_check.is_right(), time.monotonic()
    taken = _taken(rt, carrier, sender_id, allowed.number, may_expire)
    throttle.give_back(rt, carrier, sender_id, allowed.number - len(taken))
    has_more = len(taken) == allowed.number
    return Claim(taken, has_more, at, send_gate.fetched(rt, taken))


def _taken(
    rt: Runtime, carrier: str, sender_id: str, limit: int, may_expire: bool
) -> Sequence[Lease]:
    """Takes replies in one statement; what cannot be sent costs a transaction more."""
    with rt.writing_at_once() as tx:
        taken = leases.take(tx, carrier, sender_id, limit, may_expire=may_expire)
    if not taken.unfit:
        return taken.leases
    with rt.writing() as tx:
        leases.set_aside(tx, taken.unfit)
        return taken.leases or leases.claim(tx, carrier, sender_id, limit, may_expire=may_expire)


def _record(rt: Runtime, results: Sequence[SendResult]) -> None:
    """Records what was sent, if the database comes back before the leases run out."""
    if not results:
        return
    for pause in RECORD_AGAIN:
        try:
            _write(rt, results)
        except (DBAPIError, NoConnection) as error:
            log.error("send results are not recorded yet", error=type(error).__name__)
            time.sleep(pause)
        else:
            return
    _write(rt, results)


def _write(rt: Runtime, results: Sequence[SendResult]) -> None:
    if any(each.error is not None for each in results):
        with rt.writing() as tx:
            leases.record(tx, results)
    else:
        with rt.writing_at_once() as tx:
            leases.record_sent(tx, results)


def send_lease(rt: Runtime, carrier: str, lease: Lease, claimed: Claim | None = None) -> SendResult:
    """Posts it, if it may still be told."""
    try:
        if (code := send_gate.refusal(rt, lease, claimed)) is not None:
            raise SendError(Ending.REFUSED, code)
        return SendResult(lease, carrier_ref=rt.carriers[carrier].send(lease.sms))
    except SendError as error:
        log.warning("not sent", reply=lease.reply_id, ending=error.ending, code=error.code)
        return SendResult(lease, error=error)
    except Exception as error:  # a bug after the POST may hide a sent SMS: never blindly again
        log.exception("send failed", reply=lease.reply_id, error=type(error).__name__)
        return SendResult(lease, error=SendError(Ending.UNKNOWN, "bug"))


def _send(rt: Runtime, carrier: str, lease: Lease, claimed: Claim) -> SendResult:
    """Sends a reply unless its lease is nearly over: another process may have decided about it."""
    http_client.SEND_BY.set(claimed.at + LAST_MOMENT)
    if time.monotonic() > claimed.at + LAST_MOMENT:
        return SendResult(lease, error=SendError(Ending.RETRY, "too late"))
    return send_lease(rt, carrier, lease, claimed)
