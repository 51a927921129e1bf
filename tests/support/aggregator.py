"""Plays an aggregator with an HTTP interface on loopback, which answers as it was told to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.http_stub import Handler, WebStub, serving
from tests.support.waiting import LONGEST


@dataclass(frozen=True)
class ReceivedRequest:
    """Holds a request that was sent to the aggregator."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass
class Aggregator(WebStub):
    asked: list[ReceivedRequest] = field(default_factory=list)


class AggregatorHandler(Handler):
    def get(self) -> None:
        self._receive()

    def post(self) -> None:
        self._receive()

    def _receive(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        stub = self.server.stub
        assert isinstance(stub, Aggregator)
        stub.asked.append(ReceivedRequest(self.command, self.path, headers, body))
        answer = stub.answers.pop(0)
        if answer == "stall":
            stub.release.wait(LONGEST)
        if isinstance(answer, str):
            self.reset()
        else:
            self.tell(*answer)


@contextmanager
def aggregator() -> Iterator[Aggregator]:
    stub = Aggregator()
    with serving(stub, AggregatorHandler):
        yield stub
