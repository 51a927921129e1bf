"""Checks how fast replies may leave by a sender ID, and that none blocks another."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
from redis import Redis
from sqlalchemy import select

from smsgw import responder, runtime, settings
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging import dispatch, throttle
from smsgw.operations import jobs
from smsgw.operations.queue import TIME_SLICE, TimeSlice
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import attempts, replies
from tests.conftest import P1, Clock
from tests.support.sender_ids import burst, states
from tests.support.servers import Queue as Server
from tests.support.waiting import eventually

SLOW, FAST = "+15005550006", "2757"
SLOW_RATE, RATE = 0.3, 20  # SMS a second
_references = count()


@pytest.fixture
def slowed(rt: Runtime, environ: dict[str, str]) -> Runtime:
    return replace(
        rt, settings=settings.load(environ | {"SMSGW_SENDER_RATES": f"{SLOW}={SLOW_RATE}"})
    )


@pytest.fixture
def queue() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def receive(rt: Runtime, clock: Clock, sender_id: str, number: int) -> None:
    """None is a repeat of the one before."""
    for _ in range(number):
        clock.moves(minutes=3)
        reference = next(_references)
        text = f"{'CEK ' * (reference % 2)}SALDO {sender_id}"
        sms = IncomingSms("simulator", f"sender-id-{reference}", P1, sender_id, text)
        assert responder.respond(rt, sms)


def test_a_bucket_holds_one_second_and_refills_at_its_rate(
    rt: Runtime, environ: dict[str, str]
) -> None:
    own = replace(rt, settings=settings.load(environ | {"SMSGW_SENDER_RATES": f"{FAST}={RATE}"}))
    begun = server_time(own)
    taken = emptied(own)
    assert RATE <= taken <= RATE + fills(own, begun)
    assert throttle.hits(own) == {("simulator", FAST): 1}

    begun = server_time(own)
    throttle.give_back(own, "simulator", FAST, 3)
    assert 3 <= emptied(own) <= 3 + fills(own, begun)

    begun = server_time(own)
    passes(own, 0.5)
    assert RATE // 2 <= emptied(own) <= RATE // 2 + fills(own, begun)

    passes(own, 60)
    assert throttle.take(own, "simulator", FAST, 500).number == RATE
    assert throttle.take(own, "simulator", SLOW, 500).number == 500


def emptied(rt: Runtime) -> int:
    """Returns how many could be sent until the bucket had none."""
    taken = 0
    while (allowed := throttle.take(rt, "simulator", FAST, 16)).number:
        taken += allowed.number
    assert allowed.wait == throttle.SHORTEST_WAIT
    return taken


def server_time(rt: Runtime) -> float:
    assert rt.redis is not None
    seconds, micros = rt.redis.time()
    return float(seconds) + float(micros) / 1e6


def fills(rt: Runtime, since: float) -> float:
    """Returns how many sends were allowed since then, on a slow machine too, with the part of one
    that was left."""
    return (server_time(rt) - since) * RATE + 1


def passes(rt: Runtime, seconds: float) -> None:
    """Lets time pass for the bucket, which the server's clock fills."""
    assert rt.redis is not None
    rt.redis.hincrbyfloat(f"sender-id:simulator:{FAST}", "at", -seconds)


@pytest.mark.parametrize(
    "rates", ["2757=1;98=1", "+2757=1", "081234=5", "2757=0", "2757=1e9", "2757", "=5", "2757=x"]
)
def test_useless_rates_are_refused(rates: str) -> None:
    with pytest.raises(settings.SettingsError, match="SMSGW_SENDER_RATES"):
        settings.load({"SMSGW_SENDER_RATES": rates})


def test_a_slow_sender_id_does_not_block_the_worker(slowed: Runtime, clock: Clock) -> None:
    receive(slowed, clock, SLOW, 3)
    receive(slowed, clock, FAST, 3)
    for sender_id in (SLOW, FAST):
        jobs.hint(slowed, "simulator", sender_id)

    def comes_back() -> bool:
        """Tells whether the last reply is sent, without a hint."""
        burst(slowed)
        return states(slowed)[1] == "sent"

    eventually(comes_back)
    with slowed.reading() as tx:
        of_it = attempts.c.reply_id == replies.c.id
        left = select(replies.c.sender_id).join(attempts, of_it).order_by(attempts.c.id)
        assert list(tx.connection.execute(left).scalars())[:5] == [SLOW, FAST, FAST, FAST, SLOW]


def test_a_busy_sender_id_yields_after_its_time_slice(rt: Runtime, queue: Server) -> None:
    rt = replace(rt, redis=runtime.hints(queue.url))
    begun = time.monotonic()
    turn = TimeSlice(rt, looks_every=0.1)
    while time.monotonic() < begun + 0.5:
        assert not turn()  # nobody waits
    jobs.hint(rt, "simulator", SLOW)
    eventually(turn)
    assert time.monotonic() < begun + dispatch.HOLDS  # when it would be over anyway


def test_every_sender_id_gets_a_time_slice(rt: Runtime, queue: Server) -> None:
    rt = replace(rt, redis=runtime.hints(queue.url))
    jobs.hint(rt, "simulator", SLOW)
    begun = time.monotonic()
    eventually(TimeSlice(rt))
    assert begun + TIME_SLICE <= time.monotonic() < begun + dispatch.HOLDS


def test_without_its_bucket_a_slow_sender_id_waits(
    slowed: Runtime, clock: Clock, queue: Server
) -> None:
    receive(slowed, clock, SLOW, 1)
    with Redis.from_url(queue.url) as client:
        away = replace(slowed, redis=client)
        queue.kill()
        assert dispatch.drain(away, "simulator", SLOW) == throttle.QUEUE_AWAY
        assert states(slowed) == ["queued"]
        queue.start()
        dispatch.drain(away, "simulator", SLOW)
    assert states(slowed) == ["sent"]
