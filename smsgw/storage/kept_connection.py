"""Keeps one connection for statements that follow each other, each of which runs by itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from smsgw.storage import engines


class KeptConnection:
    """Takes a connection from its pool once: to take it and hand it back costs as much as a
    statement. No transaction is open between two statements."""

    def __init__(self, engine: Engine) -> None:
        """Takes the engine, as `engines.reading` returns it."""
        self._engine = engine
        self._connection: Connection | None = None
        self._used = 0.0

    @contextmanager
    def taken(self) -> Iterator[Connection]:
        """Yields the connection; another one after an error, or where it may have died since."""
        if time.monotonic() - self._used > engines.IDLE:
            self.close()
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            yield self._connection
        except BaseException:
            self.close()
            raise
        self._used = time.monotonic()

    def close(self) -> None:
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        pooled = {} if connection.invalidated else connection.info
        connection.close()
        pooled["used"] = self._used  # so that the engine looks whether it still lives
