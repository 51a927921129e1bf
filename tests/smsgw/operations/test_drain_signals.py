"""Checks that a running drain is told of new replies, and that no signal is lost at its end."""

import time
from dataclasses import replace

import pytest

from smsgw.messaging import dispatch
from smsgw.messaging.dispatch import Signals
from smsgw.messaging.due_replies import Whose
from smsgw.messaging.senders import PolledQueue
from smsgw.operations import drain_signals, jobs
from smsgw.operations.drain_signals import SignalListener
from smsgw.operations.queue import QUEUE, linger
from smsgw.runtime import Runtime
from tests.conftest import Clock
from tests.support.sender_ids import SENDER_ID, Failing, burst, receive, states, with_carrier
from tests.support.waiting import eventually

CARRIER = "simulator"
WHOSE = (CARRIER, SENDER_ID)


def queued(rt: Runtime) -> int:
    assert rt.redis is not None
    return int(rt.redis.llen(f"rq:queue:{QUEUE}"))


def is_held(rt: Runtime) -> bool:
    assert rt.redis is not None
    return bool(rt.redis.exists(drain_signals.DRAINS))


def listener(rt: Runtime) -> SignalListener:
    return SignalListener(rt, lambda whose: jobs.hint(rt, *whose))


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
        eventually(lambda: drain.events.take() == [WHOSE])
        assert queued(rt) == 0
    assert not is_held(rt)


def test_signals_that_follow_each_other_become_one(rt: Runtime) -> None:
    assert rt.redis is not None
    with listener(rt) as drain:
        eventually(lambda: is_held(rt))
        started = time.monotonic()
        for _ in range(300):
            assert not send(rt)
        eventually(lambda: not rt.redis.exists(drain_signals.SIGNALS))
        longest = (time.monotonic() - started) / drain_signals.GATHERS
        assert 1 <= len(drain.events.take()) <= longest + 2


def test_a_drain_that_lingers_sends_what_it_is_told_of(rt: Runtime, clock: Clock) -> None:
    carrier = Failing()
    failing = with_carrier(rt, carrier)
    with listener(rt) as drain:
        signals = Signals(drain.events, lambda _whose: None)
        receive(rt, clock, 2)
        drain.events.put(WHOSE)
        assert dispatch.drain(failing, CARRIER, SENDER_ID, signals=signals) == {}
        started = time.monotonic()
        assert dispatch.drain(failing, CARRIER, SENDER_ID, signals=signals) == {}
        assert time.monotonic() - started >= dispatch.LINGER
    assert set(states(rt)) == {"sent"}


def test_a_drain_gives_way_to_another_sender_id(rt: Runtime) -> None:
    assert linger(rt) == dispatch.LINGER
    assert jobs.hint(rt, CARRIER, "2758")
    assert linger(rt) == 0.0
    asked: list[float] = []
    with listener(rt) as drain:
        signals = Signals(
            drain.events, lambda _whose: None, lambda: asked.append(1.0) or linger(rt)
        )
        assert dispatch.drain(rt, CARRIER, SENDER_ID, signals=signals) == {}
    assert asked == [1.0]


@pytest.mark.parametrize("seen", [False, True])
def test_a_signal_that_nobody_followed_becomes_a_job(rt: Runtime, seen: bool) -> None:
    """It came after the drain had looked for the last time."""
    with listener(rt):
        eventually(lambda: is_held(rt))
        assert not send(rt)
        if seen:
            eventually(lambda: not rt.redis.exists(drain_signals.SIGNALS))
    eventually(lambda: queued(rt) == 1)


def test_the_key_of_a_worker_that_died_lapses(rt: Runtime) -> None:
    assert rt.redis is not None
    with listener(rt):
        eventually(lambda: is_held(rt))
        left = rt.redis.pttl(drain_signals.DRAINS)
    assert 0 < left <= drain_signals.NAME_LIVES * 1000


def test_a_worker_with_too_much_to_do_calls_another(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, dispatch.AHEAD)
    calls: list[Whose] = []
    with listener(rt) as drain:
        signals = Signals(drain.events, calls.append)
        dispatch.drain(with_carrier(rt, Failing()), CARRIER, SENDER_ID, signals=signals)
    assert calls == [WHOSE]
    assert set(states(rt)) == {"sent"}


def test_a_job_of_the_worker_ends_without_a_key(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    jobs.hint(rt, CARRIER, SENDER_ID)
    burst(rt)
    assert states(rt) == ["sent"]
    assert not is_held(rt)


def test_one_drain_sends_for_every_sender_id_that_it_is_told_of(rt: Runtime, clock: Clock) -> None:
    carrier = Failing()
    events = PolledQueue[Whose]()
    for sender_id in ("2758", "2759"):
        receive(rt, clock, 3, sender_id)
        events.put((CARRIER, sender_id))
    receive(rt, clock, 3)
    signals = Signals(events, lambda _whose: None)
    left = dispatch.drain(with_carrier(rt, carrier), CARRIER, SENDER_ID, signals=signals)
    assert left == {}
    assert states(rt) == ["sent"] * 9
    for sender_id in (SENDER_ID, "2758", "2759"):
        sent = [sms.attempt_id for sms in carrier.sent if sms.sender_id == sender_id]
        assert (len(sent), sent) == (3, sorted(sent))


def test_a_drain_comes_back_for_a_sender_id_that_its_throttle_stops(
    rt: Runtime, clock: Clock
) -> None:
    slowed = replace(rt, settings=rt.settings.model_copy(update={"sender_rates": {"2758": 1.0}}))
    receive(slowed, clock, 3, "2758")
    receive(slowed, clock, 3)
    with listener(slowed) as drain:
        drain.events.put((CARRIER, "2758"))
        signals = Signals(drain.events, lambda _whose: None, lambda: 0.0)
        left = dispatch.drain(slowed, CARRIER, SENDER_ID, signals=signals)
    ((whose, seconds),) = left.items()
    assert whose == (CARRIER, "2758")
    assert 0 < seconds <= 1
    assert states(slowed) == ["sent", "queued", "queued", *["sent"] * 3]


def test_several_workers_get_a_signal_once(rt: Runtime) -> None:
    with listener(rt) as one:
        eventually(lambda: is_held(rt))
        with listener(rt) as other:
            assert not send(rt)
            assert rt.redis is not None
            eventually(lambda: not rt.redis.exists(drain_signals.SIGNALS))
            eventually(lambda: len(told := one.events.take() + other.events.take()) == 1 and told)
        assert is_held(rt)  # the other one still drains
        assert queued(rt) == 0
