"""Twilio's REST endpoint for messages, on loopback: it answers as it was told to."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

SENT = (201, {"sid": "SM" + "0" * 32, "status": "queued", "num_segments": "1"})


@dataclass
class Stub:
    url: str = ""
    answers: list[object] = field(default_factory=list)  # (status, body), "reset", "stall", "cut"
    posts: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)


@contextmanager
def twilio_stub() -> Iterator[Stub]:
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            stub.posts.append({name: values[0] for name, values in parse_qs(body).items()})
            stub.paths.append(self.path)
            self._answer(stub.answers.pop(0) if stub.answers else SENT)

        def _answer(self, answer: object) -> None:
            if answer == "reset":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if answer == "stall":
                stub.release.wait(10)
                answer = SENT
            is_cut = answer == "cut"
            status, told = SENT if is_cut else answer  # type: tuple[int, object]
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
