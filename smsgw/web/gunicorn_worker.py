"""Adapts gunicorn's worker and logger: a time limit for reading a request, and logs in our form."""

from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger as GunicornLog
from gunicorn.workers.gthread import TConn, ThreadWorker

from smsgw.web.middleware import READ_WITHIN, READING


class Worker(ThreadWorker):
    """Limits the time for reading a request: gunicorn's time-outs are for each octet or for
    none."""

    def handle(self, conn: TConn) -> Any:
        READING.begins(conn.sock, READ_WITHIN)
        try:
            return super().handle(conn)  # type: ignore[no-untyped-call]
        finally:
            READING.ends()


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
