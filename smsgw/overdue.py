"""Ends what takes too long, by cutting the connection that a thread waits for.

A server's own time limit is of no use when the server is frozen, or the network swallows what it
says; nor is a limit for each octet, where they come one at a time. So a process watches what its
threads wait for, and whoever waits for a connection that was cut gets the ordinary error.
"""

import os
import socket
import threading
import time
from collections import OrderedDict
from typing import Any, Protocol

from sqlalchemy import Engine, event


class Connected(Protocol):
    """A socket, or a database driver's connection."""

    def fileno(self) -> int: ...


class Deadlines:
    """Each thread waits for one thing at a time, and for `limit` seconds."""

    def __init__(self, limit: float, gone: tuple[type[Exception], ...] = (OSError,)) -> None:
        """`gone`: what `fileno` raises of a connection that has ended by itself."""
        self._limit = limit
        self._gone = gone
        self._waiting: OrderedDict[int, tuple[float, Connected]] = OrderedDict()  # oldest first
        self._changes = threading.Condition()
        self._thread: threading.Thread | None = None

    def begins(self, connection: Connected) -> None:
        """The calling thread waits from now on."""
        with self._changes:
            self._waiting.pop(threading.get_ident(), None)
            self._waiting[threading.get_ident()] = (time.monotonic() + self._limit, connection)
            if self._thread is None or not self._thread.is_alive():  # a fork leaves threads behind
                self._thread = threading.Thread(target=self._look, daemon=True, name="overdue")
                self._thread.start()
            elif len(self._waiting) == 1:
                self._changes.notify()

    def ends(self) -> None:
        with self._changes:
            self._waiting.pop(threading.get_ident(), None)

    def _look(self) -> None:
        with self._changes:
            while True:
                overdue = [each for each in self._waiting.items() if each[1][0] <= time.monotonic()]
                for thread, (_, connection) in overdue:
                    del self._waiting[thread]
                    self._cut(connection)
                first = next(iter(self._waiting.values()), None)
                self._changes.wait(first[0] - time.monotonic() if first else None)

    def _cut(self, connection: Connected) -> None:
        """The waiting thread reads an end of file; closing the descriptor itself is its own."""
        try:
            with socket.socket(fileno=os.dup(connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)
        except self._gone:
            return  # it has ended just now


def watch(engine: Engine, limit: float) -> None:
    """No statement of this PostgreSQL engine takes longer than `limit` seconds."""
    deadlines = Deadlines(limit, (OSError, engine.dialect.loaded_dbapi.Error))

    def begins(connection: Any, *_: object) -> None:
        deadlines.begins(connection.connection.dbapi_connection)

    def ends(*_: object) -> None:
        deadlines.ends()

    event.listen(engine, "before_cursor_execute", begins)
    event.listen(engine, "after_cursor_execute", ends)
    event.listen(engine, "handle_error", ends)
