"""Measures whether a message costs more where there is more of everything: participants, stored
messages, sender IDs, replies that wait.

Each claim compares two services on real servers, in rounds that take turns, so that what else the
machine does concerns both. Tables are filled by the database. `--full` takes the sizes that are
promised, a quarter of an hour and 30 GB in TMPDIR; without it they are smaller. What takes more
disk than there is, or longer than `--minutes` to fill, is not measured. `--quick` takes fewer
rounds. `--only` names claims. `--json FILE` keeps the figures.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from psycopg.errors import QueryCanceled

from tests.support.backlog import drain_rate, queue_replies, wait_until_taken
from tests.support.bench_traffic import SENDER_ID, webhooks
from tests.support.load_driver import Driver
from tests.support.round_figures import Figures, Meter
from tests.support.service_set import OPTIONS, Servers, Service
from tests.support.table_fill import Size, fill

SLOWER, FASTER = 1.5, 1.2  # times: at most, and at least
EXACT = 0.03  # that a throttle may be missed by
SECONDS, WARM, CONNECTIONS = 3.0, 2.0, 32
A_SECOND = 4_000  # messages that are signed for each second of a round: no service takes more
BOUND = 10_000  # phones that write
THROTTLED, THROTTLE = "2999", 50  # a sender ID, and how many SMS a second it may send
THROTTLE_SECONDS, BURST = 20.0, 3.0
# Of tables, indexes and the write-ahead log while they are filled.
OCTETS_A_MESSAGE, OCTETS_A_PARTICIPANT = 3_000, 1_000
SPARED = 5_000_000_000  # octets that others are left
OCTETS = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relname ~ '^(messages|replies|attempts|audit)(_[0-9]+|_default)?$'"""
SENDER_IDS = [str(7_000 + number) for number in range(50)]


@dataclass(frozen=True)
class Sizes:
    base: Size
    participants: Size
    messages: Size
    short_rows: Size
    backlog: int


SMALL = Sizes(
    Size(10_000, 10_000), Size(1_000_000, 10_000), Size(10_000, 100_000),
    Size(10_000, 1_000_000, has_texts=False), 10_000,
)  # fmt: skip
FULL = Sizes(
    Size(10_000, 100_000), Size(10_000_000, 100_000), Size(10_000, 1_000_000),
    Size(10_000, 10_000_000, has_texts=False), 100_000,
)  # fmt: skip


class TooLarge(Exception):
    """Says why tables of a size cannot be filled here."""


class Side:
    """Runs a service over tables of one size."""

    def __init__(
        self, stack: ExitStack, driver: Driver, carrier_port: int, size: Size, limit: float
    ) -> None:
        """Raises TooLarge; `limit`: the seconds in which the tables have to be filled."""
        needed, free = disk_needed(size), shutil.disk_usage(tempfile.gettempdir()).free
        if free < needed:
            raise TooLarge(
                f"needs {needed / 1e9:.0f} GB in {tempfile.gettempdir()}, which has "
                f"{free / 1e9:.0f} GB; set TMPDIR to a larger disk"
            )
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = (*OPTIONS, "max_wal_size=8GB")
        self.servers = Servers(stack, home, carrier_port, options=options)
        began = time.monotonic()
        with self.servers.prepared() as rt:
            try:
                fill(rt, size, BOUND, limit)
            except QueryCanceled:
                raise TooLarge(
                    f"takes longer than {limit / 60:g} minutes to fill; allow more with --minutes"
                ) from None
        self.filled_in = time.monotonic() - began
        rates = {"SMSGW_SENDER_RATES": f"{THROTTLED}={THROTTLE}"}
        self.service = Service(stack, self.servers, **rates)
        self._driver, self._next = driver, count()

    async def round(self, seconds: float, sender_ids: Sequence[str]) -> Figures:
        number = int(seconds * A_SECOND)
        first = next(self._next) * int(SECONDS * A_SECOND)
        ports = [self.service.port]
        self._driver.requests = webhooks(
            *ports, first, first + number, phones=BOUND, sender_ids=sender_ids
        )
        meter = Meter(self.service.processes, self.servers)
        return meter.figures(await self._driver.closed(ports, CONNECTIONS, seconds))


def disk_needed(size: Size) -> int:
    """Returns the octets that tables of a size take while they are filled."""
    return size.messages * OCTETS_A_MESSAGE + size.participants * OCTETS_A_PARTICIPANT + SPARED


@dataclass
class Comparison:
    """Holds the rounds of two sides."""

    name: str
    base: list[Figures]
    grown: list[Figures]

    @property
    def slower(self) -> float:
        return self._median(lambda base, grown: base.answers / grown.answers)

    @property
    def costlier(self) -> float:
        return self._median(lambda base, grown: grown.total_cpu / base.total_cpu)

    def _median(self, of) -> float:
        return median(of(*pair) for pair in zip(self.base, self.grown, strict=True))

    def result(self) -> dict[str, object]:
        sides = {"base": self.base, "grown": self.grown}
        rounds = {side: [vars(each) for each in made] for side, made in sides.items()}
        return {"slower": self.slower, "CPU": self.costlier, **rounds}

    def line(self) -> str:
        rates, cpu, statements = (
            " and ".join(f"{median(map(of, side)):,.1f}" for side in (self.base, self.grown))
            for of in (lambda e: e.answers, lambda e: e.total_cpu, lambda e: e.statements)
        )
        return (
            f"{self.name:46} {self.slower:.2f} x slower (at most {SLOWER}), CPU "
            f"{self.costlier:.2f} x; {rates} answers a second, {cpu} µs, {statements} statements"
        )


class Growth:
    """Measures each claim, and remembers what was missed."""

    def __init__(
        self,
        stack: ExitStack,
        driver: Driver,
        port: int,
        sizes: Sizes,
        rounds: int,
        limit: float,
        kept: Path | None,
    ) -> None:
        self._driver, self._port, self._sizes, self._rounds = driver, port, sizes, rounds
        self._kept, self._limit = kept, limit
        self.result: dict[str, object] = {}
        self.missed: list[str] = []
        self._base = Side(stack, driver, port, sizes.base, limit)
        self._answering: list[float] = []

    async def rows(self, name: str, size: Size, grows: str) -> None:
        """Compares with a service whose tables hold more."""
        with ExitStack() as stack:
            try:
                grown = Side(stack, self._driver, self._port, size, self._limit)
            except TooLarge as error:
                self.missed.append(f"{name}: not measured; it {error}")
                return
            octets = grown.servers.number(OCTETS) / size.messages
            print(
                f"{name}: filled in {grown.filled_in:.0f} s; a stored message takes {octets:,.0f} "
                "octets",
                flush=True,
            )
            one = [SENDER_ID]
            await self._compare(f"{name}, {grows}", (self._base, one), (grown, one))

    async def sender_ids(self) -> None:
        """Compares traffic to one sender ID with traffic to fifty."""
        one, many = (self._base, [SENDER_ID]), (self._base, SENDER_IDS)
        await self._compare(f"sender IDs, 1 to {len(SENDER_IDS)}", one, many)

    async def throttle(self) -> None:
        """Drains replies of a sender ID whose rate is limited, and then what is left of them."""
        queued = int(THROTTLE * (THROTTLE_SECONDS + 2 * BURST))
        rate = await self._drain(queued, THROTTLED, skip=BURST, seconds=THROTTLE_SECONDS)
        await wait_until_taken(self._driver, queued, 4 * BURST)
        share = rate / THROTTLE
        self._tell("throttle", share, abs(share - 1) <= EXACT, {"throttle": THROTTLE})
        print(f"a throttle of {THROTTLE} a second is used to {share:.3f}", flush=True)

    async def backlog(self, seconds: float) -> None:
        """Drains replies that wait, and compares with how fast messages are answered."""
        number = self._sizes.backlog
        answering = median(self._answering or [(await self._base_round()).answers])
        rate = await self._drain(number, SENDER_ID, skip=0.0, seconds=seconds)
        ratio = rate / answering
        self._tell(f"backlog of {number:,}", ratio, ratio >= FASTER, {"rate": rate})
        print(
            f"a backlog of {number:,} replies drains at {rate:,.0f} a second, {ratio:.2f} x the "
            f"answering rate of {answering:,.0f} (at least {FASTER})",
            flush=True,
        )

    async def _drain(self, number: int, sender_id: str, *, skip: float, seconds: float) -> float:
        environ = self._base.servers.environ
        self._driver.taken = 0
        await asyncio.to_thread(queue_replies, environ, number, BOUND, sender_id)
        return await drain_rate(self._driver, number, skip=skip, seconds=seconds)

    async def _base_round(self) -> Figures:
        return await self._base.round(SECONDS, [SENDER_ID])

    async def _compare(
        self, name: str, base: tuple[Side, Sequence[str]], grown: tuple[Side, Sequence[str]]
    ) -> None:
        compared = Comparison(name, [], [])
        for side, sender_ids in (base, grown):
            await side.round(WARM, sender_ids)
        for _ in range(self._rounds):
            for made, (side, sender_ids) in ((compared.base, base), (compared.grown, grown)):
                made.append(await side.round(SECONDS, sender_ids))
        self._answering += [each.answers for each in compared.base]
        is_met = compared.slower <= SLOWER
        self._tell(name, compared.slower, is_met, compared.result())
        print(compared.line(), flush=True)

    def _tell(self, name: str, ratio: float, is_met: bool, result: dict[str, object]) -> None:
        self.result[name] = {"ratio": ratio, **result}
        self.missed += [] if is_met else [f"{name}: {ratio:.2f}"]
        if self._kept is not None:
            self._kept.write_text(json.dumps(self.result, indent=1))


async def measure(arguments: argparse.Namespace) -> Growth:
    sizes = FULL if arguments.full else SMALL
    with ExitStack() as stack:
        driver = Driver(iter(()), quiet=5.0, patience=15.0)
        port = await driver.listen()
        rounds = 3 if arguments.quick else 5
        limit = arguments.minutes * 60
        growth = Growth(stack, driver, port, sizes, rounds, limit, arguments.json)
        base, only = sizes.base, arguments.only
        for name, size in (
            ("participants", sizes.participants),
            ("messages", sizes.messages),
            ("short-rows", sizes.short_rows),
        ):
            if name in only:
                kind = "participants" if name == "participants" else "messages"
                grows = f"{getattr(base, kind):,} to {getattr(size, kind):,}"
                await growth.rows(name, size, grows)
        if "sender-ids" in only:
            await growth.sender_ids()
        if "throttle" in only:
            await growth.throttle()
        if "backlog" in only:
            await growth.backlog(arguments.drain_seconds)
    return growth


CLAIMS = ("participants", "messages", "short-rows", "sender-ids", "throttle", "backlog")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=CLAIMS, default=CLAIMS)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--drain-seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    try:
        growth = asyncio.run(measure(arguments))
    except TooLarge as error:
        sys.exit(f"the smaller tables: {error}")
    if growth.missed:
        sys.exit("; ".join(growth.missed))


if __name__ == "__main__":
    main()
