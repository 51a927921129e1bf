"""Tells the worker that drains a sender ID of new replies, so that no job is needed for each.

While a drain runs, its worker holds a key in Redis and listens to a list. Whoever stores a reply
puts a signal on that list instead of a job into the queue.
"""

import contextlib
import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from smsgw.messaging.sender_threads import Event
from smsgw.operations.queue import HINT_LIVES
from smsgw.runtime import Runtime

LISTENS = 0.5  # seconds for which the list is waited on at once; shorter than runtime.HINT_LIMIT
KEY_LIVES = 4  # seconds: after that a worker that died is no longer believed to drain
HOLDS_AGAIN = 1.0  # seconds after which the key is set again
GATHERS = 0.004  # seconds for which a signal waits for more if it came so soon after another

# KEYS: the drain's key, its list, the hint. ARGV: seconds that the list and the hint live. Returns
# whether a job is needed: no drain runs that could be told, and no other job is hinted at.
SIGNAL = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  return redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[2]) and 1 or 0
end
if redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('RPUSH', KEYS[2], '1')
  redis.call('EXPIRE', KEYS[2], ARGV[1])
end
return 0
"""
# KEYS: the drain's key, its list. Returns whether a signal came that nobody has seen.
END = """
redis.call('DEL', KEYS[1])
return redis.call('DEL', KEYS[2])
"""


def send(redis: Redis, carrier: str, sender_id: str, hint: str) -> bool:
    """Tells a running drain. Returns whether a job is needed instead, for which the key `hint` is
    then set. Raises RedisError."""
    keys = (*_keys(carrier, sender_id), hint)
    return bool(redis.eval(SIGNAL, len(keys), *keys, KEY_LIVES, HINT_LIVES))


class SignalListener:
    """Holds the key of a drain, and puts None into `events` at each signal. `missed` is called for
    a signal that came when the drain had ended."""

    def __init__(
        self, rt: Runtime, carrier: str, sender_id: str, missed: Callable[[], object]
    ) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self._redis = rt.redis
        self._keys = _keys(carrier, sender_id)
        self._missed = missed
        self._is_over = False
        self._hold_again = 0.0
        self._gathers_until = 0.0
        self._rests_until = 0.0
        self._lock = Lock()

    def __enter__(self) -> Self:
        if self._redis is not None:
            Thread(target=self._listen, args=(self._redis,), name="signals", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock, contextlib.suppress(RedisError):
            self._is_over = True
            is_unseen = self._redis is not None and self._redis.eval(END, 2, *self._keys)
            if is_unseen or not self.events.empty():
                self._missed()

    def rest(self, until: float) -> None:
        """Lets all signals until then, by time.monotonic, become one."""
        self._rests_until = until

    def _listen(self, redis: Redis) -> None:
        with contextlib.suppress(RedisError, ValueError):  # ValueError: its connection was closed
            while self._hold(redis):
                if redis.blpop([self._keys[1]], timeout=LISTENS):
                    self._gather(redis)
                    self._pass_on()

    def _hold(self, redis: Redis) -> bool:
        """Returns False, and holds nothing, once the drain is over."""
        with self._lock:
            if not self._is_over and time.monotonic() >= self._hold_again:
                redis.set(self._keys[0], "1", ex=KEY_LIVES)
                self._hold_again = time.monotonic() + HOLDS_AGAIN
            return not self._is_over

    def _gather(self, redis: Redis) -> None:
        """Replies that are stored together send a signal each, and are claimed together."""
        rests = self._rests_until - time.monotonic()
        if rests > 0 or time.monotonic() < self._gathers_until:
            time.sleep(max(rests, GATHERS))
            with contextlib.suppress(RedisError):
                redis.delete(self._keys[1])
        self._gathers_until = time.monotonic() + GATHERS

    def _pass_on(self) -> None:
        with self._lock:
            if self._is_over:
                self._missed()
            else:
                self.events.put(None)


def _keys(carrier: str, sender_id: str) -> tuple[str, str]:
    return f"drain:{carrier}:{sender_id}", f"signals:{carrier}:{sender_id}"
