"""Keeps one connection of a process for statements each of which runs by itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import Connection, Engine, event

from smsgw.storage import engines

KEPT = "smsgw_kept"  # of an engine


class KeptConnection:
    """Takes a connection from a pool once: to take it and hand it back costs as much as a
    statement. It serves one at a time; no transaction is open between two statements."""

    def __init__(self, engine: Engine, lasts: float = engines.RENEWED_AFTER) -> None:
        """Takes an engine for PostgreSQL; when that is disposed of, the connection is closed.
        `lasts`: seconds after which another one is taken."""
        self._engine = engines.reading(engine)
        self._lasts = lasts
        self._connection: Connection | None = None
        self._made = self._used = 0.0  # by time.monotonic
        self._lock = Lock()
        event.listen(engine, "engine_disposed", self._dispose)

    @contextmanager
    def taken(self) -> Iterator[Connection]:
        """Yields the connection; one from the pool where it is in use."""
        with self.taken_if_free() as connection:
            if connection is not None:
                yield connection
                return
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def taken_if_free(self) -> Iterator[Connection | None]:
        """Yields the connection; another one after an error, or where it may have died since. None
        where it is in use."""
        if not self._lock.acquire(blocking=False):
            yield None
            return
        try:
            with self._in_use() as connection:
                yield connection
        finally:
            self._lock.release()

    @contextmanager
    def _in_use(self) -> Iterator[Connection]:
        now = time.monotonic()
        if now - self._used > engines.IDLE or now - self._made > self._lasts:
            self._close()
        if self._connection is None:
            self._connection, self._made = self._engine.connect(), now
        try:
            yield self._connection
        except BaseException:
            self._close()
            raise
        if self._connection.in_transaction():
            self._connection.rollback()  # of SQLAlchemy's own: PostgreSQL knows of none
        self._used = time.monotonic()

    def _dispose(self, _: Engine) -> None:
        if self._connection is not None and self._lock.acquire(blocking=False):
            self._connection.invalidate()  # its pool is gone
            self._close()
            self._lock.release()

    def _close(self) -> None:
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        pooled = {} if connection.invalidated else connection.info
        connection.close()
        pooled["used"] = self._used  # so that the engine looks whether it still lives


def of(engine: Engine) -> KeptConnection | None:
    """Returns the one connection that is kept to a PostgreSQL, by each process that asks it; None
    elsewhere, where a statement by itself costs no more."""
    if engine.dialect.name != "postgresql":
        return None
    held = vars(engine)
    if KEPT not in held:
        held[KEPT] = KeptConnection(engine)
    kept: KeptConnection = held[KEPT]
    return kept
