"""Answers as Twilio's REST endpoint for messages, on loopback, as it was told to, and keeps a
record of what it accepted."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.http_stub import Handler, WebStub, serving
from tests.support.waiting import LONGEST

SENT = "sent"
TWILIO = {
    "SMSGW_CARRIER": "twilio",
    "SMSGW_PUBLIC_URL": "https://sms.example.org",
    "TWILIO_ACCOUNT_SID": "AC" + "a" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "TWILIO_FROM": "+15005550006",
}
ALL_CARRIERS = {
    "SMSGW_CARRIER": "twilio,kannel,http",
    "SMSGW_HTTP_CARRIER": str(Path(__file__).parents[2] / "deploy" / "http" / "infobip.yaml"),
    "INFOBIP_HOST": "127.0.0.1:9",
    "INFOBIP_API_KEY": "key",
    "INFOBIP_INBOUND_SECRET": "twelve-letters",
    "SMSGW_PUBLIC_URL": "https://sms.example.org/base",
    "TWILIO_ACCOUNT_SID": "AC" + "a" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "TWILIO_FROM": "+15005550006",
    "SMSGW_METRICS_TOKEN": "a token of metrics",
    "KANNEL_SENDSMS_URL": "http://127.0.0.1:9/cgi-bin/sendsms",
    "KANNEL_USERNAME": "smsgw",
    "KANNEL_PASSWORD": "secret",
    "KANNEL_FROM": "2757",
    "KANNEL_INBOUND_PASSWORD": "twelve-letters",
}
TAKES = (SENT, "stall", "cut", "junk")


@dataclass
class Stub(WebStub):
    books: list[dict[str, object]] = field(default_factory=list)
    are_books_open: bool = True
    lookups: int = 0
    number: dict[str, str] = field(default_factory=dict)  # the number's settings
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    posts: list[dict[str, str]] = field(default_factory=list)

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
        """Returns the newest first, as Twilio lists them."""
        wanted = [each for each in self.books if each["to"] == to]
        return [each for each in reversed(wanted) if sender in {None, each["from"]}]


class TwilioHandler(Handler):
    """Answers with the stub's `answers`: (status, body), "reset", or one of TAKES."""

    def post(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        post = {name: values[0] for name, values in parse_qs(body).items()}
        stub = self.server.stub
        stub.posts.append(post)
        stub.paths.append(self.path)
        answer = stub.answers.pop(0) if stub.answers else SENT
        taken = stub.take(post) if answer in TAKES else {}
        if answer == "reset":
            self.reset()
            return
        if answer == "stall":
            stub.release.wait(LONGEST)
        if answer == "junk":
            taken = b"junk"
        self._tell(*((201, taken) if answer in TAKES else answer), is_cut=answer == "cut")

    def get(self) -> None:
        self.server.stub.lookups += 1
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if not self.server.stub.are_books_open:
            self._tell(500, {"code": 20500})
            return
        if "IncomingPhoneNumbers" in self.path:
            self._tell(200, {"incoming_phone_numbers": [self.server.stub.number]})
            return
        self._tell(200, {"messages": self.server.stub.find(asked["To"], asked.get("From"))})

    def _tell(self, status: int, answer: object, *, is_cut: bool = False) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.tell(status, body, is_cut=is_cut)


@contextmanager
def twilio_stub() -> Iterator[Stub]:
    stub = Stub()
    with serving(stub, TwilioHandler):
        yield stub
