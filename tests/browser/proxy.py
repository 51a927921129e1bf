"""Runs a proxy between a browser and us, which keeps of each request what proxies log."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

NOT_PASSED_ON = {"connection", "keep-alive", "proxy-connection", "transfer-encoding"}


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lines: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        referrer, agent = self.headers.get("Referer", "-"), self.headers.get("User-Agent", "-")
        self.server.lines.append(f'"{self.requestline}" "{referrer}" "{agent}"')
        to = urlsplit(self.path)
        asked = HTTPConnection(to.netloc, timeout=20)
        address = to._replace(scheme="", netloc="").geturl()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if _passes(name)}
        asked.request(self.command, address, body or None, headers)
        answer = asked.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if _passes(name):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.read())
        asked.close()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Keeps the line instead of printing it."""


def _passes(name: str) -> bool:
    return name.lower() not in NOT_PASSED_ON


@contextmanager
def proxy() -> Iterator[Proxy]:
    with Proxy() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()
