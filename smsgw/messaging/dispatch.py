"""Sends the replies that wait for a sender ID: leases them, sends them by its carrier and
records the results.

What tells of a participant passes once more the gate that it passed when it was made: their number
on file may be another person's by now.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from math import inf
from typing import Self

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from handlers.disclosure import OnFile, number_on_file
from handlers.ports import LedgerDown, Participant
from smsgw import logs
from smsgw.carriers import http
from smsgw.carriers.carrier import Ending, SendError
from smsgw.carriers.waiting import SEND_BY, WAITS
from smsgw.ledger.batch_ledger import BatchLedger, NotFetched
from smsgw.messaging import due_replies, leases, outbox, throttle
from smsgw.messaging.due_replies import Want, Whose
from smsgw.messaging.leases import Lease, SendResult, Taken
from smsgw.messaging.senders import PolledQueue, Senders
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import UNBOUND

log = logs.get(__name__)

# Replies of a sender ID that are on their way or not recorded, and those of all, at most: if the
# worker is killed, nobody knows for a while whether they were sent.
AHEAD, MOST = 36, due_replies.MOST
AT_LEAST = 18  # are claimed or recorded at once while others are being sent
RECORDED_WITHIN = 0.02  # seconds that a result waits for others that are recorded together with it
# As with a batch of messages: after a claim of so many the next one comes so many seconds later,
# when more have been stored.
SIBLINGS, GATHERS = 4, 0.012
HELP_AGAIN = 1.0  # seconds after which another worker is called once more
LINGER = 0.25  # seconds that a drain with nothing to do waits for more
SOON = 0.02  # seconds of them before it asks whether another job waits for its worker
FRESH = 1.0  # seconds that what was read of participants with a claim is believed
HOLDS = 15.0  # seconds that one drain keeps a worker
RECORD_AGAIN = (0.2, 1.0, 3.0, 5.0, 5.0, 5.0)  # seconds between tries; the lease lasts longer
JUST_MADE = timedelta(minutes=1)  # such a reply need not wait for a ledger that is away
LAST_MOMENT = outbox.LEASE.total_seconds() - http.READ_LIMIT - 15.0  # seconds after its claim


@dataclass(frozen=True, slots=True)
class Signals:
    """Tells a drain of new replies: whose they are is put into `events`. `call_help` is called
    where more replies wait than one worker takes. `linger` returns the seconds to wait for more."""

    events: PolledQueue[Whose]
    call_help: Callable[[Whose], object]
    linger: Callable[[], float] = lambda: LINGER


def drain(
    rt: Runtime,
    carrier: str,
    sender_id: str,
    holds: float = HOLDS,
    is_over: Callable[[], bool] = lambda: False,
    signals: Signals | None = None,
) -> dict[Whose, float]:
    """Sends what is due until nothing waits, the throttle says no, `is_over` says so, or `holds`
    seconds have passed. Returns for whom to come back, and in how many seconds. A drain that is
    told of new replies waits for them a little, whatever their sender ID."""
    until = time.monotonic() + holds
    with _Drain(rt, signals) as begun:
        begun.hear((carrier, sender_id))
        begun.run(lambda: time.monotonic() < until and not is_over())
    return begun.left()


@dataclass(frozen=True, slots=True)
class Claim:
    """Holds when replies were claimed, and what the ledger held of their participants."""

    at: float  # of time.monotonic
    ledger: BatchLedger | None = None

    def is_fresh(self) -> bool:
        return time.monotonic() - self.at < FRESH


@dataclass(eq=False, slots=True)
class _Line:
    """Holds how far a sender ID is. Times are of time.monotonic."""

    whose: Whose
    claim_at: float = inf  # inf: nothing is known to wait
    wait: float | None = None  # seconds until the throttle allows more, where it allowed none
    ahead: int = 0  # replies on their way, or not recorded
    help_at: float = 0.0  # when another worker may be called


class _Drain:
    """Claims replies ahead of those on their way, and records in one go what has ended."""

    def __init__(self, rt: Runtime, signals: Signals | None) -> None:
        self._rt, self._signals = rt, signals
        self._lines: dict[Whose, _Line] = {}
        self._record_by = inf
        self._gathers_until = 0.0
        wakers = [signals.events] if signals else []
        self._senders = Senders[tuple[Lease, Claim], SendResult](partial(_send, rt), *wakers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Sends what was claimed, and records it, however the drain ends."""
        self._senders.finish()
        _record(self._rt, self._senders.ended)

    def hear(self, whose: Whose) -> None:
        """Notes that replies of a sender ID may wait."""
        if whose[0] not in self._rt.carriers:
            log.error("replies are waiting for a carrier that is not configured", carrier=whose[0])
            return
        line = self._lines.setdefault(whose, _Line(whose))
        if line.wait is None:
            line.claim_at = min(line.claim_at, max(time.monotonic(), self._gathers_until))

    def run(self, has_time: Callable[[], bool]) -> None:
        while has_time():
            self._claim()
            self._record()
            pause = min(self._claim_at(), self._record_by) - time.monotonic()
            if self._senders.under_way or pause < SOON:
                self._wait(pause)
            elif not self._is_told():
                return

    def left(self) -> dict[Whose, float]:
        """Returns in how many seconds to come back, and for whom."""
        waiting = [line for line in self._lines.values() if line.claim_at < inf]
        return {line.whose: line.wait or 0.0 for line in waiting}

    def _claim_at(self) -> float:
        """Returns when there may be something to claim; inf while there is no room for it."""
        return min((line.claim_at for line in self._with_room()), default=inf)

    def _with_room(self) -> list[_Line]:
        """Returns those of which more may be claimed; few at a time would cost as much as many."""
        lines = self._lines.values()
        if MOST - sum(line.ahead for line in lines) < AT_LEAST:
            return []
        return [line for line in lines if AHEAD - line.ahead >= AT_LEAST]

    def _claim(self) -> None:
        """Claims what is due, in equal shares of the room there is."""
        now = time.monotonic()
        due = [line for line in self._with_room() if line.claim_at <= now]
        room = MOST - sum(line.ahead for line in self._lines.values())
        wanted = []
        for line in sorted(due, key=lambda line: line.claim_at)[:room]:
            share = min(AHEAD - line.ahead, max(1, room // len(due)))
            allowed = throttle.take(self._rt, *line.whose, share)
            line.wait = None if allowed.number > 0 else allowed.wait
            line.claim_at = now + (line.wait or 0.0)
            if allowed.number > 0:
                wanted.append(Want(*line.whose, allowed.number))
        if wanted:
            self._start(wanted, _taken(self._rt, wanted))

    def _start(self, wanted: Sequence[Want], taken: Taken) -> None:
        """Sends what was taken; what the throttle allowed and was not there is given back."""
        now = time.monotonic()
        claim = Claim(now, _fetched(self._rt, taken.leases))
        if len(taken.leases) >= SIBLINGS:
            self._gathers_until = now + GATHERS
        number = Counter(lease.whose for lease in taken.leases)
        unfit = Counter(each.whose for each in taken.unfit)
        for want in wanted:
            line = self._lines[want.whose]
            line.ahead += number[want.whose]
            if number[want.whose] + unfit[want.whose] < want.most:
                line.claim_at = inf
            else:
                self._call_help(line)
        self._senders.start((lease, claim) for lease in taken.leases)
        for want in wanted:
            throttle.give_back(self._rt, *want.whose, want.most - number[want.whose])

    def _call_help(self, line: _Line) -> None:
        if self._signals is not None and time.monotonic() >= line.help_at:
            line.help_at = time.monotonic() + HELP_AGAIN
            self._signals.call_help(line.whose)

    def _record(self) -> None:
        """Records what has ended, if it is much, or late."""
        ended, now = self._senders.ended, time.monotonic()
        if ended and self._record_by == inf:
            self._record_by = now + RECORDED_WITHIN
        if len(ended) >= AT_LEAST or now >= self._record_by:
            _record(self._rt, ended)
            for result in self._senders.collect():
                self._lines[result.lease.whose].ahead -= 1
            self._record_by = inf

    def _is_told(self) -> bool:
        """Waits for more, and tells whether there may be."""
        if self._signals is None:
            return False
        self._wait(SOON)
        if self._claim_at() > time.monotonic():
            self._wait(self._signals.linger())
        return self._claim_at() <= time.monotonic()

    def _wait(self, seconds: float) -> None:
        self._senders.wait(seconds)
        for whose in self._signals.events.take() if self._signals else ():
            self.hear(whose)


def _taken(rt: Runtime, wanted: Sequence[Want]) -> Taken:
    """Takes replies in one statement; what cannot be sent costs a transaction more."""
    may_expire = rt.clock_check.is_right()
    with rt.writing_at_once() as tx:
        taken = leases.take(tx, wanted, may_expire=may_expire)
    if taken.unfit:
        with rt.writing() as tx:
            leases.set_aside(tx, taken.unfit)
    return taken


def _fetched(rt: Runtime, leases: Sequence[Lease]) -> BatchLedger | None:
    nkps = {lease.binding.nkp for lease in leases if lease.binding is not None}
    return BatchLedger(rt.ledger, {"participant": nkps}) if nkps and rt.ledger.may_fetch else None


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
    return WAITS.get().in_thread(partial(rt.ledger.participant, nkp))


def _send(rt: Runtime, claimed: tuple[Lease, Claim]) -> SendResult:
    """Sends a reply unless its lease is nearly over: another process may have decided about it."""
    lease, claim = claimed
    SEND_BY.set(claim.at + LAST_MOMENT)
    if time.monotonic() > claim.at + LAST_MOMENT:
        return SendResult(lease, error=SendError(Ending.RETRY, "too late"))
    return send_lease(rt, lease.carrier, lease, claim)
