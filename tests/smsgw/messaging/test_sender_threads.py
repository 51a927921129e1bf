"""The threads that send what was claimed: as many as its carrier needs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from threading import Event as Signal
from threading import get_ident

import pytest

from smsgw.carriers.carrier import OutgoingSms
from smsgw.messaging.leases import Lease, SendResult
from smsgw.messaging.send_gate import Claim
from smsgw.messaging.sender_threads import AT_LEAST, SENDERS, Event, SenderThreads
from tests.support.waiting import eventually

LEARNS = 60  # sends of a carrier that answers at once, until few threads are used for it


class Sends:
    """Sends to a carrier that answers once it may."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []  # replies, with the threads that sent them
        self.goes_on = Signal()
        self.goes_on.set()

    def __call__(self, lease: Lease, _claim: Claim) -> SendResult:
        self.begun.append((lease.reply_id, get_ident()))
        self.goes_on.wait()
        return SendResult(lease)

    @property
    def threads(self) -> int:
        return len({thread for _, thread in self.begun})


@contextmanager
def sender_threads(sends: Callable[[Lease, Claim], SendResult]) -> Iterator[SenderThreads]:
    with SenderThreads(sends, SimpleQueue[Event]()) as senders:
        yield senders


def claimed(first: int, number: int) -> Claim:
    at = datetime.now(UTC)
    sms = OutgoingSms(1, "+6281200000001", "2757", "x", timedelta(hours=1))
    leases = [Lease(first + n, 1, at, at, sms, timedelta(), None) for n in range(number)]
    return Claim(leases, has_more=False, at=time.monotonic())


def sent_in_turn(senders: SenderThreads, sends: Sends, number: int) -> None:
    """Sends so many, a few at a time, and forgets by which threads."""
    for first in range(0, number, 4):
        senders.start(claimed(first, 4))
        eventually(lambda: senders.ended == 4)
        senders.collect()
    sends.begun.clear()


@pytest.mark.parametrize("number", [1, AT_LEAST, SENDERS, SENDERS * 3])
def test_each_is_sent_once(number: int) -> None:
    sends = Sends()
    with sender_threads(sends) as senders:
        senders.start(claimed(0, number))
        senders.finish()
        assert len(senders.collect()) == number
        assert senders.under_way == 0
    assert sorted(reply for reply, _ in sends.begun) == list(range(number))


def test_a_carrier_that_is_not_known_yet_gets_all_at_once() -> None:
    sends = Sends()
    sends.goes_on.clear()
    with sender_threads(sends) as senders:
        senders.start(claimed(0, SENDERS + 5))
        eventually(lambda: sends.threads == SENDERS)
        assert senders.waiting == 5
        sends.goes_on.set()


def test_few_threads_send_where_a_carrier_answers_at_once() -> None:
    sends = Sends()
    with sender_threads(sends) as senders:
        sent_in_turn(senders, sends, LEARNS)
        senders.start(claimed(0, SENDERS))
        eventually(lambda: senders.ended == SENDERS)
    assert sends.threads < SENDERS / 2


def test_a_carrier_that_begins_to_take_long_gets_more_threads() -> None:
    """Else each would wait behind the ones before."""
    sends = Sends()
    with sender_threads(sends) as senders:
        sent_in_turn(senders, sends, LEARNS)
        sends.goes_on.clear()
        senders.start(claimed(0, SENDERS))
        eventually(lambda: sends.threads > 0)
        assert senders.waiting > 0
        senders.hurry()
        eventually(lambda: sends.threads == SENDERS)
        assert senders.waiting == 0
        sends.goes_on.set()


def test_it_tells_of_the_first_result_and_of_the_last() -> None:
    events = SimpleQueue[Event]()
    sends = Sends()
    with SenderThreads(sends, events) as senders:
        senders.start(claimed(0, 3))
        eventually(lambda: senders.ended == 3)
    assert events.qsize() == 2
