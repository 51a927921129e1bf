"""Ends statements that no server answers.

A server's own time limit is of no use when the server is frozen, or the network swallows what it
says. So each process watches its statements, and cuts the connection of one that takes too long;
whoever waits for it gets the driver's ordinary error.
"""

import os
import socket
import threading
import time
from collections import OrderedDict
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import ExceptionContext


class Watch:
    """Over the statements of one PostgreSQL engine: each thread runs one at a time."""

    def __init__(self, engine: Engine, limit: float) -> None:
        self._limit = limit  # seconds
        self._closed = (OSError, engine.dialect.loaded_dbapi.Error)
        self._running: OrderedDict[int, tuple[float, Any]] = OrderedDict()  # oldest first
        self._changes = threading.Condition()
        self._thread: threading.Thread | None = None
        event.listen(engine, "before_cursor_execute", self._begins)
        event.listen(engine, "after_cursor_execute", self._ends)
        event.listen(engine, "handle_error", self._fails)

    def _begins(self, connection: Any, *_: object) -> None:
        driver = connection.connection.dbapi_connection
        with self._changes:
            self._running[threading.get_ident()] = (time.monotonic() + self._limit, driver)
            if self._thread is None or not self._thread.is_alive():  # a fork leaves threads behind
                self._thread = threading.Thread(target=self._look, daemon=True, name="overdue")
                self._thread.start()
            elif len(self._running) == 1:
                self._changes.notify()

    def _ends(self, *_: object) -> None:
        with self._changes:
            self._running.pop(threading.get_ident(), None)

    def _fails(self, _context: ExceptionContext) -> None:
        self._ends()

    def _look(self) -> None:
        with self._changes:
            while True:
                overdue = [each for each in self._running.items() if each[1][0] <= time.monotonic()]
                for thread, (_, driver) in overdue:
                    del self._running[thread]
                    self._cut(driver)
                first = next(iter(self._running.values()), None)
                self._changes.wait(first[0] - time.monotonic() if first else None)

    def _cut(self, driver: Any) -> None:
        """The waiting thread reads an end of file; closing the descriptor itself is its own."""
        try:
            with socket.socket(fileno=os.dup(driver.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)
        except self._closed:
            return  # it has ended just now
