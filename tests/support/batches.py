"""Sends messages while another batch is being stored, so that they are answered together."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from typing import TypeVar

from smsgw.runtime import Runtime
from tests.support.waiting import LONGEST, eventually

Made = TypeVar("Made")


def together(rt: Runtime, calls: Sequence[Callable[[], Made]]) -> list[Future[Made]]:
    """Calls that each answer a message, all of them in the next batch."""
    with ThreadPoolExecutor(len(calls)) as pool, _busy(rt):
        made = [pool.submit(call) for call in calls]
        eventually(lambda: rt.batches.waiting == len(calls))
    return made


@contextmanager
def _busy(rt: Runtime) -> Iterator[None]:
    begun, is_over = Event(), Event()

    def hold(items: Sequence[None]) -> Sequence[bool]:
        begun.set()
        is_over.wait(LONGEST)
        return [True] * len(items)

    thread = Thread(target=lambda: rt.batches.join(object(), "busy", None, hold))
    thread.start()
    begun.wait(LONGEST)
    try:
        yield
    finally:
        is_over.set()
        thread.join(LONGEST)
