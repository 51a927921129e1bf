"""Counts messages that came by another channel than SMS, over all processes."""

import contextlib

from redis.exceptions import RedisError

from smsgw.carriers.carrier import IncomingSms
from smsgw.carriers.channels import SMS, channel_of
from smsgw.runtime import Runtime

COUNTS = "channel-messages"  # in Redis: by carrier and channel, how many were stored


def add(rt: Runtime, sms: IncomingSms) -> None:
    """Counts a message that was stored. An SMS costs nothing; while Redis is away nothing is
    counted."""
    channel = channel_of(sms.sender_id)
    if channel == SMS or rt.redis is None:
        return
    with contextlib.suppress(RedisError):
        rt.redis.hincrby(COUNTS, f"{sms.carrier}:{channel}", 1)


def counts(rt: Runtime) -> dict[tuple[str, str], int]:
    """Returns the messages by carrier and channel since Redis was last empty. Raises
    RedisError."""
    if rt.redis is None:
        return {}
    counted = {}
    for name, number in rt.redis.hgetall(COUNTS).items():
        carrier, _, channel = (name if isinstance(name, str) else name.decode()).partition(":")
        counted[carrier, channel] = int(number)
    return counted
