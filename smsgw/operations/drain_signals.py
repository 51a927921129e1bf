"""Tells a worker that drains of new replies, so that no job is needed for each.

While a worker drains it is named in Redis, and listens to a list. Whoever stores a reply puts its
sender ID on that list instead of a job into the queue. Where several workers drain, one of them
gets it.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import Any, Self
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from smsgw.messaging.due_replies import Whose
from smsgw.messaging.senders import PolledQueue
from smsgw.operations.queue import HINT_LIVES
from smsgw.runtime import Runtime

DRAINS, SIGNALS = "drains", "signals"
LISTENS = 0.5  # seconds for which the list is waited on at once; shorter than runtime.HINT_LIMIT
NAME_LIVES = 4  # seconds: after that a worker that died is no longer believed to drain
HOLDS_AGAIN = 1.0  # seconds after which it is named again
GATHERS = 0.004  # seconds in which signals become one
MANY = 100  # signals that are taken at once

# KEYS: who drains, by until when; the signals; the hint. ARGV: the signal, and the seconds that
# the list and the hint live. Returns whether a job is needed: nobody drains who could be told, and
# no other job is hinted at. The clock is the server's: workers' clocks differ.
SIGNAL = """
if redis.call('ZCOUNT', KEYS[1], redis.call('TIME')[1], '+inf') == 0 then
  return redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[3]) and 1 or 0
end
if not redis.call('LPOS', KEYS[2], ARGV[1]) then
  redis.call('RPUSH', KEYS[2], ARGV[1])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
return 0
"""
# KEYS: who drains. ARGV: a name, the seconds that it lives.
HOLD = """
redis.call('ZADD', KEYS[1], redis.call('TIME')[1] + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""
# KEYS: who drains, the signals. ARGV: a name. Returns the signals that nobody will see.
END = """
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('ZCOUNT', KEYS[1], redis.call('TIME')[1], '+inf') > 0 then return {} end
local unseen = redis.call('LRANGE', KEYS[2], 0, -1)
redis.call('DEL', KEYS[2])
return unseen
"""


def send(redis: Redis, carrier: str, sender_id: str, hint: str) -> bool:
    """Tells a running drain. Returns whether a job is needed instead, for which the key `hint` is
    then set. Raises RedisError."""
    signal = f"{carrier}:{sender_id}"
    return bool(redis.eval(SIGNAL, 3, DRAINS, SIGNALS, hint, signal, NAME_LIVES, HINT_LIVES))


class SignalListener:
    """Names a drain, and puts into `events` whose replies each signal is about. `missed` is called
    for a signal that came when the drain had ended."""

    def __init__(self, rt: Runtime, missed: Callable[[Whose], object]) -> None:
        self.events = PolledQueue[Whose]()
        self._redis = rt.redis
        self._name = uuid4().hex
        self._missed = missed
        self._is_over = False
        self._hold_again = 0.0
        self._lock = Lock()

    def __enter__(self) -> Self:
        if self._redis is not None:
            Thread(target=self._listen, args=(self._redis,), name="signals", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock, contextlib.suppress(RedisError):
            self._is_over = True
            unseen = set(self.events.take())
            if self._redis is not None:
                unseen |= set(map(_read, self._redis.eval(END, 2, DRAINS, SIGNALS, self._name)))
            for whose in unseen:
                self._missed(whose)

    def _listen(self, redis: Redis) -> None:
        with contextlib.suppress(RedisError, ValueError):  # ValueError: its connection was closed
            while self._hold(redis):
                told = redis.blmpop(LISTENS, 1, SIGNALS, direction="LEFT", count=MANY)
                if told:
                    self._pass_on([_read(signal) for signal in told[1]])
                    time.sleep(GATHERS)

    def _hold(self, redis: Redis) -> bool:
        """Returns False, and holds nothing, once the drain is over."""
        with self._lock:
            if not self._is_over and time.monotonic() >= self._hold_again:
                redis.eval(HOLD, 1, DRAINS, self._name, NAME_LIVES)
                self._hold_again = time.monotonic() + HOLDS_AGAIN
            return not self._is_over

    def _pass_on(self, told: Sequence[Whose]) -> None:
        with self._lock:
            tell = self._missed if self._is_over else self.events.put
            for whose in told:
                tell(whose)


def _read(signal: Any) -> Whose:
    text = signal if isinstance(signal, str) else signal.decode()
    carrier, _, sender_id = text.partition(":")
    return carrier, sender_id
