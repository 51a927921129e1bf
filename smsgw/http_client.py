"""Sends HTTP requests by connections that are kept open, and tells whether a request that failed
had been sent."""

import http.client
import io
import math
import re
import socket
import ssl
import time
import weakref
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException, HTTPResponse, IncompleteRead
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

import certifi
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util.wait import wait_for_read

# By time.monotonic: a request that has not left by then must not. Names take their time to resolve,
# and each of a host's addresses has the whole limit.
SEND_BY: ContextVar[float] = ContextVar("send_by", default=math.inf)
KEPT_OPEN = 32  # connections
PIECE, FIRST_PIECE = 64 * 1024, 8 * 1024  # octets
FAULTS = (HTTPError, HTTPException, OSError, ValueError)  # of a Client
Headers = Mapping[str, str]
# Not those that have no body, whatever their headers say.
PLAIN = re.compile(
    rb"HTTP/1\.1 (?P<status>20[0-3]|[45]\d\d) [\t -~]*\r\n"
    rb"(?P<headers>[A-Za-z0-9-]+:[\t -~]*(?:\r\n[A-Za-z0-9-]+:[\t -~]*)*)\r\n\r\n(?P<body>.*)",
    re.DOTALL,
)
# What changes how an answer is read, or how the connection goes on.
SPECIAL = re.compile(
    rb"^(?:transfer-encoding:|upgrade:|connection:(?![ \t]*keep-alive[ \t]*\r?$)"
    rb"|content-length:[ \t]*([^\r]*?)[ \t]*\r?$)",
    re.IGNORECASE | re.MULTILINE,
)
NO_HEADERS: Headers = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Headers  # by names in any case


class TooLarge(HTTPException):
    """Says that an answer is larger than allowed."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits a request as a whole: `until` is by time.monotonic, `size` in octets of the body."""

    until: float
    size: int

    def left(self) -> float:
        """Raises TimeoutError."""
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class Client:
    """Sends requests by connections that are kept open, with limits for connecting and reading.
    It costs a third of urllib3's pool, for what is sent with every reply; it repeats nothing and
    follows no redirect. `cafile`: whose certificates are trusted, instead of the usual ones."""

    def __init__(self, limits: tuple[float, float], cafile: str | None = None) -> None:
        self._limits = limits
        self._cafile = cafile
        self._idle = defaultdict[tuple[str, str], list[_Plain | _Tls]](list)
        weakref.finalize(self, _close, self._idle)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._cafile or certifi.where())
        context.set_alpn_protocols(["http/1.1"])
        return context

    def request(
        self,
        method: str,
        address: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        bounds: Bounds | None = None,
    ) -> Answer:
        """Raises NewConnectionError where nothing was sent, and the others of FAULTS where
        something may have been. Without `bounds`, each wait has its limit, and all together none.
        """
        parts = urlsplit(address)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = _written(method, target, parts.netloc, body, headers)
        idle = self._idle[parts.scheme, parts.netloc]
        connection = self._connection(parts, idle)
        if bounds is not None:
            connection.timeout = min(self._limits[0], bounds.left())
        try:
            answer = connection.ask(method, request, bounds)
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
        host, (connect, read) = parts.hostname or "", self._limits
        if parts.scheme == "https":
            made: _Plain | _Tls = _Tls(host, parts.port, timeout=connect, context=self._tls)
        else:
            made = _Plain(host, parts.port, timeout=connect)
        made.reads_within = read
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


class Connecting:
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


class _Asking(Connecting):
    reads_within: float  # seconds

    def connect(self: Any) -> None:
        super().connect()
        self.sock.settimeout(self.reads_within)

    def is_open(self: Any) -> bool:
        """Tells whether it can be used again: the other end neither closed it nor said more."""
        return self.sock is not None and not wait_for_read(self.sock, timeout=0.0)

    def ask(self: Any, method: str, request: bytes, bounds: Bounds | None) -> Answer:
        if self.sock is None:
            self.connect()
        if bounds is not None:
            self.sock.settimeout(bounds.left())
        self.sock.sendall(request)
        if bounds is not None:
            self.sock.settimeout(bounds.left())
        seen = self.sock.recv(FIRST_PIECE)
        return _plain(seen, bounds) or self._read(seen, method, bounds)

    def _read(self: Any, seen: bytes, method: str, bounds: Bounds | None) -> Answer:
        source: Any = _Source(seen, self.sock, bounds)
        response = HTTPResponse(source, method=method)
        response.begin()
        body = response.read() if bounds is None else _read_body(response, bounds.size)
        if response.will_close:
            self.close()
        return Answer(response.status, body, HTTPHeaderDict(response.headers.items()))


def _plain(seen: bytes, bounds: Bounds | None) -> Answer | None:
    """Reads an answer of the plainest form, in a fraction of the time that http.client takes.
    Returns None for any other, and for one that did not come whole."""
    found = PLAIN.fullmatch(seen)
    if found is None:
        return None
    body = found["body"]
    if SPECIAL.findall(found["headers"]) != [b"%d" % len(body)]:
        return None
    if bounds is not None and len(body) > bounds.size:
        return None
    return Answer(int(found["status"]), body, _PlainHeaders(found["headers"]))


class _PlainHeaders(Mapping[str, str]):
    """Reads headers once one is asked for, as hardly any is."""

    def __init__(self, written: bytes) -> None:
        self._written = written

    @cached_property
    def _read(self) -> HTTPHeaderDict:
        lines = (line.partition(":") for line in self._written.decode("ascii").split("\r\n"))
        return HTTPHeaderDict((name, text.strip(" \t")) for name, _, text in lines)

    def __getitem__(self, name: str) -> str:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


class _Source(io.RawIOBase):
    """Gives http.client what has been read of an answer already, and the rest, each read within
    what is left of the time."""

    def __init__(self, seen: bytes, sock: socket.socket, bounds: Bounds | None) -> None:
        self._seen, self._sock, self._bounds = seen, sock, bounds

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._seen:
            size = min(len(buffer), len(self._seen))
            buffer[:size], self._seen = self._seen[:size], self._seen[size:]
            return size
        if self._bounds is not None:
            self._sock.settimeout(self._bounds.left())
        return self._sock.recv_into(buffer)


def _read_body(response: HTTPResponse, most: int) -> bytes:
    """Reads in pieces: what an answer says of its length is not believed."""
    body = bytearray()
    while piece := response.read(PIECE):
        body += piece
        if len(body) > most:
            raise TooLarge
    if response.length:
        raise IncompleteRead(b"", response.length)
    return bytes(body)


class _Plain(_Asking, http.client.HTTPConnection):
    pass


class _Tls(_Asking, http.client.HTTPSConnection):
    pass
