"""Counts the trips to Redis."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from redis import ConnectionPool, Redis, UnixDomainSocketConnection

from smsgw.runtime import Runtime
from smsgw.storage.counters import Counters


class Trips(UnixDomainSocketConnection):
    made = 0

    def send_packed_command(self, *commands: object, **options: object) -> None:
        Trips.made += 1
        super().send_packed_command(*commands, **options)


@contextmanager
def watching(rt: Runtime, redis_url: str) -> Iterator[Runtime]:
    """Gives a runtime whose counters' trips are counted in `Trips.made`."""
    pool = ConnectionPool.from_url(redis_url, connection_class=Trips)
    client = Redis(connection_pool=pool)
    client.ping()
    yield replace(rt, counters=Counters(client))
    pool.disconnect()
