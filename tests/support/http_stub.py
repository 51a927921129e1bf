"""Runs web servers on loopback that answer as they were told to."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.waiting import LONGEST


@dataclass
class WebStub:
    url: str = ""
    answers: list[object] = field(default_factory=list)  # (status, body), "reset" or "stall"
    paths: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)


class Server(ThreadingHTTPServer):
    stub: WebStub
    request_queue_size = 128  # many connect at once


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self.get()

    def do_POST(self) -> None:
        self.post()

    def post(self) -> None:
        self.tell(405, b"")

    def get(self) -> None:
        stub = self.server.stub
        stub.paths.append(self.path)
        answer = stub.answers.pop(0)
        if answer == "stall":
            stub.release.wait(LONGEST)
        if isinstance(answer, str):
            self.reset()
        else:
            self.tell(*answer)

    def tell(self, status: int, body: bytes, *, is_cut: bool = False) -> None:
        """Answers. With `is_cut` it sends less than it announced."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) + 100 * is_cut))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = is_cut

    def reset(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@contextmanager
def serving(
    stub: WebStub, handler: type[Handler], tls: ssl.SSLContext | None = None
) -> Iterator[None]:
    server = Server(("127.0.0.1", 0), handler)
    server.stub = stub
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    stub.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        stub.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def web_stub() -> Iterator[WebStub]:
    stub = WebStub()
    with serving(stub, Handler):
        yield stub
