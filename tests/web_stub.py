"""A web server on loopback that answers GETs as it was told to."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class WebStub:
    url: str = ""
    answers: list[object] = field(default_factory=list)  # (status, body), "reset" or "stall"
    paths: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)


class Server(ThreadingHTTPServer):
    stub: WebStub


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        stub = self.server.stub
        stub.paths.append(self.path)
        answer = stub.answers.pop(0)
        if answer == "stall":
            stub.release.wait(10)
        if isinstance(answer, str):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, body = answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@contextmanager
def web_stub() -> Iterator[WebStub]:
    stub = WebStub()
    server = Server(("127.0.0.1", 0), Handler)
    server.stub = stub
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        stub.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
