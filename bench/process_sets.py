"""Measures what a message costs with one, two and four sets of web and worker processes over one
PostgreSQL and one Redis, each set with the same load.

Two and four sets run two clocks. Messages come one at a time, then 16 at a time, then 200 a second
for each set, then as fast as they are taken. CPU, statements and lock waits per message may grow by
15%; each message is answered once. What the processes use while nothing happens is left out, except
at full load. So is the vacuum of PostgreSQL, which would fall on whatever is measured next.

At full load one set leaves a machine with two cores nothing, and more sets take turns on them,
which costs by itself. So there as many sets are also measured that share nothing: each has a
PostgreSQL and a Redis of its own. Those that share may cost 15% more than these.

`--quick` measures once, and for a few seconds at full load. `--json FILE` keeps the figures.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain, product
from pathlib import Path
from statistics import median

from tests.support.bench_traffic import seed, webhooks
from tests.support.load_driver import Driver
from tests.support.lock_waits import LockWaits, Waits
from tests.support.process_usage import Processes
from tests.support.round_figures import Figures, Idle, Meter
from tests.support.service_set import OPTIONS, Servers, Service, connect

SETS = (1, 2, 4)
MORE = SETS[1:]
GROWS = 1.15  # times, at most
NO_WAIT = 0.5  # ms of lock wait a message that count as none
CONNECTIONS = 32  # of each set at full load, as in whole_path.py
# Loads of each set: messages a second, and how many come at one instant. Two cores carry four sets.
LOADS = {"one at a time": (8, 1), "16 at a time": (16, 16), "200 a second each": (200, 1)}
FAST, APART = "at full load", "at full load, apart"
WARM = 2.0  # seconds
SETTLES = 10.0  # seconds in which new processes have done once what they do all the time
# As long as two turns of what the clock does every ten seconds, which falls into each alike.
IDLE = SLOW = 20.0  # seconds
A_SECOND = 3_000  # messages that are signed for each second at full load: no service takes more
PHONES = 120_000  # that write again and again, seldom enough that all are answered
DOUBLED = """
SELECT (SELECT count(*) - count(DISTINCT message_id) FROM replies)
     + (SELECT count(*) - count(DISTINCT reply_id) FROM attempts)"""
STORED = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
WRITTEN = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"


@dataclass(frozen=True)
class Cost:
    """Says what a round cost. Lock waits are in ms a message."""

    figures: Figures
    lock_wait: float
    internal_wait: float
    doubled: int  # SMS above one for each message that has a reply
    connections: int  # of PostgreSQL
    pss: int  # MB


@dataclass(frozen=True)
class Room:
    """Holds the octets that a message takes, where each is of another phone."""

    disk: float
    log: float  # of PostgreSQL's write-ahead log
    redis: float


class Sets:
    """Runs so many sets, over servers that they share or over one each, and drives them all."""

    def __init__(
        self, stack: ExitStack, servers: Sequence[Servers], driver: Driver, number: int
    ) -> None:
        self._servers, self._driver, self.number = servers, driver, number
        clocks = [min(number, 2), *[0] * (number - 1)] if len(servers) == 1 else [1] * number
        of_each = servers * number if len(servers) == 1 else servers
        made = [
            Service(stack, its, clocks=each, name=f"{place} ")
            for place, (its, each) in enumerate(zip(of_each, clocks, strict=True))
        ]
        self.ports = [each.port for each in made]
        self.processes = Processes()
        for place, each in enumerate(made):
            own = {f"{kind} {place}": pid for kind, pid in each.processes.groups.items()}
            shared = {"redis", "postgres"} if place and len(servers) == 1 else set()
            self.processes.groups |= {k: v for k, v in own.items() if k.split()[0] not in shared}
        driver.is_fit = lambda: all(
            min(each.processes.connections(each.port)) >= CONNECTIONS // 4 for each in made
        )
        url = servers[0].environ["DATABASE_URL"]
        self._onlooker = stack.enter_context(connect(url))

    async def idle(self, seconds: float) -> Idle:
        """Measures while nothing happens but looking for lock waits."""
        meter = Meter(self.processes, *self._servers)
        looking = LockWaits(self._onlooker, seconds)
        await asyncio.to_thread(looking.result)
        return meter.idle()

    async def round(self, kind: str, seconds: float, idle: Idle | None = None) -> Cost:
        doubled = self._number(DOUBLED)
        meter = Meter(self.processes, *self._servers)
        looking = LockWaits(self._onlooker, seconds)
        round_ = await self._drive(kind, seconds)
        waits: Waits = await asyncio.to_thread(looking.result)
        made = meter.figures(round_, idle)
        again = self._driver.taken - len(round_.reached)
        again += int(self._number(DOUBLED) - doubled)
        per_message = 1000 / max(1, round_.acknowledged)
        return Cost(
            made,
            waits.locks * per_message,
            waits.internal * per_message,
            again,
            int(self._number(CONNECTED)) - len(self._servers) - 1,  # without those that measure
            self.processes.pss(),
        )

    def _number(self, statement: str) -> float:
        return sum(each.number(statement) for each in self._servers)

    async def _drive(self, kind: str, seconds: float):
        if kind in {FAST, APART}:
            return await self._driver.closed(self.ports, CONNECTIONS * self.number, seconds)
        rate, at_once = LOADS[kind]
        return await self._driver.opened(self.ports, rate * self.number, seconds, at_once)


class Bench:
    """Measures each number of sets in turn, several times."""

    def __init__(self, stack: ExitStack, driver: Driver, port: int, messages: int) -> None:
        self._driver, self._servers = driver, list[Servers]()
        for _ in range(max(SETS)):
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            options = ("max_connections=300", "autovacuum=off", *OPTIONS[1:])
            servers = Servers(stack, home, port, options=options)
            with servers.prepared() as rt:
                seed(rt, PHONES)
            servers.settle()
            self._servers.append(servers)
        driver.requests = webhooks(0, 0, messages, phones=PHONES)
        self.costs: dict[str, dict[int, list[Cost]]] = {
            kind: defaultdict(list) for kind in (*LOADS, FAST, APART)
        }

    async def measure(self, seconds: float, times: int) -> Room:
        shared, *_ = self._servers
        before = _room(shared)
        for number in chain.from_iterable([SETS] * times):
            await self._measure([shared], number, (*LOADS, FAST), seconds)
            await self._measure(self._servers[:number], number, (APART,), seconds)
        stored = shared.number("SELECT count(*) FROM messages")
        return Room(*((b - a) / stored for a, b in zip(before, _room(shared), strict=True)))

    async def _measure(
        self, servers: Sequence[Servers], number: int, kinds: Collection[str], seconds: float
    ) -> None:
        with ExitStack() as stack:
            sets = Sets(stack, servers, self._driver, number)
            await sets.round(FAST, WARM)
            await asyncio.sleep(SETTLES)
            for each in servers:
                each.settle()
            idle = await sets.idle(IDLE) if LOADS.keys() & kinds else None
            for kind in kinds:
                how = (SLOW, idle) if kind in LOADS else (seconds, None)
                cost = await sets.round(kind, *how)
                self.costs[kind][number].append(cost)
                print(_line(number, kind, cost), flush=True)

    def missed(self) -> list[str]:
        """Returns what grows by more than it may, of sets that share beside one, and at full load
        beside as many that share nothing."""
        found = []
        for kind, (name, (of, none)) in product((*LOADS, FAST), MEASURES.items()):
            made, apart = self._medians(kind, of), self._medians(APART, of)
            print(f"{name}, {kind}: {made[1]:,.2f} with 1 set")
            grown = {n: made[n] / max(made[1], none) for n in MORE}
            _show("those that share, beside one", grown)
            if kind == FAST:
                _show("those apart, beside one", {n: apart[n] / max(made[1], none) for n in MORE})
                grown = {n: made[n] / max(apart[n], none) for n in MORE}
                _show("those that share, beside those apart", grown)
            found += [
                f"{name}, {kind}, {n} sets: {ratio:.2f}"
                for n, ratio in grown.items()
                if ratio > GROWS
            ]
        doubled = sum(each.doubled for each in chain.from_iterable(self._all()))
        return [*found, f"{doubled} SMS were doubled"] if doubled else found

    def _all(self) -> Iterator[list[Cost]]:
        return chain.from_iterable(made.values() for made in self.costs.values())

    def _medians(self, kind: str, of: Callable[[Cost], float]) -> dict[int, float]:
        return {n: median(of(each) for each in costs) for n, costs in self.costs[kind].items()}


def _room(servers: Servers) -> tuple[float, float, float]:
    return servers.number(STORED), servers.number(WRITTEN), float(servers.redis_octets())


# What is measured, of a Cost, and how much of it counts as nothing.
MEASURES: Mapping[str, tuple[Callable[[Cost], float], float]] = {
    "CPU in µs a message": (lambda cost: cost.figures.total_cpu, 0.0),
    "statements a message": (lambda cost: cost.figures.statements or 0.0, 0.0),
    "lock wait in ms a message": (lambda cost: cost.lock_wait, NO_WAIT),
}


def _show(beside: str, grown: Mapping[int, float]) -> None:
    print(f"    {beside}: " + ", ".join(f"{ratio:.2f} x with {n}" for n, ratio in grown.items()))


def _line(number: int, kind: str, cost: Cost) -> str:
    made = cost.figures
    by: dict[str, float] = defaultdict(float)
    for name, used in made.cpu.items():
        by[name.split()[0]] += used
    cpu = ", ".join(f"{kind} {used:,.0f}" for kind, used in by.items())
    return (
        f"{number} set{'s' * (number > 1)}, {kind:19} {made.rate:5,.0f}/s, a message: "
        f"CPU {made.total_cpu:,.0f} µs ({cpu}), {made.statements:.1f} statements, "
        f"{cost.lock_wait:.2f} ms of lock waits, {cost.internal_wait:.2f} ms of waits inside, "
        f"{made.replies:.3f} replies, doubled {cost.doubled}; {cost.connections} connections, "
        f"{cost.pss} MB"
    )


def _result(bench: Bench, room: Room) -> dict[str, object]:
    kinds: Sequence[tuple[str, dict[int, list[Cost]]]] = list(bench.costs.items())
    costs = {k: {n: [asdict(each) for each in c] for n, c in made.items()} for k, made in kinds}
    return {"octets a message": asdict(room), **costs}


async def run(arguments: argparse.Namespace) -> tuple[Bench, Room]:
    seconds, times = (4.0, 1) if arguments.quick else (arguments.seconds, 2)
    with ExitStack() as stack:
        driver = Driver(iter(()), quiet=3.0)
        port = await driver.listen()
        slow = sum(SETS) * sum(rate for rate, _ in LOADS.values()) * SLOW
        messages = int(times * (2 * len(SETS) * (seconds + WARM) * A_SECOND + slow))
        bench = Bench(stack, driver, port, messages)
        return bench, await bench.measure(seconds, times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a round at full load")
    arguments = parser.parse_args()
    bench, room = asyncio.run(run(arguments))
    print(
        f"a message takes {room.disk:,.0f} octets of disk, {room.log:,.0f} of write-ahead log and "
        f"{room.redis:,.0f} of Redis"
    )
    missed = bench.missed()
    if arguments.json:
        arguments.json.write_text(json.dumps(_result(bench, room), indent=1))
    if missed:
        sys.exit("; ".join(missed))


if __name__ == "__main__":
    main()
