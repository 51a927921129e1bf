"""Lets who sends an SMS wait for the carrier: alone, or while others send in the same thread."""

import math
import socket
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Protocol, TypeVar

from urllib3.util.wait import wait_for_read, wait_for_write

Result = TypeVar("Result")


class Waits(Protocol):
    def until_ready(self, connection: socket.socket, until: float, *, to_write: bool) -> None:
        """Waits until the connection can be read or written, at most until then by
        time.monotonic. Raises TimeoutError."""

    def in_thread(self, call: Callable[[], Result]) -> Result:
        """Makes a call that waits in its own way."""


class Alone:
    """Keeps the thread waiting."""

    def until_ready(self, connection: socket.socket, until: float, *, to_write: bool) -> None:
        is_ready = wait_for_write if to_write else wait_for_read
        if not is_ready(connection, timeout=max(0.0, until - time.monotonic())):
            raise TimeoutError

    def in_thread(self, call: Callable[[], Result]) -> Result:
        return call()


ALONE = Alone()
WAITS = ContextVar[Waits]("waits", default=ALONE)
# By time.monotonic: a request that has not left by then must not. Names take their time to resolve,
# and each of a host's addresses has the whole limit.
SEND_BY = ContextVar[float]("send_by", default=math.inf)
