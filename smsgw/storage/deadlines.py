"""Ends what takes too long, by cutting the connection that a thread waits for.

A server's own time limit is of no use when the server is frozen, or the network swallows what it
says; nor is a limit for each octet, where they come one at a time. So a process watches what its
threads wait for, and whoever waits for a connection that was cut gets the ordinary error.

Who owes somebody an answer by a certain time sets that for its thread (`within`): all its waits
together end by then, however many there are.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, event

SHORTEST_CONNECT = 2  # seconds; libpq takes a shorter limit for this one
RESTS = 0.25  # seconds between two looks; with a longer rest shorter waits would wake the thread
HARDLY_ANY = 0.5  # seconds, in which no connection is tried: it could take the shortest limit

Read = TypeVar("Read")


class Connected(Protocol):
    """Describes a socket, or a database driver's connection."""

    def fileno(self) -> int: ...


_until = ContextVar[float | None]("until", default=None)  # of a thread, or of a fiber in one
_patience = ContextVar[float]("patience", default=0.0)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Ends all waits of the caller by then, taken together."""
    before, until = _until.get(), time.monotonic() + seconds
    token = _until.set(until if before is None else min(before, until))
    try:
        yield
    finally:
        _until.reset(token)


@contextmanager
def patient(seconds: float) -> Iterator[None]:
    """Lets each wait of the caller take so long, where less is the rule."""
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


def left(limit: float) -> float:
    """Returns the seconds that the caller may wait for something that has a limit; below zero where
    its time is over."""
    allowed = max(limit, _patience.get())
    until = _until.get()
    return allowed if until is None else min(allowed, until - time.monotonic())


class Deadlines:
    """Gives each waiting thread its own deadline."""

    def __init__(self, gone: tuple[type[Exception], ...] = (OSError,)) -> None:
        """Takes `gone`: what `fileno` raises of a connection that has ended by itself."""
        self._gone = gone
        self._waiting: dict[int, tuple[float, Connected]] = {}
        self._changes = threading.Condition()
        self._look_at = 0.0
        self._thread: threading.Thread | None = None

    def begins(self, connection: Connected, seconds: float) -> None:
        """Notes that the calling thread waits from now on."""
        until = time.monotonic() + seconds
        with self._changes:
            self._waiting[threading.get_ident()] = (until, connection)
            if self._thread is None or not self._thread.is_alive():  # a fork leaves threads behind
                self._thread = threading.Thread(target=self._look, daemon=True, name="overdue")
                self._thread.start()
            elif until < self._look_at:
                self._changes.notify()

    def ends(self) -> None:
        with self._changes:
            self._waiting.pop(threading.get_ident(), None)

    def _look(self) -> None:
        with self._changes:
            while True:
                now = time.monotonic()
                overdue = [each for each in self._waiting.items() if each[1][0] <= now]
                for thread, (_, connection) in overdue:
                    del self._waiting[thread]
                    self._cut(connection)
                first = min((until for until, _ in self._waiting.values()), default=now + RESTS)
                self._look_at = min(first, now + RESTS)
                self._changes.wait(self._look_at - now)

    def _cut(self, connection: Connected) -> None:
        """Lets the waiting thread read an end of file; that thread closes the descriptor itself."""
        try:
            with socket.socket(fileno=os.dup(connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)
        except self._gone:
            return  # it has ended just now


_DATABASES = Deadlines((OSError, psycopg.Error))


@contextmanager
def cutting(connection: Connected, limit: float) -> Iterator[None]:
    """Cuts a database's connection if what the caller waits for takes longer."""
    _DATABASES.begins(connection, left(limit))
    try:
        yield
    finally:
        _DATABASES.ends()


class _Watched(psycopg.Connection[Any]):
    """Limits every wait, a COMMIT and a look whether the connection still lives included."""

    limit = 0.0

    def wait(self, gen: PQGen[Read], *args: Any, **kwargs: Any) -> Read:
        if not self.limit:
            return super().wait(gen, *args, **kwargs)
        try:
            first = next(gen)
        except StopIteration as end:
            return cast(Read, end.value)  # there is nothing to wait for, as for most settings
        _DATABASES.begins(self, left(self.limit))
        try:
            return super().wait(_resume(gen, first), *args, **kwargs)
        finally:
            _DATABASES.ends()


def _resume(gen: PQGen[Read], wait: Any) -> PQGen[Read]:
    """Goes on with what has said already what it waits for first."""
    while True:
        ready = yield wait
        try:
            wait = gen.send(ready)
        except StopIteration as end:
            return cast(Read, end.value)


def watch(engine: Engine, limit: float) -> None:
    """Limits every wait of this PostgreSQL engine to `limit` seconds."""

    @event.listens_for(engine, "do_connect")
    def connect(_d: object, _r: object, arguments: Any, options: dict[str, Any]) -> _Watched:
        seconds = left(limit)
        if seconds < min(HARDLY_ANY, limit / 2):
            raise psycopg.OperationalError("there is no time left to connect")
        hosts = str(options.get("host", "")).count(",") + 1  # each is given as long
        timeout = max(SHORTEST_CONNECT, int(seconds / hosts))
        make = cast(Callable[..., _Watched], _Watched.connect)
        connection = make(*arguments, **options | {"connect_timeout": timeout})
        connection.limit = limit
        return connection
