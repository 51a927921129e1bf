"""Checks that one thread sends many at a time, whatever each of them waits for."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from smsgw.carriers.waiting import WAITS
from smsgw.messaging.senders import PolledQueue, Senders

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[list[Ends]]:
    pairs = [socket.socketpair() for _ in range(3)]
    yield pairs
    for each in (each for pair in pairs for each in pair):
        each.close()


def read(ours: socket.socket) -> bytes:
    """Reads an answer as a carrier's file does."""
    WAITS.get().until_ready(ours, time.monotonic() + 5, to_write=False)
    return ours.recv(10)


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except Exception as error:
        return type(error)


def test_all_wait_at_the_same_time_in_one_thread(ends: list[Ends]) -> None:
    threads = set()

    def send(ours: socket.socket) -> bytes:
        threads.add(threading.get_ident())
        return read(ours)

    with Senders[socket.socket, bytes](send) as senders:
        senders.start(ours for ours, _ in ends)
        assert (senders.under_way, senders.collect()) == (3, [])
        for _, theirs in reversed(ends):
            theirs.sendall(str(senders.under_way).encode())
            while not senders.ended:
                senders.wait(5)
            assert len(senders.collect()) == 1
    assert threads == {threading.get_ident()}


def test_who_is_not_answered_in_time_is_told(ends: list[Ends]) -> None:
    def send(ours: socket.socket) -> object:
        until = time.monotonic() + 0.05
        return outcome(lambda: WAITS.get().until_ready(ours, until, to_write=False))

    with Senders[socket.socket, object](send) as senders:
        senders.start([ends[0][0]])
    assert senders.collect() == [TimeoutError]


def test_an_answer_that_is_there_counts_however_late_it_is_seen(ends: list[Ends]) -> None:
    """The thread was busy with the database meanwhile."""
    ours, theirs = ends[0]

    def send(ours: socket.socket) -> object:
        WAITS.get().until_ready(ours, time.monotonic() + 0.05, to_write=False)
        return ours.recv(10)

    with Senders[socket.socket, object](send) as senders:
        senders.start([ours])
        theirs.sendall(b"1")
        time.sleep(0.1)
    assert senders.collect() == [b"1"]


def test_what_waits_in_its_own_way_waits_in_a_thread(ends: list[Ends]) -> None:
    may_end = threading.Event()

    def send(ours: socket.socket | None) -> object:
        if ours is not None:
            return read(ours)
        return outcome(lambda: WAITS.get().in_thread(lambda: may_end.wait(5) and 1 / 0))

    with Senders[socket.socket | None, object](send) as senders:
        senders.start([None, ends[0][0]])
        ends[0][1].sendall(b"1")
        while not senders.ended:
            senders.wait(5)
        assert senders.collect() == [b"1"]
        may_end.set()
    assert senders.collect() == [ZeroDivisionError]


def test_a_queue_ends_a_wait_and_holds_what_was_put(ends: list[Ends]) -> None:
    queue = PolledQueue[int]()
    with Senders[socket.socket, bytes](read, queue) as senders:
        senders.start([ends[0][0]])
        for number in range(2):
            Thread(target=queue.put, args=(number,)).start()
            started = time.monotonic()
            senders.wait(5)
            assert time.monotonic() - started < 4
            assert queue.take() == [number]
        senders.wait(0.01)  # nothing rings any more
        assert queue.take() == []
        ends[0][1].sendall(b"1")
    assert senders.collect() == [b"1"]
