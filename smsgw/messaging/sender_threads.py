"""Sends the replies that were claimed, several at a time."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Literal, Self

from smsgw.messaging.leases import Lease, SendResult
from smsgw.messaging.send_gate import Claim

SENDERS = 20  # at a carrier that takes 60 ms, 300 replies a second from one worker
AT_LEAST = 12  # are claimed at once while others are being sent

Event = Literal["ended"] | None  # sends have ended; None: there may be more to send


class SenderThreads:
    """Sends leases in threads, which start as they are needed. It tells `events` of the first
    result, and again when there are as many as pay to be recorded together, or all."""

    def __init__(
        self, send: Callable[[Lease, Claim], SendResult], events: SimpleQueue[Event]
    ) -> None:
        self.under_way = 0  # leases whose results were not collected
        self._send = send
        self._events = events
        self._leases = SimpleQueue[tuple[Lease, Claim] | None]()
        self._ended: list[SendResult] = []
        self._lock = Lock()
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def start(self, claim: Claim) -> None:
        self.under_way += len(claim.leases)
        while len(self._threads) < min(SENDERS, self.under_way):
            self._threads.append(Thread(target=self._work, name="sender"))
            self._threads[-1].start()
        for lease in claim.leases:
            self._leases.put((lease, claim))

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
        for _ in self._threads:
            self._leases.put(None)
        while self._threads:
            self._threads.pop().join()

    def _work(self) -> None:
        while (given := self._leases.get()) is not None:
            result = self._send(*given)
            with self._lock:
                self._ended.append(result)
                is_to_be_told = len(self._ended) in {1, AT_LEAST, self.under_way}
            if is_to_be_told:
                self._events.put("ended")
