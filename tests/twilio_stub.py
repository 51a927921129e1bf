"""Twilio's REST endpoint for messages, on loopback: it answers as it was told to, and keeps
books of what it took."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SENT = "sent"
TAKES = (SENT, "stall", "cut", "junk")


@dataclass
class Stub:
    url: str = ""
    answers: list[object] = field(default_factory=list)  # (status, body), "reset", or of TAKES
    books: list[dict[str, object]] = field(default_factory=list)
    are_books_open: bool = True
    number: dict[str, str] = field(default_factory=dict)  # the number's settings
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    posts: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def take(self, post: dict[str, str]) -> dict[str, object]:
        self.books.append(
            {
                "sid": f"SM{len(self.books):032}",
                "to": post["To"],
                "from": post.get("From"),
                "body": post["Body"],
                "status": "queued",
                "num_segments": "1",
                "date_created": format_datetime(self.now()),
            }
        )
        return self.books[-1]

    def find(self, to: str, sender: str | None) -> list[dict[str, object]]:
        """Newest first, as Twilio lists them."""
        wanted = [each for each in self.books if each["to"] == to]
        return [each for each in reversed(wanted) if sender in {None, each["from"]}]


class Server(ThreadingHTTPServer):
    stub: Stub


class Handler(BaseHTTPRequestHandler):
    server: Server

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        post = {name: values[0] for name, values in parse_qs(body).items()}
        stub = self.server.stub
        stub.posts.append(post)
        stub.paths.append(self.path)
        answer = stub.answers.pop(0) if stub.answers else SENT
        taken = stub.take(post) if answer in TAKES else {}
        if answer == "reset":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if answer == "stall":
            stub.release.wait(10)
        if answer == "junk":
            taken = b"junk"
        self._tell(*((201, taken) if answer in TAKES else answer), is_cut=answer == "cut")

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if not self.server.stub.are_books_open:
            self._tell(500, {"code": 20500})
            return
        if "IncomingPhoneNumbers" in self.path:
            self._tell(200, {"incoming_phone_numbers": [self.server.stub.number]})
            return
        self._tell(200, {"messages": self.server.stub.find(asked["To"], asked.get("From"))})

    def _tell(self, status: int, told: object, *, is_cut: bool = False) -> None:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) + 100 * is_cut))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = is_cut

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@contextmanager
def twilio_stub() -> Iterator[Stub]:
    stub = Stub()
    server = Server(("127.0.0.1", 0), Handler)
    server.stub = stub
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        stub.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
