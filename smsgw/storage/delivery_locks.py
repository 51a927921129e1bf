"""Lets one process handle one delivery of a message at a time, so that it is counted once."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Lock

from smsgw.storage import fibers

PATIENCE = 5.0  # seconds that a repeated delivery waits for the first one's end


class DeliveryLocks:
    def __init__(self) -> None:
        self._begun: dict[str, list[Event]] = {}  # with who waits for its end
        self._lock = Lock()

    @contextmanager
    def hold(self, message: str) -> Iterator[None]:
        """Waits for another delivery of the message to end, if there is one, but no longer than
        PATIENCE."""
        with self._lock:
            waiting = self._begun.get(message)
            if waiting is None:
                self._begun[message] = []
            else:
                done = Event()  # most messages have nobody who waits for them
                waiting.append(done)
        if waiting is not None:
            fibers.in_pool(partial(done.wait, PATIENCE))
            yield
            return
        try:
            yield
        finally:
            with self._lock:
                waiting = self._begun.pop(message)
            for each in waiting:
                each.set()
