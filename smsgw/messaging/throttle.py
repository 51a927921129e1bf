"""Limits how fast replies may leave by a sender ID, with a token bucket that all workers share in
Redis.

SMSGW_SENDER_RATES holds the rates. A sender ID without a rate is not limited. The bucket holds a
second's worth, one SMS at least.
"""

from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from smsgw import logs
from smsgw.runtime import Runtime

log = logs.get(__name__)

SHORTEST_WAIT = 0.25  # seconds; coming back for each single SMS would cost more than it gains
QUEUE_AWAY = 5.0  # seconds
HITS = "sender-id-hits"  # by sender ID, how often the throttle said no

# KEYS: bucket, hits. ARGV: sender ID, rate, wanted (below 0: given back). Returns what is granted
# and the milliseconds until the next token. The clock is the server's: workers' clocks differ.
TAKE = """
local rate, wanted = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local burst = math.max(1, rate)
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local passed = math.max(0, now - (held[2] or now))
local tokens = math.min(burst, (held[1] or burst) + passed * rate)
local granted = math.min(wanted, math.max(0, math.floor(tokens)))
tokens = math.min(burst, tokens - granted)
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 60)
if wanted > 0 and granted == 0 then redis.call('HINCRBY', KEYS[2], ARGV[1], 1) end
return {granted, math.max(0, math.ceil((1 - tokens) / rate * 1000))}
"""


@dataclass(frozen=True, slots=True)
class Allowed:
    number: int
    wait: float  # seconds until there is more, where it is none


def take(rt: Runtime, carrier: str, sender_id: str, wanted: int) -> Allowed:
    """Returns how many of `wanted` SMS may be sent now: none while the bucket cannot be asked."""
    rate = rt.settings.sender_rates.get(sender_id)
    if rate is None or rt.redis is None:
        return Allowed(wanted, 0.0)
    try:
        granted, wait = _ask(rt.redis, carrier, sender_id, rate, wanted)
    except RedisError as error:
        log.warning("rate limiter unavailable", error=type(error).__name__)
        return Allowed(0, QUEUE_AWAY)
    return Allowed(granted, max(SHORTEST_WAIT, wait / 1000))


def give_back(rt: Runtime, carrier: str, sender_id: str, number: int) -> None:
    """Gives back what was taken and not needed."""
    rate = rt.settings.sender_rates.get(sender_id)
    if rate is None or rt.redis is None or not number:
        return
    try:
        _ask(rt.redis, carrier, sender_id, rate, -number)
    except RedisError as error:
        log.warning("rate limiter unavailable", error=type(error).__name__)


def hits(rt: Runtime) -> dict[tuple[str, str], int]:
    """Returns by (carrier, sender ID) how often the throttle refused since Redis was last empty."""
    if rt.redis is None:
        return {}
    told = {}
    for name, number in rt.redis.hgetall(HITS).items():
        carrier, _, sender_id = (name if isinstance(name, str) else name.decode()).partition(":")
        told[carrier, sender_id] = int(number)
    return told


def _ask(redis: Redis, carrier: str, sender_id: str, rate: float, wanted: int) -> tuple[int, int]:
    name = f"{carrier}:{sender_id}"
    granted, wait = redis.eval(TAKE, 2, f"sender-id:{name}", HITS, name, str(rate), wanted)
    return int(granted), int(wait)
