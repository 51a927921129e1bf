"""Counters in Redis that all processes share; one process counts for itself while Redis is away."""

import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Event, Lock
from typing import Any

from pyrate_limiter import InMemoryBucket, Rate, RateItem, RedisBucket
from pyrate_limiter.buckets.redis_bucket import LuaScript
from redis import Redis
from redis.exceptions import NoScriptError, RedisError

from smsgw import logs

log = logs.get(__name__)

COUNTS_KEPT = 50_000  # in one process's memory; a phone has some five
ASK_AGAIN = 5.0  # seconds that a Redis which failed is left alone
SPENDING_KEPT = timedelta(days=2)
EVERYWHERE = "all"  # beside the calling codes
PATIENCE = 5.0  # seconds that a repeated delivery waits for the first one's end
ALARM_EVERY = 60.0  # seconds between two alarms of one process


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits the segments of replies a day; None means no limit."""

    everywhere: int | None = None
    code: int | None = None  # to phones of the calling code of who asks


class Counters:
    """Counts over all processes if there is a Redis, else in this one."""

    def __init__(self, redis: Redis | None = None) -> None:
        self._redis = redis
        self._asks_at = 0.0
        self._script: str | None = None
        self._buckets: OrderedDict[str, InMemoryBucket] = OrderedDict()
        self._spent: tuple[date | None, Counter[str]] = None, Counter()
        self._alarmed_at = -ALARM_EVERY
        self._alarmed_for: set[tuple[date, str]] = set()
        self._begun: dict[str, Event] = {}
        self._lock = Lock()

    @contextmanager
    def once_at_a_time(self, message: str) -> Iterator[None]:
        """Handles one delivery of a message at a time in this process, so that it is counted
        once."""
        with self._lock:
            done = self._begun.get(message)
            if done is None:
                self._begun[message] = Event()
        if done is not None:
            done.wait(PATIENCE)
            yield
            return
        try:
            yield
        finally:
            with self._lock:
                self._begun.pop(message).set()

    def take(self, key: str, rates: Sequence[Rate], at: datetime, name: str = "") -> bool:
        """Tells whether there is room for one more; if so it is taken. `name`: by which it can be
        given back."""
        item = RateItem(name, round(at.timestamp() * 1000))
        redis = self._reachable()
        if redis is not None:
            try:
                return self._shared(redis, f"limit:{key}", rates, name).put(item) is True
            except NoScriptError:  # it was restarted
                self._script = None
                return self.take(key, rates, at, name)
            except RedisError as error:
                self._left_alone(error)
        with self._lock:
            bucket = self._buckets.pop(key, None) or InMemoryBucket(list(rates))
            self._buckets[key] = bucket
            if len(self._buckets) > COUNTS_KEPT:
                self._buckets.popitem(last=False)
            bucket.leak(item.timestamp)
            return bucket.put(item)

    def give_back(self, key: str, name: str) -> None:
        redis = self._reachable()
        if redis is not None:
            try:
                redis.zrem(f"limit:{key}", _member(name))
            except RedisError as error:
                self._left_alone(error)
            else:
                return
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is not None:
                bucket.items = [item for item in bucket.items if item.name != name]

    def is_full(self, key: str, rates: Sequence[Rate]) -> bool:
        """Tells whether `take` would find no room, of a key that counts one day."""
        redis = self._reachable()
        most = min(rate.limit for rate in rates)
        if redis is not None:
            try:
                return int(redis.zcard(f"limit:{key}")) >= most
            except RedisError as error:
                self._left_alone(error)
        with self._lock:
            bucket = self._buckets.get(key)
            return bucket is not None and bucket.count() >= most

    def spend(self, day: date, by_code: Mapping[str, int]) -> None:
        """Segments to phones of each calling code."""
        added = {**by_code, EVERYWHERE: sum(by_code.values())}
        redis = self._reachable()
        if redis is not None:
            try:
                pipeline = redis.pipeline()
                for code, segments in added.items():
                    pipeline.hincrby(_spending(day), code, segments)
                pipeline.expire(_spending(day), SPENDING_KEPT)
                pipeline.execute()
            except RedisError as error:
                self._left_alone(error)
            else:
                return
        with self._lock:
            of, before = self._spent
            self._spent = day, Counter(before if of == day else {}) + Counter(added)

    def spending(self, day: date) -> Mapping[str, int]:
        """Segments of that day's replies so far, EVERYWHERE and by calling code."""
        redis = self._reachable()
        if redis is not None:
            try:
                found = redis.hgetall(_spending(day)).items()
                return {_text(name): int(segments) for name, segments in found}
            except RedisError as error:
                self._left_alone(error)
        of, here = self._spent
        return here if of == day else {}

    def spent(self, day: date) -> int:
        """Segments of all that day's replies, so far."""
        return self.spending(day).get(EVERYWHERE, 0)

    def is_spent(self, day: date, code: str, budget: Budget) -> bool:
        """Tells of it, since somebody has to decide: nobody is answered, or nobody of that calling
        code, until the day is over."""
        spending = self.spending(day)
        if budget.everywhere is not None and spending.get(EVERYWHERE, 0) >= budget.everywhere:
            self._alarm_for_day()
            return True
        if budget.code is not None and spending.get(code, 0) >= budget.code:
            self._alarm_for_code(day, code)
            return True
        return False

    def _alarm_for_day(self) -> None:
        if time.monotonic() - self._alarmed_at >= ALARM_EVERY:
            self._alarmed_at = time.monotonic()
            log.error("daily segments are used up; messages are stored without a reply")

    def _alarm_for_code(self, day: date, code: str) -> None:
        with self._lock:
            is_known = (day, code) in self._alarmed_for
            self._alarmed_for = {each for each in self._alarmed_for if each[0] == day} | {
                (day, code)
            }
        if not is_known:
            log.error(
                "daily segments for a calling code are used up; its messages get no reply today",
                code=code,
            )

    def _reachable(self) -> Redis | None:
        return self._redis if time.monotonic() >= self._asks_at else None

    def _left_alone(self, error: RedisError) -> None:
        self._asks_at = time.monotonic() + ASK_AGAIN
        log.warning("Redis unavailable, counting per process", error=type(error).__name__)

    def _shared(self, redis: Redis, key: str, rates: Sequence[Rate], name: str) -> RedisBucket:
        if self._script is None:
            self._script = str(redis.script_load(LuaScript.PUT_ITEM))
        longest = max(rate.interval for rate in rates)
        client: Any = TrimmingRedis(redis, longest, name)
        return RedisBucket(list(rates), client, key, self._script)


class TrimmingRedis:
    """Wraps the limiter's client: the same trip also deletes what no window needs any more, and
    counts a named item by its name, where the limiter would make one up."""

    def __init__(self, redis: Redis, longest: int, name: str) -> None:
        self._redis = redis
        self._longest = longest  # milliseconds
        self._name = name

    def evalsha(
        self, script: str, keys: int, key: str, now: int, weight: int, named: str, *rest: object
    ) -> object:
        rest = (weight, f"{self._name}:" if self._name else named, *rest)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zremrangebyscore(key, 0, now - self._longest - 1)
        pipeline.evalsha(script, keys, key, now, *rest)  # type: ignore[arg-type]
        pipeline.pexpire(key, self._longest)
        return pipeline.execute()[1]


def _spending(day: date) -> str:
    return f"spent:{day:%y%m%d}"


def _text(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode()


def _member(name: str) -> str:
    """Writes the first member of an item as the limiter's script does."""
    return f"{name}:1"
