"""How fast a lane may send, and that none stands in another's way."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
from redis import Redis

from smsgw import jobs, lanes, responder, runtime, sending, settings
from smsgw.carriers.base import IncomingSms
from smsgw.runtime import Runtime
from tests.conftest import P1, Clock
from tests.servers import Queue as Server
from tests.smsgw.test_jobs import burst, states

SLOW, FAST = "+15005550006", "2757"
_references = count()


@pytest.fixture
def slowed(rt: Runtime, environ: dict[str, str]) -> Runtime:
    return replace(rt, settings=settings.load(environ | {"SMSGW_LANE_RATES": f"{SLOW}=0.3"}))


@pytest.fixture
def queue() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def receive(rt: Runtime, clock: Clock, lane: str, number: int) -> None:
    for _ in range(number):
        clock.moves(minutes=3)
        sms = IncomingSms("simulator", f"lane-{next(_references)}", P1, lane, f"SALDO {lane}")
        assert responder.respond(rt, sms)


def test_a_bucket_holds_a_second_and_fills_by_its_rate(
    rt: Runtime, environ: dict[str, str]
) -> None:
    own = replace(rt, settings=settings.load(environ | {"SMSGW_LANE_RATES": "2757=20"}))
    assert lanes.take(own, "simulator", FAST, 16).number == 16
    assert lanes.take(own, "simulator", FAST, 16).number == 4
    none = lanes.take(own, "simulator", FAST, 16)
    assert (none.number, none.wait) == (0, lanes.SHORTEST_WAIT)
    assert lanes.hits(own) == {("simulator", FAST): 1}
    lanes.give_back(own, "simulator", FAST, 3)
    assert lanes.take(own, "simulator", FAST, 16).number == 3
    time.sleep(0.3)
    assert 5 <= lanes.take(own, "simulator", FAST, 16).number <= 8
    assert lanes.take(own, "simulator", SLOW, 500).number == 500


@pytest.mark.parametrize(
    "rates", ["2757=1;98=1", "+2757=1", "081234=5", "2757=0", "2757=1e9", "2757", "=5", "2757=x"]
)
def test_rates_that_would_slow_nobody_are_refused(rates: str) -> None:
    with pytest.raises(settings.SettingsError, match="SMSGW_LANE_RATES"):
        settings.load({"SMSGW_LANE_RATES": rates})


def test_a_slow_lane_leaves_its_worker_to_others(slowed: Runtime, clock: Clock) -> None:
    receive(slowed, clock, SLOW, 3)
    receive(slowed, clock, FAST, 3)
    for lane in (SLOW, FAST):
        jobs.hint(slowed, "simulator", lane)
    burst(slowed)
    assert states(slowed) == ["sent", "queued", "queued", "sent", "sent", "sent"]
    until = time.monotonic() + 30
    while states(slowed)[1] == "queued" and time.monotonic() < until:
        time.sleep(0.2)
        burst(slowed)  # nobody hinted: it comes back by itself
    assert states(slowed)[1] == "sent"


def test_a_lane_that_is_busy_gives_way_after_its_turn(rt: Runtime, queue: Server) -> None:
    rt = replace(rt, redis=runtime.hints(queue.url))
    turn = jobs.Turn(rt)
    time.sleep(jobs.TURN)
    assert not turn()  # nobody waits
    jobs.hint(rt, "simulator", SLOW)
    assert not turn()  # it has begun another
    time.sleep(jobs.TURN)
    assert turn()


def test_without_its_bucket_a_slow_lane_waits(slowed: Runtime, clock: Clock, queue: Server) -> None:
    receive(slowed, clock, SLOW, 1)
    with Redis.from_url(queue.url) as client:
        away = replace(slowed, redis=client)
        queue.kill()
        assert sending.drain(away, "simulator", SLOW) == lanes.QUEUE_AWAY
        assert states(slowed) == ["queued"]
        queue.start()
        sending.drain(away, "simulator", SLOW)
    assert states(slowed) == ["sent"]
