"""What stands before the application: whoever writes slowly, or too much, keeps nobody else out.

A request is read by a thread of its own, of which there are many, and within a time; only what was
read whole is handled, and of that a few at once. A reverse proxy that buffers does this better; it
is not always there.
"""

from collections.abc import Callable, Iterable
from io import BytesIO
from threading import BoundedSemaphore
from typing import Any

from flask import Flask, Response
from gunicorn.config import Config
from gunicorn.glogging import Logger as GunicornLog
from gunicorn.workers.gthread import TConn, ThreadWorker

from smsgw.overdue import Deadlines

LARGEST_REQUEST = 64 * 1024  # octets; a long SMS with every field Twilio sends is under 4 kB
LARGEST_UPLOAD = 1024 * 1024  # of an operator
READ_WITHIN = 10.0  # seconds, for head and body together
READERS, AT_ONCE = 64, 8
# The console has places of its own: operators wait for no webhook, and no webhook for them.
CONSOLE_AT_ONCE, CONSOLE_WAITS = 4, 5.0  # requests, seconds

# Nothing of what is served here belongs into a page, a frame, a cache or another site's script.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
A_YEAR = "max-age=31536000"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

READING = Deadlines(READ_WITHIN)


class Worker(ThreadWorker):
    """gunicorn's, with an end to reading: its own time-outs are for each octet or for none."""

    def handle(self, conn: TConn) -> Any:
        READING.begins(conn.sock)
        try:
            return super().handle(conn)  # type: ignore[no-untyped-call]
        finally:
            READING.ends()


class Log(GunicornLog):
    """gunicorn's in our form, and without the words of the request that something happened to."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)  # type: ignore[no-untyped-call]
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def warning(self, msg: str, *_: object, **__: object) -> None:
        super().warning(msg.partition(": ")[0])  # type: ignore[no-untyped-call]

    def exception(self, msg: str, *_: object, **__: object) -> None:
        super().exception(msg.partition(" %")[0])  # type: ignore[no-untyped-call]


class ReadFirst:
    """Has a request's body read before it takes one of the places where requests are handled."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._places = BoundedSemaphore(AT_ONCE)
        self._console = BoundedSemaphore(CONSOLE_AT_ONCE)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        is_upload = environ.get("PATH_INFO", "").startswith("/console/")
        most = LARGEST_UPLOAD if is_upload else LARGEST_REQUEST
        announced = environ.get("CONTENT_LENGTH")
        if not announced or int(announced) <= most:  # else it is refused unread
            body = environ["wsgi.input"].read(most + 1)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = announced or str(len(body))  # what was cut short shows
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        READING.ends()
        if not is_upload:
            with self._places:
                return self._application(environ, start_response)
        if not self._console.acquire(timeout=CONSOLE_WAITS):  # and lets go of its reader
            start_response("503 Service Unavailable", [("Retry-After", "5"), *HEADERS.items()])
            return [b""]
        try:
            return self._application(environ, start_response)
        finally:
            self._console.release()


def guard(app: Flask, *, is_https: bool) -> None:
    """Every answer of `app` carries the headers, errors included."""
    headers = HEADERS | ({"Strict-Transport-Security": A_YEAR} if is_https else {})

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.wsgi_app = ReadFirst(app.wsgi_app)  # type: ignore[method-assign]
