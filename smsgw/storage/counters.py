"""Counts in Redis for all processes; one process counts for itself while Redis is away."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple, cast

import orjson
from pyrate_limiter import InMemoryBucket, Rate, RateItem
from redis import Redis
from redis.exceptions import RedisError

from smsgw import logs

log = logs.get(__name__)

COUNTS_KEPT = 50_000  # in one process's memory; a phone has some five
ASK_AGAIN = 5.0  # seconds that a Redis which failed is left alone
SPENDING_KEPT = timedelta(days=2)
EVERYWHERE = "all"  # beside the calling codes
ALARM_EVERY = 60.0  # seconds between two alarms of one process


class Budget(NamedTuple):
    """Limits the segments of replies a day; None means no limit."""

    everywhere: int | None = None
    code: int | None = None  # to phones of the calling code of who asks

    def limits(self, code: str) -> list[tuple[str, int]]:
        """Returns whose spending is limited, and to how much."""
        every = ((EVERYWHERE, self.everywhere), (code, self.code))
        return [(whose, most) for whose, most in every if most is not None]


# KEYS: one for each use of a limit or a budget, in order. ARGV: as JSON, of each message its
# milliseconds, name, budgets and steps. A budget: the place in KEYS of a day's spending, a field of
# that, and how much it may be. A step: limits of which one is needed, each with its place in KEYS,
# whether it is taken or only looked at, and its rates. Returns which was granted at each step, 0
# for none; for a budget that is used up, minus its number alone. A member is a name, so that what
# is taken twice counts once.
TAKE = """
local answers = {}
for m, message in ipairs(cjson.decode(ARGV[1])) do
  local now, steps, granted = message[1], message[4], {}
  for b, budget in ipairs(message[3]) do
    if tonumber(redis.call('HGET', KEYS[budget[1]], budget[2]) or 0) >= budget[3] then
      granted, steps = {-b}, {}
      break
    end
  end
  for s, limits in ipairs(steps) do
    granted[s] = 0
    for which, limit in ipairs(limits) do
      local key, longest, has_room = KEYS[limit[1]], 0, true
      local held = redis.call('ZCARD', key)
      for _, rate in ipairs(limit[3]) do
        longest = math.max(longest, rate[1])
        if held >= rate[2] and redis.call('ZCOUNT', key, now - rate[1], now) >= rate[2] then
          has_room = false
        end
      end
      if has_room then
        if limit[2] then
          if held > 0 then redis.call('ZREMRANGEBYSCORE', key, 0, now - longest - 1) end
          redis.call('ZADD', key, now, message[2] .. ':1')
          redis.call('PEXPIRE', key, longest)
        end
        granted[s] = which
        break
      end
    end
    if granted[s] == 0 then break end
  end
  answers[m] = granted
end
return answers
"""

Limit = tuple[str, Sequence[Rate], bool]  # a key, its rates, and whether to take or only to look


class LimitRequest(NamedTuple):
    """Says what one message takes: in each step the first limit that has room. It takes nothing if
    the budget of its day is used up."""

    name: str
    at: datetime
    steps: Sequence[Sequence[Limit]]
    day: date | None = None  # where the scheme is; None if there is no budget
    code: str = ""  # the calling code
    budget: Budget = Budget()

    @property
    def budgets(self) -> list[tuple[str, int]]:
        return self.budget.limits(self.code) if self.day else []


class Counters:
    """Counts over all processes if there is a Redis, else in this one."""

    def __init__(self, redis: Redis | None = None) -> None:
        self._redis = redis
        self._asks_at = 0.0
        self._take_script: Callable[..., Any] | None = None
        self._buckets: OrderedDict[str, InMemoryBucket] = OrderedDict()
        self._spent: tuple[date | None, Counter[str]] = None, Counter()
        self._alarmed_at = -ALARM_EVERY
        self._alarmed_for: set[tuple[date, str]] = set()
        self._lock = Lock()

    def take(self, key: str, rates: Sequence[Rate], at: datetime, name: str = "") -> bool:
        """Tells whether there is room for one more; if so it is taken. `name` is what it can be
        given back by."""
        (granted,) = self.take_all([LimitRequest(name, at, (((key, rates, True),),))])
        return granted != [None]

    def take_all(self, requests: Sequence[LimitRequest]) -> list[list[int | None] | None]:
        """Takes the limits of several messages in one trip. Returns for each message, step by step,
        which of the step's limits was granted; None, and no more steps, where none was. Returns
        None for a message whose day's budget is used up."""
        redis = self._reachable()
        if redis is not None:
            try:
                answers = _asked(redis, self._script(redis), requests)
            except RedisError as error:
                self._left_alone(error)
            else:
                return [self._read(*each) for each in zip(requests, answers, strict=True)]
        return [self._take_here(each) if self._is_within(each) else None for each in requests]

    def _read(self, request: LimitRequest, answer: Sequence[int]) -> list[int | None] | None:
        """Reads what TAKE says of a message."""
        if answer and answer[0] < 0 and request.day:
            whose, _ = request.budgets[-answer[0] - 1]
            self._alarm(request.day, whose)
            return None
        return [which - 1 if which else None for which in answer]

    def _is_within(self, request: LimitRequest) -> bool:
        day, (of, here) = request.day, self._spent
        spending = here if of == day else {}
        return day is None or not self.is_spent(day, request.code, request.budget, spending)

    def _take_here(self, request: LimitRequest) -> list[int | None]:
        granted: list[int | None] = []
        for limits in request.steps:
            chosen = (index for index, each in enumerate(limits) if self._one_here(request, *each))
            granted.append(next(chosen, None))
            if granted[-1] is None:
                break
        return granted

    def _one_here(
        self, request: LimitRequest, key: str, rates: Sequence[Rate], is_to_take: bool
    ) -> bool:
        item = RateItem(request.name, _milliseconds(request.at))
        with self._lock:
            bucket = self._buckets.pop(key, None) or InMemoryBucket(list(rates))
            self._buckets[key] = bucket
            if len(self._buckets) > COUNTS_KEPT:
                self._buckets.popitem(last=False)
            bucket.leak(item.timestamp)
            if not is_to_take:
                return bucket.count() < min(rate.limit for rate in rates)
            return bool(bucket.put(item))

    def _script(self, redis: Redis) -> Callable[..., Any]:
        if self._take_script is None:
            self._take_script = redis.register_script(TAKE)
        return self._take_script

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

    def spend(self, day: date, by_code: Mapping[str, int]) -> None:
        """Adds the segments that went to phones of each calling code."""
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
        """Returns the segments of that day's replies so far, EVERYWHERE and by calling code."""
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
        """Returns the segments of all that day's replies so far."""
        return self.spending(day).get(EVERYWHERE, 0)

    def is_spent(self, day: date, code: str, budget: Budget, spending: Mapping[str, int]) -> bool:
        """Tells of it, since somebody has to decide: nobody is answered, or nobody of that calling
        code, until the day is over."""
        for whose, most in budget.limits(code):
            if spending.get(whose, 0) >= most:
                self._alarm(day, whose)
                return True
        return False

    def _alarm(self, day: date, whose: str) -> None:
        if whose == EVERYWHERE:
            self._alarm_for_day()
        else:
            self._alarm_for_code(day, whose)

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


def _asked(
    redis: Redis, script: Callable[..., Any], requests: Sequence[LimitRequest]
) -> Sequence[Sequence[int]]:
    keys: list[str] = []

    def place(key: str) -> int:
        keys.append(key)
        return len(keys)

    messages = [
        [
            _milliseconds(each.at),
            each.name,
            [[place(_spending(each.day)), *budget] for budget in each.budgets if each.day],
            [
                [
                    [place(f"limit:{key}"), taken, [[it.interval, it.limit] for it in rates]]
                    for key, rates, taken in limits
                ]
                for limits in each.steps
            ],
        ]
        for each in requests
    ]
    args = [orjson.dumps(messages)]
    return cast(Sequence[Sequence[int]], script(keys=keys, args=args, client=redis))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _spending(day: date) -> str:
    return f"spent:{day:%y%m%d}"


def _text(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode()


def _member(name: str) -> str:
    """Writes a member as TAKE does."""
    return f"{name}:1"
