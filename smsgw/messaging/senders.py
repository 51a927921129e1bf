"""Sends many replies at a time in one thread: each in a fiber, which is a greenlet, until it has to
wait for its carrier.

Threads that did the same would spend more on handing Python's lock to each other than on sending.
"""

import contextvars
import math
import select
import socket
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from math import inf
from queue import SimpleQueue
from typing import Any, Generic, Self, TypeVar, cast

from greenlet import getcurrent, greenlet

from smsgw.carriers.waiting import ALONE, WAITS

THREADS = 20  # for what waits in its own way
# Answers are looked at after so many seconds, or once something else wakes us: nobody waits for
# them, and to wake for each would cost as much as to send.
GATHERS = 0.003
LONG = 60.0  # seconds

Item = TypeVar("Item")
Result = TypeVar("Result")
Returned = TypeVar("Returned")


class PolledQueue(Generic[Item]):
    """Holds what threads put into it, for one that polls it beside sockets."""

    def __init__(self) -> None:
        self._items = SimpleQueue[Item]()
        self._bell, self._ear = socket.socketpair()
        for each in (self._bell, self._ear):
            each.setblocking(False)
        weakref.finalize(self, _close, self._bell, self._ear)

    def fileno(self) -> int:
        return self._ear.fileno()

    def put(self, item: Item) -> None:
        self._items.put(item)
        with suppress(BlockingIOError):  # it has rung often enough
            self._bell.send(b"!")

    def take(self) -> list[Item]:
        """Returns all that is there."""
        with suppress(BlockingIOError):
            self._ear.recv(4096)  # before the items: one that comes now rings once more
        return [self._items.get_nowait() for _ in range(self._items.qsize())]


class Senders(Generic[Item, Result]):
    """Begins to send items in the order in which they come, and goes on while `wait` is called."""

    def __init__(self, send: Callable[[Item], Result], *wakers: PolledQueue[Any]) -> None:
        """Takes `wakers`, which end a `wait`."""
        self.ended: list[Result] = []  # that were not collected
        self._send = send
        self.under_way = 0
        self._waiting: dict[int, tuple[greenlet, float]] = {}  # by descriptor, and until when
        self._outcomes = PolledQueue[Callable[[], object]]()  # of calls in threads
        self._answers, self._wakers = select.poll(), select.poll()
        for each in (self._outcomes, *wakers):
            self._answers.register(each, select.POLLIN)
            self._wakers.register(each, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()
        if "_pool" in vars(self):
            self._pool.shutdown(wait=False)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS, thread_name_prefix="sender")

    def start(self, items: Iterable[Item]) -> None:
        for item in items:
            self.under_way += 1
            greenlet(self._work).switch(item)

    def collect(self) -> list[Result]:
        """Returns the results that have come since the last time."""
        ended, self.ended = self.ended, []
        return ended

    def wait(self, seconds: float = LONG) -> None:
        """Lets go on what can, after so many seconds at most."""
        first = min((until for _, until in self._waiting.values()), default=inf)
        pause = max(0.0, min(seconds, first - time.monotonic(), LONG))
        gathers = min(pause, GATHERS) if self._waiting else 0.0
        is_woken = gathers and self._wakers.poll(gathers * 1000)
        pause = 0.0 if is_woken else pause - gathers
        for ready, _ in self._answers.poll(math.ceil(pause * 1000)):
            if ready in self._waiting:
                self._go_on(ready, is_ready=True)
        for outcome in self._outcomes.take():
            outcome()
        now = time.monotonic()
        for late in [each for each, (_, until) in self._waiting.items() if until <= now]:
            self._go_on(late, is_ready=False)

    def finish(self) -> None:
        """Sends all that was started."""
        while self.under_way:
            self.wait()

    def until_ready(self, connection: socket.socket, until: float, *, to_write: bool) -> None:
        """Lets others send meanwhile. Raises TimeoutError."""
        fiber, descriptor = getcurrent(), connection.fileno()
        self._answers.register(descriptor, select.POLLOUT if to_write else select.POLLIN)
        self._waiting[descriptor] = fiber, until
        if not fiber.parent.switch():
            raise TimeoutError

    def in_thread(self, call: Callable[[], Returned]) -> Returned:
        """Lets others send meanwhile."""
        fiber = getcurrent()

        def run() -> None:
            WAITS.set(ALONE)
            outcome = partial(fiber.switch, *_outcome(call))
            self._outcomes.put(outcome)

        self._pool.submit(contextvars.copy_context().run, run)
        result, error = fiber.parent.switch()
        if error is not None:
            raise error
        return cast(Returned, result)

    def _work(self, item: Item) -> None:
        WAITS.set(self)
        try:
            result = self._send(item)
            self.ended.append(result)  # the list may be another one by now
        finally:
            self.under_way -= 1

    def _go_on(self, descriptor: int, *, is_ready: bool) -> None:
        fiber, _ = self._waiting.pop(descriptor)
        self._answers.unregister(descriptor)
        fiber.switch(is_ready)


def _outcome(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return call(), None
    except Exception as error:
        return None, error


def _close(*ends: socket.socket) -> None:
    for each in ends:
        each.close()
