"""Offers a test's ledger as the service of docs/ledger-api.md, as a scheme would write it."""

import hmac
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from email.message import Message
from hashlib import sha256
from typing import Any

from sqlalchemy import Engine, Select, select

from smsgw import http_client
from smsgw.http_client import NO_HEADERS, Answer, Bounds
from smsgw.ledger.http_ledger import HttpLedger
from smsgw.ledger.service_client import Credentials, ServiceClient
from smsgw.storage.tables.ledger import (
    balances,
    claims,
    contacts,
    contributions,
    offices,
    participants,
    programs,
    rates,
)
from tests.support.http_stub import Handler, WebStub, serving
from tests.support.waiting import LONGEST

SECRET, TOKEN = "a secret that signs, for tests alone", "a-token-for-tests"
BY_SECRET = Credentials(SECRET.encode())
TOLERANCE = 300  # seconds between both clocks
MOST_NUMBERS = 50
PAID = ("jht", "jp", "jkk", "jkm", "jkp")


@dataclass
class LedgerService(WebStub):
    """Answers from the tables of `engine`. `breaks` changes an answer before it is written."""

    engine: Engine | None = None
    clock: Callable[[], float] = time.time
    cache_control: str | None = None
    asked: list[Mapping[str, list[str]]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    breaks: Callable[[dict[str, Any]], Any] = lambda document: document
    status: int | None = None  # instead of an answer
    headers: dict[str, str] = field(default_factory=dict)

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        self.requests.append(f"{method} {path}")
        if not self._knows({name.lower(): text for name, text in headers.items()}, body):
            return 401, b"{}"
        if self.status is not None:
            return self.status, b"{}"
        if (method, path) == ("GET", "/reference"):
            return 200, self._written(self._reference())
        if (method, path) == ("POST", "/look-ups"):
            return self._look_up(json.loads(body))
        return 404, b"{}"

    def _knows(self, headers: Mapping[str, str], body: bytes) -> bool:
        if headers.get("authorization") == f"Bearer {TOKEN}":
            return True
        timestamp = headers.get("smsgw-timestamp", "")
        if not timestamp.isdecimal() or abs(self.clock() - int(timestamp)) > TOLERANCE:
            return False
        signed = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()
        return hmac.compare_digest(signed, headers.get("smsgw-signature", ""))

    def _look_up(self, question: dict[str, Any]) -> tuple[int, bytes]:
        asked = question["look_ups"]
        if question["version"] != 1 or any(len(each) > MOST_NUMBERS for each in asked.values()):
            return 400, b"{}"
        self.asked.append(asked)
        answers = {name: {"rows": self._rows(name, numbers)} for name, numbers in asked.items()}
        return 200, self._written({"version": 1, "answers": answers})

    def _written(self, document: dict[str, Any]) -> bytes:
        broken = self.breaks(document)
        return broken if isinstance(broken, bytes) else json.dumps(broken, default=_plain).encode()

    def _rows(self, name: str, numbers: list[str]) -> list[dict[str, Any]]:
        if name in {"participant", "participants_of"}:
            key = participants.c.nik if name == "participants_of" else participants.c.nkp
            unread = {"category", "employer"}
            wanted = [each for each in participants.c if each.name not in unread]
            return self._read(select(*wanted).where(key.in_(numbers)))
        if name in {"last_contribution", "paid_in", "pension_months"}:
            return _summed(name, self._read(_of(contributions, numbers)))
        table, unread = {
            "balance": (balances, set()),
            "programs": (programs, {"since", "until"}),
            "claims": (claims, {"reason"}),
        }[name]
        wanted = [each for each in table.c if each.name not in unread]
        query = select(*wanted).where(table.c.nkp.in_(numbers))
        return self._read(query.where(table.c.until.is_(None)) if name == "programs" else query)

    def _reference(self) -> dict[str, Any]:
        found = {table.name: self._read(select(table)) for table in (offices, rates, contacts)}
        for row in (*found["rates"], *found["contacts"]):
            del row["note"]
        return {"version": 1, **found}

    def _read(self, query: Select[Any]) -> list[dict[str, Any]]:
        assert self.engine is not None
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _of(table: Any, numbers: list[str]) -> Select[Any]:
    return select(table).where(table.c.nkp.in_(numbers))


def _summed(name: str, paid: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sums months that were paid for, by participant, or by year too."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in paid:
        group = (row["nkp"], row["month"].year) if name == "paid_in" else (row["nkp"],)
        groups.setdefault(group, []).append(row)
    made = []
    for (nkp, *year), rows in groups.items():
        if name == "last_contribution":
            made.append({"nkp": nkp, "month": max(row["month"] for row in rows)})
        elif name == "pension_months":
            made.append({"nkp": nkp, "months": sum((row["jp"] or 0) > 0 for row in rows)})
        else:
            sums = {each: sum(row[each] or 0 for row in rows) for each in PAID}
            made.append({"nkp": nkp, "year": year[0], "months": len(rows), **sums})
    return made


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError


@dataclass
class InProcess:
    """Hands requests to a service without a socket."""

    service: LedgerService

    def request(
        self,
        method: str,
        address: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        bounds: Bounds | None = None,
    ) -> Answer:
        path = "/" + address.split("/", 3)[3]
        status, answer = self.service.answer(method, path, headers, body or b"")
        return Answer(status, answer, Message())


class ServiceHandler(Handler):
    def setup(self) -> None:
        service: Any = self.server.stub
        service.connections += 1
        super().setup()

    def get(self) -> None:
        self.post()

    def post(self) -> None:
        service: Any = self.server.stub
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, answer = service.answer(self.command, self.path, dict(self.headers), body)
        how = service.answers.pop(0) if service.answers else None
        if how == "stall":
            service.release.wait(LONGEST)
        if how == "reset":
            self.reset()
        elif how == "drip":
            self.drip(answer)
        else:
            self.tell(status, answer, is_cut=how == "cut")

    def end_headers(self) -> None:
        service: Any = self.server.stub
        if service.cache_control is not None:
            self.send_header("Cache-Control", service.cache_control)
        for name, text in service.headers.items():
            self.send_header(name, text)
        super().end_headers()

    def drip(self, answer: bytes) -> None:
        """Answers an octet at a time, each in good time."""
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
        for octet in head + answer:
            if self.server.stub.release.wait(0.1):
                break
            self.wfile.write(bytes([octet]))
            self.wfile.flush()
        self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        service: Any = self.server.stub
        return super().date_time_string(timestamp or service.clock())


class Served(HttpLedger):
    """Also holds the database behind the service, which the test changes."""

    service: LedgerService

    @property
    def engine(self) -> Engine:
        return self.service.engine


def ledger_of(
    service: LedgerService,
    transport: Any = None,
    clock: Callable[[], float] = time.monotonic,
    limit: float = 2.0,
    credentials: Credentials = BY_SECRET,
) -> Served:
    sends = transport or http_client.Client((limit, limit))
    client = ServiceClient(service.url or "http://127.0.0.1", credentials, sends, limit)
    made = Served(client, clock)
    made.service = service
    return made


@contextmanager
def ledger_service(
    engine: Engine, tls: ssl.SSLContext | None = None, **more: Any
) -> Iterator[LedgerService]:
    service = LedgerService(engine=engine, **more)
    with serving(service, ServiceHandler, tls):
        yield service
