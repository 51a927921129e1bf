"""Checks that a running drain is told of new replies, and that no signal is lost at its end."""

import time
from queue import SimpleQueue
from typing import Any

import pytest
from sqlalchemy import event

from smsgw.carriers.carrier import OutgoingSms
from smsgw.messaging import dispatch
from smsgw.messaging.dispatch import Signals
from smsgw.messaging.sender_threads import Event
from smsgw.operations import drain_signals, jobs
from smsgw.operations.drain_signals import SignalListener
from smsgw.operations.queue import QUEUE, linger
from smsgw.runtime import Runtime
from tests.conftest import Clock
from tests.support.sender_ids import SENDER_ID, Failing, burst, receive, states, with_carrier
from tests.support.waiting import LONGEST, eventually

CARRIER = "simulator"


class Telling(Failing):
    """Tells of new replies with each that it sends."""

    events: SimpleQueue[Event]

    def send(self, sms: OutgoingSms) -> str:
        self.events.put(None)
        return super().send(sms)


def queued(rt: Runtime) -> int:
    assert rt.redis is not None
    return int(rt.redis.llen(f"rq:queue:{QUEUE}"))


def is_held(rt: Runtime) -> bool:
    assert rt.redis is not None
    return bool(rt.redis.exists(f"drain:{CARRIER}:{SENDER_ID}"))


def listener(rt: Runtime) -> SignalListener:
    return SignalListener(rt, CARRIER, SENDER_ID, lambda: jobs.hint(rt, CARRIER, SENDER_ID))


def send(rt: Runtime) -> bool:
    assert rt.redis is not None
    return drain_signals.send(rt.redis, CARRIER, SENDER_ID, "hint:of-a-test")


def test_without_a_drain_one_job_is_needed(rt: Runtime) -> None:
    assert (send(rt), send(rt)) == (True, False)
    assert jobs.hint(rt, CARRIER, SENDER_ID)
    assert jobs.hint(rt, CARRIER, SENDER_ID)
    assert queued(rt) == 1


def test_a_drain_is_told_without_a_job(rt: Runtime) -> None:
    with listener(rt) as drain:
        eventually(lambda: is_held(rt))
        assert jobs.hint(rt, CARRIER, SENDER_ID)
        assert drain.events.get(timeout=LONGEST) is None
        assert queued(rt) == 0
    assert not is_held(rt)


def test_signals_that_follow_each_other_become_one(rt: Runtime) -> None:
    assert rt.redis is not None
    with listener(rt) as drain:
        eventually(lambda: is_held(rt))
        started = time.monotonic()
        for _ in range(300):
            assert not send(rt)
        eventually(lambda: not rt.redis.exists(f"signals:{CARRIER}:{SENDER_ID}"))
        longest = (time.monotonic() - started) / drain_signals.GATHERS
        assert 1 <= drain.events.qsize() <= longest + 2


def test_signals_become_one_while_none_is_of_use(rt: Runtime) -> None:
    assert rt.redis is not None
    with listener(rt) as drain:
        eventually(lambda: is_held(rt))
        until = time.monotonic() + 0.2
        drain.rest(until)
        for _ in range(5):
            assert not send(rt)
            time.sleep(0.01)
        assert drain.events.get(timeout=LONGEST) is None
        assert time.monotonic() >= until
        assert drain.events.empty()
        assert not rt.redis.exists(f"signals:{CARRIER}:{SENDER_ID}")


def test_a_drain_that_lingers_sends_what_it_is_told_of(rt: Runtime, clock: Clock) -> None:
    carrier = Failing()
    failing = with_carrier(rt, carrier)
    with listener(rt) as drain:
        signals = Signals(drain.events, lambda: None)
        receive(rt, clock, 2)
        drain.events.put(None)
        assert dispatch.drain(failing, CARRIER, SENDER_ID, signals=signals) is None
        started = time.monotonic()
        assert dispatch.drain(failing, CARRIER, SENDER_ID, signals=signals) is None
        assert time.monotonic() - started >= dispatch.LINGER
    assert set(states(rt)) == {"sent"}


def test_while_much_comes_claims_are_made_at_a_pace(rt: Runtime, clock: Clock) -> None:
    """Each send tells of new replies, which would be a claim each."""
    carrier = Telling()
    claims: list[float] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "attempts=(replies.attempts" in statement:
            claims.append(time.monotonic())

    receive(rt, clock, dispatch.SIBLINGS)
    with listener(rt) as drain:
        signals = Signals(drain.events, lambda: None)
        carrier.events = drain.events
        event.listen(rt.service, "before_cursor_execute", note)
        started = time.monotonic()
        dispatch.drain(with_carrier(rt, carrier), CARRIER, SENDER_ID, signals=signals)
        event.remove(rt.service, "before_cursor_execute", note)
    assert set(states(rt)) == {"sent"}
    assert len(claims) >= 2
    assert claims[1] - started >= dispatch.PACE


def test_a_drain_gives_way_to_another_sender_id(rt: Runtime) -> None:
    assert linger(rt) == dispatch.LINGER
    assert jobs.hint(rt, CARRIER, "2758")
    assert linger(rt) == 0.0
    asked: list[float] = []
    with listener(rt) as drain:
        signals = Signals(drain.events, lambda: None, lambda: asked.append(1.0) or linger(rt))
        assert dispatch.drain(rt, CARRIER, SENDER_ID, signals=signals) is None
    assert asked == [1.0]


@pytest.mark.parametrize("seen", [False, True])
def test_a_signal_that_nobody_followed_becomes_a_job(rt: Runtime, seen: bool) -> None:
    """It came after the drain had looked for the last time."""
    with listener(rt) as drain:
        eventually(lambda: is_held(rt))
        assert not send(rt)
        if seen:
            eventually(lambda: not drain.events.empty())
    eventually(lambda: queued(rt) == 1)


def test_the_key_of_a_worker_that_died_lapses(rt: Runtime) -> None:
    assert rt.redis is not None
    with listener(rt):
        eventually(lambda: is_held(rt))
        left = rt.redis.pttl(f"drain:{CARRIER}:{SENDER_ID}")
    assert 0 < left <= drain_signals.KEY_LIVES * 1000


def test_a_worker_with_too_much_to_do_calls_another(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, dispatch.AHEAD)
    calls: list[None] = []
    with listener(rt) as drain:
        signals = Signals(drain.events, lambda: calls.append(None))
        dispatch.drain(with_carrier(rt, Failing()), CARRIER, SENDER_ID, signals=signals)
    assert calls
    assert set(states(rt)) == {"sent"}


def test_a_job_of_the_worker_ends_without_a_key(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    jobs.hint(rt, CARRIER, SENDER_ID)
    burst(rt)
    assert states(rt) == ["sent"]
    assert not is_held(rt)
