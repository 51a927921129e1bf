"""Drives webhooks at a web process, and is the carrier that takes its replies: one process and one
clock, so that the time between the two can be told. Costs some 100 µs a message."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import cast
from urllib.parse import unquote_plus

HOST = "127.0.0.1"
TRIES = 50  # to make connections that are fit
TAKES = 0.02  # seconds until a process has taken its connections, or heard that they are closed
RECIPIENT = re.compile(rb"(?:^|&)To=([^&]*)")  # in the body, as Twilio's
OF_KANNEL = re.compile(rb"^GET [^ ]*[?&]to=([^& ]*)")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Round:
    """Holds what one round of load measured; times are of time.monotonic."""

    started: float = 0.0
    ended: float = 0.0
    sent_at: dict[str, float] = field(default_factory=dict)  # by phone: when its webhook was due
    acknowledged: int = 0
    refused: int = 0
    reached: dict[str, float] = field(default_factory=dict)  # by phone: when the carrier had it

    @property
    def rate(self) -> float:
        return self.acknowledged / (self.ended - self.started)

    @property
    def answers(self) -> float:
        """Returns the replies a second, until the last one."""
        last = max(self.reached.values(), default=self.ended)
        return len(self.reached) / (last - self.started)

    def percentiles(self, *wanted: float) -> list[float]:
        """Returns the seconds from the receipt to the carrier."""
        waits = sorted(
            at - self.sent_at[to] for to, at in self.reached.items() if to in self.sent_at
        )
        return [waits[min(len(waits) - 1, int(len(waits) * each))] for each in wanted]


class Http(asyncio.Protocol):
    """Cuts what comes into messages with a body of a known length."""

    def __init__(self) -> None:
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        while True:
            head = self._held.find(b"\r\n\r\n")
            if head < 0:
                return
            found = LENGTH.search(self._held, 0, head)
            end = head + 4 + (int(found.group(1)) if found else 0)
            if len(self._held) < end:
                return
            whole, self._held = self._held[:end], self._held[end:]
            self.took(whole, head + 4)

    def took(self, whole: bytes, body: int) -> None:
        raise NotImplementedError


class _Carrier(Http):
    """Answers as Twilio's REST endpoint for messages; Kannel's takes any answer that is well."""

    def __init__(self, driver: "Driver") -> None:
        super().__init__()
        self._driver = driver

    def took(self, whole: bytes, body: int) -> None:
        found = RECIPIENT.search(whole[body:]) or OF_KANNEL.match(whole)
        if found:
            recipient = unquote_plus(found.group(1).decode())
            self._driver.round.reached.setdefault(recipient, time.monotonic())
            self._driver.taken += 1
        number = next(self._driver.sids)
        said = b'{"sid": "SM%032d", "status": "queued"}' % number
        status = b"200 OK" if whole.startswith(b"GET") else b"201 Created"
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n" % status
        answer = b"%sContent-Length: %d\r\n\r\n%s" % (head, len(said), said)
        if self._driver.carrier_takes:
            loop = asyncio.get_running_loop()
            loop.call_later(self._driver.carrier_takes, self._answer, answer)
        else:
            self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        self.transport.write(answer)


class _Sender(Http):
    """Delivers messages over one connection, as a carrier does."""

    def __init__(self, driver: "Driver", port: int) -> None:
        super().__init__()
        self._driver = driver
        self.port = port
        self.is_busy = False

    def post(self, request: bytes) -> None:
        self.is_busy = True
        self.transport.write(request)

    def took(self, whole: bytes, body: int) -> None:
        self.is_busy = False
        round_ = self._driver.round
        if whole.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
            round_.acknowledged += 1
        else:
            round_.refused += 1
        round_.ended = time.monotonic()
        self._driver.is_free(self)

    def connection_lost(self, _: Exception | None) -> None:
        """The server closes what it does not hear of for a while."""
        self._driver.forget(self)
        if self.is_busy:
            self.is_busy = False
            self._driver.round.refused += 1


@dataclass
class Driver:
    """Sends `requests`, each (phone, whole request), once."""

    requests: Iterator[tuple[str, bytes]]
    carrier_takes: float = 0.0  # seconds
    quiet: float = 3.0  # seconds without a reply after which no more are waited for
    patience: float = 0.0  # the same before the first one
    is_fit: Callable[[], bool] = lambda: True  # asked of new connections; else, others are made
    round: Round = field(default_factory=Round)
    taken: int = 0
    sids: Iterator[int] = field(default_factory=lambda: count(1))
    _until: float = 0.0
    _free: list[_Sender] = field(default_factory=list)
    _waiting: list[tuple[str, bytes]] = field(default_factory=list)
    _is_closed: bool = True

    async def listen(self) -> int:
        """Returns the carrier's port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Carrier(self), HOST, 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def closed(self, ports: Sequence[int], connections: int, seconds: float) -> Round:
        """Each connection sends its next message as soon as the last is acknowledged."""
        senders = await self._connect(ports, connections)
        self._begin(is_closed=True, seconds=seconds)
        for sender in senders:
            self.is_free(sender)
        await asyncio.sleep(seconds)
        return await self._end(senders)

    async def opened(
        self, ports: Sequence[int], rate: float, seconds: float, burst: int = 1
    ) -> Round:
        """Sends so many a second, whether or not the last ones are acknowledged, to each port in
        turn. `burst`: how many go to a port at the same instant."""
        senders = await self._connect(ports, 64 * len(ports))
        self._begin(is_closed=False, seconds=seconds)
        self._free = list(senders)
        for number in range(int(rate * seconds)):
            turn = number // burst
            due = self.round.started + turn * burst / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            phone, request = next(self.requests)
            self.round.sent_at[phone] = due
            sender = self._last_used(ports[turn % len(ports)])
            if sender is not None:
                self._free.remove(sender)
                sender.post(request)
            else:
                self._waiting.append((phone, request))
        return await self._end(senders)

    def is_free(self, sender: _Sender) -> None:
        if self._is_closed and time.monotonic() < self._until:
            phone, request = next(self.requests)
            self.round.sent_at[phone] = time.monotonic()
            sender.post(request)
        elif self._waiting:
            sender.post(self._waiting.pop(0)[1])
        else:
            self._free.append(sender)

    def forget(self, sender: _Sender) -> None:
        if sender in self._free:
            self._free.remove(sender)

    def _last_used(self, port: int) -> _Sender | None:
        return next((each for each in reversed(self._free) if each.port == port), None)

    def _begin(self, *, is_closed: bool, seconds: float) -> None:
        self.round = Round(started=time.monotonic())
        self._is_closed = is_closed
        self._until = time.monotonic() + seconds
        self._free, self._waiting, self.taken = [], [], 0

    async def _connect(self, ports: Sequence[int], number: int) -> Sequence[_Sender]:
        for _ in range(TRIES):
            made = await self._connect_once(ports, number)
            await asyncio.sleep(TAKES)
            if self.is_fit():
                return made
            for each in made:
                each.transport.close()
            await asyncio.sleep(TAKES)
        raise RuntimeError(f"no connections that are fit in {TRIES} tries")

    async def _connect_once(self, ports: Sequence[int], number: int) -> Sequence[_Sender]:
        loop = asyncio.get_running_loop()
        made = []
        for each in range(number):
            port = ports[each % len(ports)]
            _, sender = await loop.create_connection(partial(_Sender, self, port), HOST, port)
            made.append(sender)
        return made

    def _is_due(self, quiet: float) -> bool:
        """Tells whether replies are still waited for. `quiet`: seconds since the last one."""
        is_complete = len(self.round.reached) >= self.round.acknowledged
        return not is_complete and quiet < (self.quiet if self.taken else self.patience)

    async def _end(self, senders: Sequence[_Sender]) -> Round:
        """Waits for the last acknowledgement and the last reply."""
        while any(each.is_busy for each in senders) or self._waiting:
            await asyncio.sleep(0.05)
        before, since = self.taken, time.monotonic()
        while self._is_due(time.monotonic() - since):
            await asyncio.sleep(0.05)
            if self.taken != before:
                before, since = self.taken, time.monotonic()
        for each in senders:
            each.is_busy = False
            each.transport.close()
        return self.round
