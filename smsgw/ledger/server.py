"""Asks one server that holds the ledger, and leaves it alone for a while after it was away."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from smsgw.ledger.circuit_breaker import Circuit
from smsgw.storage import engines, kept_connection

DIED_WITHIN = 0.5  # seconds: a dead connection shows at once

Read = TypeVar("Read")
Ask = Callable[[Connection], Read]


class Server:
    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self.engine = engine
        self.circuit = Circuit(clock)
        self._reading = engines.reading(engine)
        self._kept = kept_connection.of(engine)

    def connect(self) -> Connection:
        return self._reading.connect()

    def ask(self, ask: Ask[Read]) -> Read:
        """Asks again on a new connection if the old one had died: checking it first costs a trip. A
        connection that was cut because nobody answered had not died; its time is over."""
        started = time.monotonic()
        try:
            with self._taken() as connection:
                return ask(connection)
        except DBAPIError as error:
            if not error.connection_invalidated or time.monotonic() - started > DIED_WITHIN:
                raise
        with self.connect() as connection:
            return ask(connection)

    def _taken(self) -> AbstractContextManager[Connection]:
        return self._reading.connect() if self._kept is None else self._kept.taken()
