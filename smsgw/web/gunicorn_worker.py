"""Adapts gunicorn's worker and logger: carriers' requests in fibers, a time limit for reading a
request, and logs in our form."""

import select
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from functools import cache, cached_property, partial
from typing import Any, cast

from gunicorn.config import Config
from gunicorn.glogging import Logger as GunicornLog
from gunicorn.workers.gthread import TConn, ThreadWorker

from smsgw import logs
from smsgw.storage import deadlines
from smsgw.storage.fibers import Fibers
from smsgw.web import raw_requests
from smsgw.web.middleware import ANSWER_WITHIN, READ_WITHIN, READING
from smsgw.web.raw_requests import RawRequest
from smsgw.web.webhooks import FAILED, Receive, Webhooks

log = logs.get(__name__)

Finished = tuple[TConn, bool]  # whether its connection stays open


class Worker(ThreadWorker):
    """Handles carriers' requests in the fibers of one thread, where they are stored together; all
    others in threads, with a time limit for reading: gunicorn's are for each octet or for none."""

    @cached_property
    def fibers(self) -> Fibers:
        self._webhooks: Webhooks = self.wsgi.extensions["smsgw.webhooks"]
        self._finished: list[Finished] = []
        return Fibers(cast(Executor, self.tpool), self._hand_back)

    def enqueue_req(self, conn: TConn) -> None:
        if not self._begin_in_fiber(conn):
            super().enqueue_req(conn)  # type: ignore[no-untyped-call]

    def _begin_in_fiber(self, conn: TConn) -> bool:
        """Begins a carrier's request if it came whole and its answer can be sent, so that neither
        is waited for. Returns False for any other."""
        has_read_ahead = conn.parser is not None and conn.parser.unreader.buf.getvalue()
        seen = b"" if has_read_ahead else peek(conn.sock)
        address = conn.client[0] if conn.client else ""  # a Unix socket has none
        asked = raw_requests.read(seen, address) if seen else None
        if asked is None:
            return False
        fibers = self.fibers
        receive = self._webhooks.find(asked.method, asked.webhook.path)
        if receive is None or not is_writable(conn.sock):
            return False
        conn.sock.recv(asked.size)
        fibers.submit(partial(self._answer, conn, asked, receive, time.monotonic()))
        return True

    def _answer(self, conn: TConn, asked: RawRequest, receive: Receive, arrived: float) -> None:
        is_full = len(self.keepalived_conns) >= self.max_keepalived
        is_last = asked.is_last or is_full or not self.alive
        try:
            with deadlines.within(ANSWER_WITHIN + arrived - time.monotonic()):
                made = receive(asked.webhook)
        except Exception:
            log.exception("webhook failed", path=asked.webhook.path)
            made = FAILED
        answer = self._webhooks.write(made, is_last=is_last)
        try:
            is_sent = conn.sock.send(answer, socket.MSG_DONTWAIT) == len(answer)
        except OSError:
            is_sent = False
        self._finished.append((conn, is_sent and not is_last))

    def _hand_back(self) -> None:
        """Gives the connections back to the thread that waits for their next requests."""
        finished, self._finished = self._finished, []
        if finished:
            self.method_queue.defer(self._finish_all, finished)  # type: ignore[no-untyped-call]

    def _finish_all(self, finished: Sequence[Finished]) -> None:
        for conn, is_open in finished:
            conn.init()  # type: ignore[no-untyped-call]
            self.finish_request(conn, _ended(is_open))  # type: ignore[no-untyped-call]

    def handle(self, conn: TConn) -> Any:
        READING.begins(conn.sock, READ_WITHIN)
        try:
            return super().handle(conn)  # type: ignore[no-untyped-call]
        finally:
            READING.ends()


@cache
def _ended(is_open: bool) -> Future[bool]:
    """Returns what gunicorn asks whether a connection stays open."""
    result = Future[bool]()
    result.set_result(is_open)
    return result


def peek(connection: socket.socket) -> bytes:
    """Returns what has come, and leaves it there."""
    try:
        return connection.recv(raw_requests.LARGEST, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""


def is_writable(connection: socket.socket) -> bool:
    """Tells whether an answer can be sent without waiting."""
    writable = select.poll()  # select.select takes no descriptor above 1023
    writable.register(connection, select.POLLOUT)
    return bool(writable.poll(0))


class Log(GunicornLog):
    """Logs in our form, and without the words of the request that something happened to."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)  # type: ignore[no-untyped-call]
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def warning(self, msg: str, *_: object, **__: object) -> None:
        super().warning(msg.partition(": ")[0])  # type: ignore[no-untyped-call]

    def exception(self, msg: str, *_: object, **__: object) -> None:
        super().exception(msg.partition(" %")[0])  # type: ignore[no-untyped-call]
