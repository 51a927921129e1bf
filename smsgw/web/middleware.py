"""Protects the application: whoever writes slowly, or too much, keeps nobody else out.

A request is read by a thread of its own, of which there are many, and within a time; only what was
read whole is handled, and of that a few at once, each kind in places of its own. A reverse proxy
that buffers does this better; it is not always there.

An answer has to be there before a carrier stops waiting for it: who finds no place in time, or no
room to wait in, is asked to come again.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from io import BytesIO
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore
from typing import Any

from flask import Flask

from smsgw.storage import deadlines, fibers
from smsgw.storage.deadlines import Deadlines

LARGEST_REQUEST = 64 * 1024  # octets; a long SMS with every field Twilio sends is under 4 kB
LARGEST_UPLOAD = 1024 * 1024  # of an operator
READ_WITHIN = 10.0  # seconds, for head and body together
READERS = 320  # above all places, and all who wait for one
# Places. Messages wait for each other, not for a processor, and are stored together.
AT_ONCE, CONSOLE_AT_ONCE, WATCHERS_AT_ONCE, PUBLIC_AT_ONCE = 64, 4, 2, 2
WAITS = 2.0  # seconds, for a place; a longer wait is of no use to who comes again by itself
ANSWER_WITHIN = 8.0  # seconds, of carriers' requests, that wait included; carriers wait for 15

# Nothing of what is served here belongs into a page, a frame, a cache or another site's script.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
BUSY = {"Retry-After": "5", "Content-Type": "text/html; charset=utf-8"}
A_YEAR = "max-age=31536000"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

READING = Deadlines()


class Places:
    """Limits how many requests are handled at once; as many as `line` wait for WAITS seconds."""

    def __init__(self, number: int, line: int) -> None:
        self._free = SimpleQueue[None]()  # quicker than a semaphore, which is Python code
        for _ in range(number):
            self._free.put(None)
        self._line = BoundedSemaphore(line)

    def take(self) -> bool:
        """Returns False if no place is free."""
        if self._take(0.0):
            return True
        if not self._line.acquire(blocking=False):
            return False
        try:
            return fibers.in_pool(partial(self._take, WAITS))
        finally:
            self._line.release()

    def give_back(self) -> None:
        self._free.put(None)

    def _take(self, seconds: float) -> bool:
        try:
            self._free.get(timeout=seconds)
        except Empty:
            return False
        return True


class ReadFirst:
    """Has a request's body read before it takes one of the places where requests are handled."""

    def __init__(self, application: Application, carriers: Places) -> None:
        self._application = application
        self._carriers = carriers
        # Operators wait for no webhook, and no webhook for them; nor for who asks how we are.
        self._console = Places(CONSOLE_AT_ONCE, line=32)
        self._watchers = Places(WATCHERS_AT_ONCE, line=8)
        # Everybody may look at the status page, and keeps nobody else waiting.
        self._public = Places(PUBLIC_AT_ONCE, line=8)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        most = LARGEST_UPLOAD if path.startswith("/console/") else LARGEST_REQUEST
        announced = environ.get("CONTENT_LENGTH")
        if not announced or int(announced) <= most:  # else it is refused unread
            body = environ["wsgi.input"].read(most + 1)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = announced or str(len(body))  # what was cut short shows
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        READING.ends()
        if path == "/healthz":
            return self._application(environ, start_response)
        if path.startswith("/console/"):
            return self._handled(self._console, environ, start_response)
        if path in {"/readyz", "/metrics"}:
            return self._handled(self._watchers, environ, start_response)
        if path in {"/status", "/status.json"}:
            return self._handled(self._public, environ, start_response)
        with deadlines.within(ANSWER_WITHIN):
            return self._handled(self._carriers, environ, start_response)

    def _handled(
        self, places: Places, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        if not places.take():  # and lets go of its reader
            start_response("503 Service Unavailable", [*BUSY.items()])
            return [b"busy, please try again"]
        try:
            return self._application(environ, start_response)
        finally:
            places.give_back()


class AddHeaders:
    """Adds headers to every answer that has no others of these names."""

    def __init__(self, application: Application, headers: Mapping[str, str]) -> None:
        self._application = application
        self._headers = [(name.lower(), (name, value)) for name, value in headers.items()]

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            given = {name.lower() for name, _ in headers}
            added = [header for name, header in self._headers if name not in given]
            return start_response(status, [*headers, *added], error)

        return self._application(environ, start)


def answer_headers(*, is_https: bool) -> Mapping[str, str]:
    """Returns the headers of every answer."""
    return HEADERS | ({"Strict-Transport-Security": A_YEAR} if is_https else {})


def guard(app: Flask, carriers: Places, headers: Mapping[str, str]) -> None:
    """Puts the headers on every answer of `app`, errors included, and limits its requests. Takes
    `carriers`: the places of carriers' requests."""
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.wsgi_app = AddHeaders(ReadFirst(app.wsgi_app, carriers), headers)  # type: ignore[method-assign]
