"""Lets one thread handle many requests, each until it has to wait for something.

Each request runs in a fiber, which is a greenlet. Where several need the same thing, such as being
stored, one call does it for all of them once each has come as far. Threads that did the same in
turns would spend more on the turns than on the work. What may take long, or is one request's own,
is done by a pool of threads. Outside a fiber everything is done at once.
"""

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet

from smsgw import logs

MOST = 50  # requests that begin in one round
# After a call for so many, the next round waits until as many requests have come, so many seconds
# at most: whoever was just answered sends the next one.
SIBLINGS, DELAY = 4, 0.008

log = logs.get(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
Run = Callable[[Sequence[Any]], Sequence[Any]]


class Arrivals:
    """Holds what has come for one thread, which sleeps until enough has."""

    def __init__(self) -> None:
        self._calls = deque[Callable[[], object]]()
        self._changes = threading.Condition(threading.Lock())
        self._wanted = 0  # while the thread sleeps: with how many it goes on

    def put(self, call: Callable[[], object]) -> None:
        with self._changes:
            self._calls.append(call)
            if 0 < self._wanted <= len(self._calls):
                self._wanted = 0
                self._changes.notify()

    def take(self, most: int, wanted: int, seconds: float) -> list[Callable[[], object]]:
        """Returns `most` at most. It waits for `wanted` so many seconds, and then for the first."""
        with self._changes:
            self._sleep(wanted, seconds)
            self._sleep(1, None)
            return [self._calls.popleft() for _ in range(min(most, len(self._calls)))]

    def _sleep(self, wanted: int, seconds: float | None) -> None:
        if len(self._calls) < wanted:
            self._wanted = wanted
            self._changes.wait_for(lambda: len(self._calls) >= wanted, seconds)
            self._wanted = 0


class Fibers:
    """Runs calls in the fibers of one thread, in rounds: what has come begins or goes on, and then
    one call is made for all that wait for the same, until none waits. What comes meanwhile begins
    in the next round: small groups would cost as much as large ones."""

    def __init__(
        self,
        pool: Executor,
        after_round: Callable[[], object] = lambda: None,
        delay: float = DELAY,
    ) -> None:
        self._pool = pool
        self._after_round = after_round
        self._delay = delay
        self._ready = Arrivals()
        self._waiting: dict[Hashable, tuple[Run, list[tuple[_Fiber, Any]]]] = {}
        self._last = 0  # how many the last call was for
        self._at_end: dict[Hashable, Callable[[], object]] = {}  # of the round
        threading.Thread(target=self._loop, daemon=True, name="fibers").start()

    def submit(self, call: Callable[[], object]) -> None:
        """Runs `call` in a fiber. It must not raise."""
        self._ready.put(lambda: _Fiber(self, call).go_on())

    def add(self, fiber: "_Fiber", key: Hashable, item: Any, run: Run) -> None:
        """Adds a fiber to those that wait for the call named by `key`."""
        self._waiting.setdefault(key, (run, []))[1].append((fiber, item))

    def add_at_end(self, key: Hashable, call: Callable[[], object]) -> None:
        self._at_end[key] = call

    def run_in_pool(self, fiber: "_Fiber", call: Callable[[], object]) -> None:
        """Lets the fiber go on with what comes of `call` in a thread of the pool."""

        def run() -> None:
            outcome = _outcome(call)
            self._ready.put(lambda: fiber.go_on(*outcome))

        self._pool.submit(contextvars.copy_context().run, run)

    def _loop(self) -> None:
        while True:
            if not self._waiting:
                wanted = self._last if self._last >= SIBLINGS else 1
                for go_on in self._ready.take(MOST, wanted, self._delay):
                    go_on()
            waiting, self._waiting = self._waiting, {}
            self._last = max((len(fibers) for _, fibers in waiting.values()), default=0)
            for run, fibers in waiting.values():
                _run_for_all(run, fibers)
            at_end, self._at_end = self._at_end, {}
            for call in at_end.values():
                _, error = _outcome(call)
                if error is not None:
                    log.error("failed at the end of a round", exc_info=error)
            self._after_round()


class _Fiber:
    def __init__(self, fibers: Fibers, call: Callable[[], object]) -> None:
        self.fibers = fibers
        self._greenlet = greenlet(call)  # a child of the loop's, to which it switches back
        self._greenlet.fiber = self

    def go_on(self, *outcome: Any) -> None:
        self._greenlet.switch(*outcome)
        if self._greenlet.dead:
            del self._greenlet.fiber  # nothing is left for the garbage collector

    def wait(self) -> Any:
        """Returns, or raises, what `go_on` is called with."""
        result, error = self._greenlet.parent.switch()
        if error is not None:
            raise error
        return result


def combine(
    key: Hashable, item: Item, run: Callable[[Sequence[Item]], Sequence[Result | BaseException]]
) -> Result:
    """Waits until every fiber has come as far as it can. Then one `run`, of those that wait for
    `key`, is called with all their items. Returns what it returned for `item`, or raises that."""
    fiber = _current()
    if fiber is None:
        (result,) = run([item])
        if isinstance(result, BaseException):
            raise result
        return result
    fiber.fibers.add(fiber, key, item, run)
    return cast(Result, fiber.wait())


def once_at_end(key: Hashable, call: Callable[[], Result]) -> Result | None:
    """Makes one call at the end of the round for all fibers that want the same, and waits for none;
    outside a fiber it is made at once, and its result returned."""
    fiber = _current()
    if fiber is None:
        return call()
    fiber.fibers.add_at_end(key, call)
    return None


def in_pool(call: Callable[[], Result]) -> Result:
    """Runs what may take long in another thread, while other fibers go on."""
    fiber = _current()
    if fiber is None:
        return call()
    fiber.fibers.run_in_pool(fiber, call)
    return cast(Result, fiber.wait())


def _current() -> _Fiber | None:
    return getattr(getcurrent(), "fiber", None)


def _run_for_all(run: Run, fibers: Sequence[tuple[_Fiber, Any]]) -> None:
    results, error = _outcome(partial(run, [item for _, item in fibers]))
    for place, (fiber, _) in enumerate(fibers):
        result = results[place] if error is None else error
        if isinstance(result, BaseException):
            fiber.go_on(None, result)
        else:
            fiber.go_on(result, None)


def _outcome(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return call(), None
    except Exception as error:
        return None, error
