"""Sends the replies that were claimed, several at a time."""

import contextlib
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Literal, Self

from smsgw.messaging.leases import Lease, SendResult
from smsgw.messaging.send_gate import Claim

SENDERS = 20  # at a carrier that takes 60 ms, 300 replies a second from one worker
SENT_WITHIN = 0.01  # seconds: by then as many threads have a turn as send what was claimed
NEWEST_COUNTS = 0.2  # the share of the last send in how long a send takes
AT_LEAST = 12  # are claimed at once while others are being sent

Event = Literal["ended"] | None  # sends have ended; None: there may be more to send


class SenderThreads:
    """Sends leases in threads, which start as they are needed. It tells `events` of the first
    result, and again when there are as many as pay to be recorded together, or all.

    Where a carrier answers at once, few threads send all there is: to hand Python's lock from one
    of twenty to the next costs half as much as to send.
    """

    def __init__(
        self, send: Callable[[Lease, Claim], SendResult], events: SimpleQueue[Event]
    ) -> None:
        self.under_way = 0  # leases whose results were not collected
        self._send = send
        self._events = events
        self._waiting = deque[tuple[Lease, Claim]]()
        self._turns = SimpleQueue[bool]()  # each lets a thread send what waits, or end if False
        self._takes = SENDERS * SENT_WITHIN  # seconds that a send takes; as if slow, until known
        self._ended: list[SendResult] = []
        self._lock = Lock()
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def start(self, claim: Claim) -> None:
        self.under_way += len(claim.leases)
        self._waiting.extend((lease, claim) for lease in claim.leases)
        self._give_turns(1 + int(len(self._waiting) * self._takes / SENT_WITHIN))

    @property
    def waiting(self) -> int:
        """Returns how many leases are in no thread's hands."""
        return len(self._waiting)

    def hurry(self) -> None:
        """Sends what waits in as many threads as there may be: those that had a turn take longer
        than they did of late."""
        self._give_turns(SENDERS)

    @property
    def ended(self) -> int:
        """Returns how many results wait to be collected."""
        return len(self._ended)

    def collect(self) -> list[SendResult]:
        """Returns the results that have come since the last time."""
        with self._lock:
            ended, self._ended = self._ended, []
        self.under_way -= len(ended)
        return ended

    def finish(self) -> None:
        """Waits for the sends that are under way; no others can be started."""
        self.hurry()
        for _ in self._threads:
            self._turns.put(False)
        while self._threads:
            self._threads.pop().join()

    def _give_turns(self, wanted: int) -> None:
        turns = min(wanted, len(self._waiting), SENDERS)
        while len(self._threads) < min(turns + self._busy(), SENDERS):
            self._threads.append(Thread(target=self._work, name="sender"))
            self._threads[-1].start()
        for _ in range(turns):
            self._turns.put(True)

    def _busy(self) -> int:
        """Returns how many leases are being sent, at most."""
        return self.under_way - len(self._waiting) - len(self._ended)

    def _work(self) -> None:
        while self._turns.get():
            while (given := self._next()) is not None:
                begun = time.monotonic()
                result = self._send(*given)
                self._end(result, time.monotonic() - begun)

    def _next(self) -> tuple[Lease, Claim] | None:
        with contextlib.suppress(IndexError):
            return self._waiting.popleft()
        return None

    def _end(self, result: SendResult, took: float) -> None:
        with self._lock:
            self._takes += (took - self._takes) * NEWEST_COUNTS
            self._ended.append(result)
            is_to_be_told = len(self._ended) in {1, AT_LEAST, self.under_way}
        if is_to_be_told:
            self._events.put("ended")
