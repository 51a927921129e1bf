"""Plays a carrier like Twilio, on loopback, that goes wrong in every way it can, seeded, and keeps
records.

It retries as Twilio does with `#rc=3&rp=ct,5xx&tt=15000` and a fallback address, and no more:
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from smsgw.carriers.twilio import signature
from tests.chaos.connections import Caller, Listener, Transport, answer

PUBLIC_URL = "https://sms.example.org"
METRICS_TOKEN = "a token of chaos"
ACCOUNT, TOKEN, OURS = "AC" + "a" * 32, "token", "+15005550006"
TRIES, TRIES_LAST = 4, 15.0  # rc=3 and the first; tt, in seconds
PAUSES = (0.5, 1.5, 4.0)
READ_LIMIT = 15.0  # rt
FORM = "application/x-www-form-urlencoded"
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
LONGER_THAN_ANYBODY_WAITS = 11.0
SLOW = 10.0

# What may become of a POST: whether it is taken, and how it is answered.
WAYS = {
    "429": (False, 10),
    "503 before": (False, 5),
    "reset before": (False, 3),
    "500 after": (True, 4),
    "reset after": (True, 3),
    "cut": (True, 3),
    "junk": (True, 3),
    "time-out after": (True, 1),
}


@dataclass
class Carrier:
    """`seed` decides about everything but the order in which processes run."""

    seed: int
    fault_rate: float = 0.08
    url: str = ""
    service: str = ""
    books: list[dict[str, object]] = field(default_factory=list)
    books_of: dict[str, list[dict[str, object]]] = field(default_factory=lambda: defaultdict(list))
    accepted: Counter[int] = field(default_factory=Counter)  # by attempt
    acknowledged: set[str] = field(default_factory=set)
    given_up: dict[str, str] = field(default_factory=dict)  # with what was going on then
    going_on: set[str] = field(default_factory=set)  # of what is done to the service
    happened: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)  # seconds for an answer of ours
    slow: Counter[str] = field(default_factory=Counter)  # of these above SLOW, as given_up
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        listener = partial(Listener, self._handle)
        self._server = await loop.create_server(listener, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._caller = Caller()

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self._caller.close()
        self._server.close()

    async def get(self, target: str, **headers: str) -> tuple[int, str]:
        """Gets a page of the service. Raises OSError, TimeoutError included."""
        address = self.service + target
        status, body = await self._caller.call(address, headers, limit=READ_LIMIT)
        return status, body.decode()

    def later(self, seconds: float, what: Callable[[], Coroutine[None, None, None]]) -> None:
        async def wait_then_do() -> None:
            await asyncio.sleep(seconds)
            await what()

        task = asyncio.get_running_loop().create_task(wait_then_do())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # Messages in.

    async def deliver(self, sid: str, sender: str, text: str) -> None:
        """Delivers one SMS of a participant; some come twice."""
        form = {"MessageSid": sid, "From": sender, "To": OURS, "Body": text, "NumSegments": "1"}
        if self.chance.random() < self.fault_rate:
            self.happened["delivered twice"] += 1
            self.later(self.chance.uniform(0, 8), lambda: self._deliver_form(form))
        await self._deliver_form(form)

    async def _deliver_form(self, form: dict[str, str]) -> None:
        sid, until = form["MessageSid"], time.monotonic() + TRIES_LAST
        began_with = self._now()
        for pause in (*PAUSES, None):
            status = await self._call("/in/twilio", form)
            if status == 200:
                self.acknowledged.add(sid)
                return
            self.happened[f"webhook {status}"] += 1
            if status == "read time-out" or pause is None or time.monotonic() + pause > until:
                break
            await asyncio.sleep(pause)
        if await self._call("/in/twilio", form | {"ErrorCode": "11200"}) == 200:  # the fallback
            self.happened["fallback"] += 1
            self.acknowledged.add(sid)
        else:
            self.given_up[sid] = began_with

    def _now(self) -> str:
        return " and ".join(sorted(self.going_on)) or "nothing"

    async def _call(self, target: str, form: dict[str, str]) -> int | str:
        signed = signature(TOKEN, PUBLIC_URL + target, form.items())
        headers = {"X-Twilio-Signature": signed, "Content-Type": FORM}
        started, began_with = time.monotonic(), self._now()
        body = urlencode(form).encode()
        try:
            address = self.service + target
            status, _ = await self._caller.call(address, headers, body, limit=READ_LIMIT)
            return status
        except TimeoutError:
            return "read time-out"
        except OSError:
            return "no connection"
        finally:
            self.waits.append(time.monotonic() - started)
            self.slow[began_with] += self.waits[-1] > SLOW

    # Replies out.

    async def _handle(self, to: Transport, method: str, target: str, body: bytes) -> None:
        parts = urlsplit(target)
        assert parts.path == MESSAGES
        if method == "GET":
            to.write(self._look_up(dict(parse_qsl(parts.query))))
        else:
            await self._take(to, dict(parse_qsl(body.decode())))

    async def _take(self, to: Transport, form: dict[str, str]) -> None:
        way = self._way()
        is_taken, _ = WAYS.get(way, (True, 0))
        taken = self._book(form) if is_taken else {}
        self.happened[f"POST: {way}"] += 1
        await asyncio.sleep(self.chance.uniform(0, 0.1))
        await self._answer(to, way, taken)

    def _way(self) -> str:
        if self.chance.random() >= self.fault_rate:
            return "taken"
        return self.chance.choices(list(WAYS), [weight for _, weight in WAYS.values()])[0]

    def _book(self, form: dict[str, str]) -> dict[str, object]:
        (attempt,) = parse_qs(urlsplit(form["StatusCallback"]).query)["out"]
        entry: dict[str, object] = {
            "sid": f"SM{len(self.books):032}",
            "to": form["To"],
            "from": form["From"],
            "body": form["Body"],
            "status": "queued",
            "num_segments": "1",
            "date_created": format_datetime(datetime.now(UTC)),
        }
        self.books.append(entry)
        self.books_of[form["To"]].append(entry)
        self.accepted[int(attempt)] += 1
        address, _, _ = form["StatusCallback"].partition("#")  # which is not sent
        self._report(entry, address.removeprefix(PUBLIC_URL))
        return entry

    async def _answer(self, to: Transport, way: str, taken: dict[str, object]) -> None:
        match way:
            case "429":
                to.write(answer(429, b'{"code": 20429}'))
            case "503 before" | "500 after":
                to.write(answer(int(way[:3]), b"<html>"))
            case "reset before" | "reset after":
                to.abort()
            case "cut":
                to.write(answer(201, b'{"sid": "SM', length=500))
                to.abort()
            case "junk":
                to.write(answer(201, b"junk"))
            case _:
                if way == "time-out after":
                    await asyncio.sleep(LONGER_THAN_ANYBODY_WAITS)
                to.write(answer(201, json.dumps(taken).encode()))

    def _look_up(self, query: dict[str, str]) -> bytes:
        if self.chance.random() < self.fault_rate:
            self.happened["lookup unavailable"] += 1
            return answer(500, b"")
        sender = query.get("From")
        sent = [
            each
            for each in reversed(self.books_of.get(query["To"], ()))
            if sender in {None, each["from"]}
        ]
        return answer(200, json.dumps({"messages": sent[:100]}).encode())

    # Reports.

    def _report(self, entry: dict[str, object], target: str) -> None:
        """Reports in any order, late, twice, or not at all."""
        last = "undelivered" if self.chance.random() < self.fault_rate / 4 else "delivered"
        for status in ("sent", last):
            entry["status"] = last
            if self.chance.random() < self.fault_rate:
                self.happened["report dropped"] += 1
                continue
            times = 2 if self.chance.random() < self.fault_rate else 1
            for _ in range(times):
                form = {"MessageSid": str(entry["sid"]), "MessageStatus": status}
                self.later(self.chance.uniform(0.05, 3), self._reporting(target, form))

    def _reporting(
        self, target: str, form: dict[str, str]
    ) -> Callable[[], Coroutine[None, None, None]]:
        async def report() -> None:
            for _ in range(2):  # Twilio's default: once more where no connection came about
                if await self._call(target, form) != "no connection":
                    return

        return report
