"""Speaks HTTP over connections that are kept open, at some 100 µs a call: what makes the load runs
on the same machine as what it is for."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from urllib.parse import urlsplit

from tests.support.load_driver import HOST, LENGTH, Http

KEPT = 1.0  # seconds that a connection is kept while nothing is said: the server keeps it longer
REASONS = {200: "OK", 201: "Created", 429: "Too Many Requests", 500: "Error", 503: "Unavailable"}

Transport = asyncio.WriteTransport
Handle = Callable[[Transport, str, str, bytes], Coroutine[None, None, None]]


class _Connection(Http):
    """Has one request answered at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.used_at = 0.0

    def took(self, whole: bytes, body: int) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((int(whole[9:12]), whole[body:]))
        if not LENGTH.search(whole, 0, body) or b"connection: close" in whole[:body].lower():
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionResetError("cut before an answer"))


class Caller:
    """Calls a server, each call on a connection that no other has."""

    def __init__(self) -> None:
        self._free = defaultdict[int, list[_Connection]](list)  # by port

    async def call(
        self,
        address: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        limit: float,
    ) -> tuple[int, bytes]:
        """Returns the status and the body. A GET where no body is given. Raises TimeoutError and
        OSError."""
        parts = urlsplit(address)
        port = parts.port or 80
        given = {"Host": parts.netloc, "Content-Length": str(len(body or b"")), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        head = f"{'GET' if body is None else 'POST'} {target} HTTP/1.1\r\n{lines}\r\n"
        async with asyncio.timeout(limit):
            connection = await self._connection(port)
            connection.answer = asyncio.get_running_loop().create_future()
            try:
                connection.transport.write(head.encode() + (body or b""))
                answer = await connection.answer
            except BaseException:
                connection.transport.abort()
                raise
        connection.used_at = time.monotonic()
        self._free[port].append(connection)
        return answer

    def close(self) -> None:
        for free in self._free.values():
            while free:
                free.pop().transport.abort()

    async def _connection(self, port: int) -> _Connection:
        while self._free[port]:
            connection = self._free[port].pop()
            is_young = time.monotonic() - connection.used_at < KEPT
            if is_young and not connection.transport.is_closing():
                return connection
            connection.transport.close()
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(_Connection, HOST, port)
        return made


class Listener(Http):
    """Lets `handle` answer each request: it gets what to write to, the method, the target and the
    body."""

    def __init__(self, handle: Handle) -> None:
        super().__init__()
        self._handle = handle
        self._tasks: set[asyncio.Task[None]] = set()

    def took(self, whole: bytes, body: int) -> None:
        method, target, _ = whole[: whole.index(b"\r\n")].decode().split(" ")
        answering = self._handle(self.transport, method, target, whole[body:])
        task = asyncio.get_running_loop().create_task(answering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def answer(status: int, body: bytes, *, length: int | None = None) -> bytes:
    """Returns a response. `length`: what it says of itself, where that is not so."""
    head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
    return (
        f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body
    )
