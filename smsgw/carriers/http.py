"""Calls carriers by HTTP with time limits and without retries, and tells whether a request that
failed had been sent."""

import http.client
import io
import socket
import ssl
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from functools import cached_property, partial
from http.client import HTTPException, HTTPResponse
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util.wait import wait_for_read

from smsgw.carriers.carrier import Ending, SendError
from smsgw.carriers.waiting import SEND_BY, WAITS

CONNECT_LIMIT, READ_LIMIT = 5.0, 10.0  # seconds
KEPT_OPEN = 36  # connections
FAULTS = (HTTPError, HTTPException, OSError, ValueError)  # of a Client
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def session() -> requests.Session:
    """Uses no proxies and no netrc: they cost a fifth of a send's time."""
    http_session = Session()
    http_session.trust_env = False
    for scheme in ("http://", "https://"):
        http_session.mount(scheme, Adapter(pool_maxsize=KEPT_OPEN))
    return http_session


class Session(requests.Session):
    """Waits in another thread where others send in this one."""

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        return WAITS.get().in_thread(partial(super().request, *arguments, **options))


def is_unsent(error: Exception) -> bool:
    """Tells whether no connection came about, TLS included: then nothing was sent, and it is safe
    to try again. An error of any other kind may have come after the carrier had taken the
    message."""
    if isinstance(error, NewConnectionError):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectionError) and isinstance(reason, NewConnectionError)


def send_error(error: Exception) -> SendError:
    """Returns how a send ended to which there was no answer."""
    if is_unsent(error):
        return SendError(Ending.RETRY, "no connection")
    return SendError(Ending.UNKNOWN, type(error).__name__[:20])


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Message


class Client:
    """Sends requests by connections that are kept open, with limits for connecting and reading.
    It costs a third of urllib3's pool, for what is sent with every reply; it repeats nothing and
    follows no redirect."""

    def __init__(self, limits: tuple[float, float]) -> None:
        self._limits = limits
        self._idle = defaultdict[tuple[str, str], list[_Plain | _Tls]](list)
        weakref.finalize(self, _close, self._idle)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=certifi.where())
        context.set_alpn_protocols(["http/1.1"])
        return context

    def request(
        self,
        method: str,
        address: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Answer:
        """Raises NewConnectionError where nothing was sent, and the others of FAULTS where
        something may have been."""
        parts = urlsplit(address)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = _written(method, target, parts.netloc, body, headers)
        idle = self._idle[parts.scheme, parts.netloc]
        connection = self._connection(parts, idle)
        try:
            answer = connection.ask(method, request, self._limits[1])
        except BaseException:
            connection.close()
            raise
        if len(idle) < KEPT_OPEN:
            idle.append(connection)
        else:
            connection.close()
        return answer

    def _connection(self, parts: SplitResult, idle: "list[_Plain | _Tls]") -> "_Plain | _Tls":
        """Returns the one that was used last, unless the other end has closed it."""
        with suppress(IndexError):
            while True:
                connection = idle.pop()
                if connection.is_open():
                    return connection
                connection.close()
        host, connect = parts.hostname or "", self._limits[0]
        if parts.scheme == "https":
            made: _Plain | _Tls = _Tls(host, parts.port, timeout=connect, context=self._tls)
        else:
            made = _Plain(host, parts.port, timeout=connect)
        WAITS.get().in_thread(made.connect)
        return made


def _close(idle: "Mapping[tuple[str, str], list[_Plain | _Tls]]") -> None:
    for connections in idle.values():
        while connections:
            connections.pop().close()


def _written(
    method: str, target: str, host: str, body: bytes | None, headers: Mapping[str, str]
) -> bytes:
    """Writes a request, so that it leaves in one packet. Raises ValueError."""
    fields = {"Host": host.rpartition("@")[2], "Accept-Encoding": "identity", **headers}
    if body is not None or method == "POST":
        fields["Content-Length"] = str(len(body or b""))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break has no place in a header")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class _Connecting:
    """Raises NewConnectionError for a handshake that fails, which else looks like an answer that
    fails."""

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc]
            if time.monotonic() > SEND_BY.get():
                raise TimeoutError
        except Exception as error:
            self.close()
            raise NewConnectionError(self, type(error).__name__) from error


class _Asking(_Connecting):
    def connect(self: Any) -> None:
        super().connect()
        self.sock.settimeout(0.0)

    def is_open(self: Any) -> bool:
        """Tells whether it can be used again: the other end neither closed it nor said more."""
        return self.sock is not None and not wait_for_read(self.sock, timeout=0.0)

    def ask(self: Any, method: str, request: bytes, seconds: float) -> Answer:
        """Raises TimeoutError where the answer is not here, whole, after `seconds`."""
        wire = _Wire(self.sock, time.monotonic() + seconds)
        wire.write_all(request)
        response = HTTPResponse(wire, method=method)  # type: ignore[arg-type]
        try:
            response.begin()
            body = response.read()
        finally:
            response.close()
        if response.will_close:
            self.close()
        return Answer(response.status, body, response.headers)


class _Wire(io.RawIOBase):
    """Writes a request to a socket that keeps nobody waiting, and reads its answer."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection, self._until = connection, until

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._when_ready(self._connection.recv_into, buffer, to_write=False)

    def write_all(self, request: bytes) -> None:
        left = memoryview(request)
        while left:
            left = left[self._when_ready(self._connection.send, left, to_write=True) :]

    def _when_ready(self, call: Callable[[Any], int], octets: Any, *, to_write: bool) -> int:
        while True:
            try:
                return call(octets)
            except BlockingIOError:
                needs_room = to_write
            except ssl.SSLWantReadError:
                needs_room = False
            except ssl.SSLWantWriteError:
                needs_room = True
            WAITS.get().until_ready(self._connection, self._until, to_write=needs_room)


class _Plain(_Asking, http.client.HTTPConnection):
    pass


class _Tls(_Asking, http.client.HTTPSConnection):
    pass


class PlainConnection(_Connecting, HTTPConnection):
    pass


class TlsConnection(_Connecting, HTTPSConnection):
    pass


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = TlsConnection


class Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
