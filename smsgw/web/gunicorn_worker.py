"""Adapts gunicorn's worker and logger: carriers' requests in fibers, a time limit for reading a
request, and logs in our form."""

import re
import select
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from functools import cached_property, partial
from typing import Any, cast

from gunicorn.config import Config
from gunicorn.glogging import Logger as GunicornLog
from gunicorn.workers.gthread import TConn, ThreadWorker

from smsgw.storage import deadlines
from smsgw.storage.fibers import Fibers
from smsgw.web.middleware import ANSWER_WITHIN, READ_WITHIN, READING

LARGEST = 16 * 1024  # octets of a request that is handled in a fiber
OF_CARRIERS = b"POST /in/", b"GET /in/"
ANNOUNCES = re.compile(rb"content-length|transfer-encoding", re.I)  # that a body follows
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,5})[ \t]*(?=\r\n|$)", re.I)

Finished = tuple[TConn, Future[Any]]


class Worker(ThreadWorker):
    """Handles carriers' requests in the fibers of one thread, where they are stored together; all
    others in threads, with a time limit for reading: gunicorn's are for each octet or for none."""

    @cached_property
    def fibers(self) -> Fibers:
        self._finished: list[Finished] = []
        return Fibers(cast(Executor, self.tpool), self._hand_back)

    def enqueue_req(self, conn: TConn) -> None:
        has_read_ahead = conn.parser is not None and conn.parser.unreader.buf.getvalue()
        if not has_read_ahead and is_ready(conn.sock):
            conn.data_ready = True
            self.fibers.submit(partial(self._handle_in_fiber, conn, time.monotonic()))
        else:
            super().enqueue_req(conn)  # type: ignore[no-untyped-call]

    def _handle_in_fiber(self, conn: TConn, arrived: float) -> None:
        result = Future[Any]()
        try:
            with deadlines.within(ANSWER_WITHIN + arrived - time.monotonic()):
                result.set_result(self.handle(conn))
        except BaseException as error:
            result.set_exception(error)
        self._finished.append((conn, result))

    def _hand_back(self) -> None:
        """Gives the connections back to the thread that waits for their next requests."""
        finished, self._finished = self._finished, []
        if finished:
            self.method_queue.defer(self._finish_all, finished)  # type: ignore[no-untyped-call]

    def _finish_all(self, finished: Sequence[Finished]) -> None:
        for conn, result in finished:
            self.finish_request(conn, result)  # type: ignore[no-untyped-call]

    def handle(self, conn: TConn) -> Any:
        READING.begins(conn.sock, READ_WITHIN)
        try:
            return super().handle(conn)  # type: ignore[no-untyped-call]
        finally:
            READING.ends()


def is_ready(connection: socket.socket) -> bool:
    """Tells whether a carrier's request has come whole, and its answer can be sent: neither will
    be waited for."""
    try:
        seen = connection.recv(LARGEST, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return False
    head, end, body = seen.partition(b"\r\n\r\n")
    if not end or not head.startswith(OF_CARRIERS):
        return False
    announced, lengths = ANNOUNCES.findall(head), LENGTH.findall(head)
    if len(announced) > 1 or len(announced) != len(lengths):
        return False  # whatever else it says, how much more comes is for gunicorn to find out
    return len(body) >= int(lengths[0] if lengths else 0) and _is_writable(connection)


def _is_writable(connection: socket.socket) -> bool:
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
