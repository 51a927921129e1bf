"""Lets one thread of a process store what several threads want to store at the same time.

A thread that finds nobody at work takes all that waits, as one batch, and works at once: where
little comes nothing waits for company. The others sleep until their own entry is done, or until it
is their turn to work.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from threading import Lock, get_ident
from typing import Any, TypeVar

from smsgw.storage import deadlines, fibers

MOST = 50  # in one batch
# As PostgreSQL's commit_siblings and commit_delay: after a batch of so many the next one waits so
# many seconds, until those who were just answered have sent their next messages.
SIBLINGS, DELAY = 4, 0.002
PATIENCE = 30.0  # seconds that a thread waits at most where it has no limit of its own

Item = TypeVar("Item")
Result = TypeVar("Result")


class TookTooLong(Exception):
    """Says that the caller's time was over before its batch was done: the item may be stored, or
    not."""


class Alone(Exception):
    """Says that the item cannot be worked on in a batch: its own thread has to do it."""


@dataclass(eq=False, slots=True)
class _Entry:
    owner: object
    key: object
    item: Any
    is_awake: Lock = field(default_factory=Lock)
    result: Any = None
    error: BaseException | None = None
    is_done: bool = False
    has_left: bool = False


class GroupCommit:
    """Forms the batches of one process. A batch holds items of one owner, and never two of one key:
    the second has to find what the first one did."""

    def __init__(self, most: int = MOST, delay: float = DELAY) -> None:
        self._most = most
        self._delay = delay
        self._lock = Lock()
        self._waiting: deque[_Entry] = deque()
        self._is_at_work = False
        self._leader: int | None = None
        self._last = 0  # how many were in the last batch

    @property
    def waiting(self) -> int:
        """Counts the items that wait for the next batch."""
        return len(self._waiting)

    def join(
        self,
        owner: object,
        key: object,
        item: Item,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
    ) -> Result:
        """Returns the result of `item`, by `work` of the batch that it is in. Raises what `work`
        returned for it, or raised; TookTooLong; and Alone if a batch of several failed."""
        if self._leader == get_ident():
            raise Alone  # this thread is at work on another one
        asked = (key, item, deadlines.left(inf))
        return fibers.combine((self, id(owner)), asked, partial(self._join_all, owner, work))

    def _join_all(
        self,
        owner: object,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        asked: Sequence[tuple[object, Item, float]],
    ) -> Sequence[Result | BaseException]:
        """Joins with all items that one thread has: each with its key, and the seconds left to
        it."""
        entries = [_Entry(owner, key, item) for key, item, _ in asked]
        for entry in entries:
            entry.is_awake.acquire()
        with self._lock:
            self._waiting.extend(entries)
            is_first, self._is_at_work = not self._is_at_work, True
        with deadlines.within(min(left for _, _, left in asked)):
            for entry in entries:
                if not (is_first and entry is entries[0]):
                    self._sleep(entry)
                if not (entry.is_done or entry.has_left):
                    self._lead(entry, work, may_wait=len(entries) == 1)
        return [each.error or each.result for each in entries]

    def _sleep(self, entry: _Entry) -> None:
        if entry.is_awake.acquire(timeout=max(0.0, deadlines.left(PATIENCE))):
            return
        with self._lock:
            if not entry.is_awake.locked():
                return  # woken just now
            entry.has_left = True
            if entry in self._waiting:
                self._waiting.remove(entry)
        entry.error = TookTooLong()

    def _lead(
        self,
        own: _Entry,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        may_wait: bool,
    ) -> None:
        batch = [own]
        self._leader = get_ident()
        try:
            if may_wait and self._last >= SIBLINGS:
                time.sleep(self._delay)
            batch = self._take(own)
            self._last = len(batch)
            results = work([each.item for each in batch])
            for each, result in zip(batch, results, strict=True):
                if isinstance(result, Exception):
                    each.error = result
                else:
                    each.result = result
        except BaseException as error:
            for each in batch:
                each.error = error if each is own else Alone()
            if len(batch) > 1 and isinstance(error, Exception):
                own.error = Alone()
        finally:
            self._leader = None
            self._wake(batch)

    def _take(self, own: _Entry) -> list[_Entry]:
        batch, keys, left = [own], {own.key}, deque[_Entry]()
        with self._lock:
            for each in self._waiting:
                fits = each.owner is own.owner and each.key not in keys
                if each is own:
                    continue
                if fits and len(batch) < self._most:
                    batch.append(each)
                    keys.add(each.key)
                else:
                    left.append(each)
            self._waiting = left
        return batch

    def _wake(self, batch: Sequence[_Entry]) -> None:
        """Wakes the others of the batch, and the thread that works next."""
        with self._lock:
            for each in batch:
                each.is_done = True
            for each in batch[1:]:
                if not each.has_left:
                    each.is_awake.release()
            if self._waiting:
                self._waiting[0].is_awake.release()
            else:
                self._is_at_work = False


class _Turn:
    def __init__(self) -> None:
        self.lock = Lock()
        self.is_waited_for = False


class CallCoalescer:
    """Makes one call for all who ask for the same while it waits for its turn."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._turns: dict[str, _Turn] = {}

    def call(self, key: str, work: Callable[[], bool]) -> bool:
        """Returns what `work` returns; True at once where a call is still to begin, which a fiber's
        is at the end of its round."""
        made = fibers.once_at_end((self, key), partial(self._call, key, work))
        return True if made is None else made

    def _call(self, key: str, work: Callable[[], bool]) -> bool:
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
            if turn.is_waited_for:
                return True
            turn.is_waited_for = True
        with turn.lock:
            with self._lock:
                turn.is_waited_for = False
            return work()
