"""Measures the whole path of a message: a signed Twilio webhook, its commit, and the reply at the
carrier.

Starts real servers and the processes of the Procfile, and drives them beside a floor: a Flask view
that checks the signature and does nothing else, on the same machine, in turns with ours. What it
says of time is a share of that floor. `--json FILE` keeps the figures; `--quick` measures the
closed loop alone; `--sqlite` measures the same product on SQLite; `--guard` fails where the share
of the floor is a quarter below the one in bench/whole_path_share.json; `--rapidsms` measures
ours beside RapidSMS, which is installed in a venv of its own.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from statistics import median

from bench.rapidsms_side import NotInstalled, RapidSms, messages
from tests.support.bench_traffic import seed, webhooks
from tests.support.load_driver import Driver
from tests.support.process_usage import Processes
from tests.support.processes import free_port
from tests.support.round_figures import Figures, Meter
from tests.support.service_set import BIN, Servers, Service, started, wait_until_answers

ROOT = Path(__file__).parents[1]
SHARE = Path(__file__).with_name("whole_path_share.json")
PAIRS, FLOOR_SECONDS, OURS_SECONDS = 5, 1.5, 3.0
MAY_FALL = 0.25
PHONES = 48_000  # each writes once
SEEDED = ("participants", "balances", "contributions", "phones", "bindings")
SECONDS, CONNECTIONS = 8.0, 32
SLOW = 0.06  # seconds that a carrier takes to answer
WARM = 3.0  # seconds
FLOOR_APP = "tests.support.floor_app:app"
FLOOR = ("--worker-class", "gthread", "--workers", "2", "--threads", "8")


async def closed(
    driver: Driver,
    port: int,
    processes: Processes,
    warm: float,
    seconds: float,
    servers: Servers | None = None,
) -> Figures:
    """`warm`: seconds that do not count. The connections are spread over the web processes: where
    one has nearly all of them, the other answers few at a time, or nothing."""
    driver.is_fit = lambda: min(processes.connections(port)) >= CONNECTIONS // 4
    if warm:
        await driver.closed([port], CONNECTIONS, warm)
    if servers is not None:
        servers.analyze()
    meter = Meter(processes, *filter(None, [servers]))
    return meter.figures(await driver.closed([port], CONNECTIONS, seconds))


def show(name: str, made: Figures, floor: Figures) -> None:
    by = ", ".join(f"{k} {v:,.0f}" for k, v in made.cpu.items())
    waits = f"{made.p50 * 1000:.1f} / {made.p99 * 1000:.1f} ms" if made.p50 else "-"
    print(
        f"{name:28} {made.rate:7,.0f}/s  share {made.rate / floor.rate:.3f}  p50/p99 {waits}  "
        f"CPU {made.total_cpu:,.0f} µs = {made.total_cpu / floor.total_cpu:.2f} x ({by})"
    )
    if made.statements is not None:
        print(
            f"{'':28} a message: {made.statements:.1f} statements, {made.transactions:.1f} "
            f"transactions, {made.redis_calls:.1f} Redis calls; refused {made.refused}"
        )


async def measure(arguments: argparse.Namespace) -> dict[str, object]:
    result: dict[str, object] = {}
    with ExitStack() as stack:
        bench = await Bench.started(stack, sqlite=arguments.sqlite)
        service, driver = bench.service, bench.driver
        floor = await bench.floor(WARM, SECONDS)
        show("floor", floor, floor)
        ours = await bench.ours(WARM, SECONDS)
        show(f"ours, closed loop of {CONNECTIONS}", ours, floor)
        print(f"{'':28} memory of web, worker and clock: {service.processes.pss()} MB")
        result |= {"floor": vars(floor), "ours": vars(ours), "pss": service.processes.pss()}
        rates = [] if arguments.quick else arguments.rates
        for rate, driver.carrier_takes in product(rates, (0.0, SLOW)):
            meter = Meter(service.processes, service.servers)
            made = meter.figures(await driver.opened([service.port], rate, SECONDS))
            name = f"{rate}/s, carrier {driver.carrier_takes * 1000:.0f} ms"
            show(f"ours, {name}", made, floor)
            result[f"open {name}"] = vars(made)
    return result


@dataclass
class Bench:
    """The service, the floor beside it, and what drives both."""

    driver: Driver
    service: Service
    carrier_port: int
    floor_port: int
    floor_processes: Processes
    floor_requests: Iterator[tuple[str, bytes]]
    requests: Iterator[tuple[str, bytes]]

    @classmethod
    async def started(cls, stack: ExitStack, *, sqlite: bool) -> "Bench":
        driver = Driver(iter(()))
        carrier = await driver.listen()
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = Servers(stack, home, carrier, sqlite=sqlite)
        with servers.prepared() as rt:
            seed(rt, PHONES)
        servers.analyze(*SEEDED)
        service = Service(stack, servers)
        port, processes = free_port(), Processes()
        command = [BIN / "gunicorn", *FLOOR, "--bind", f"127.0.0.1:{port}", FLOOR_APP]
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        processes.groups["web"] = stack.enter_context(started(command, environ, home / "floor.log"))
        wait_until_answers(port, "/")
        floor_requests = cycle(webhooks(port, 0, PHONES))
        requests = webhooks(service.port, 0, PHONES)
        return cls(driver, service, carrier, port, processes, floor_requests, requests)

    async def floor(self, warm: float, seconds: float) -> Figures:
        self.driver.requests = self.floor_requests
        return await closed(self.driver, self.floor_port, self.floor_processes, warm, seconds)

    async def ours(self, warm: float, seconds: float) -> Figures:
        self.driver.requests = self.requests
        ours = self.service
        return await closed(self.driver, ours.port, ours.processes, warm, seconds, ours.servers)


async def beside_rapidsms() -> dict[str, object]:
    """Compares ours with RapidSMS, in rounds that take turns."""
    with ExitStack() as stack:
        bench = await Bench.started(stack, sqlite=False)
        driver, home = bench.driver, bench.service.servers.home
        other = RapidSms(stack, home, bench.carrier_port, PHONES)
        requests = messages(other.port, PHONES)

        async def theirs(seconds: float) -> Figures:
            driver.requests = requests
            return await closed(driver, other.port, other.processes, 0.0, seconds)

        await bench.ours(0.0, WARM)
        await theirs(WARM)
        made: dict[str, list[tuple[Figures, Figures]]] = {"ours": [], "RapidSMS": []}
        for _ in range(PAIRS):
            floor = await bench.floor(0.0, FLOOR_SECONDS)
            made["ours"].append((await bench.ours(0.0, OURS_SECONDS), floor))
            made["RapidSMS"].append((await theirs(OURS_SECONDS), floor))
    for name, rounds in made.items():
        for figures, floor in rounds:
            show(name, figures, floor)
        share = median(figures.rate / floor.rate for figures, floor in rounds)
        cpu = median(figures.total_cpu for figures, _ in rounds)
        print(f"{name}: share of the floor {share:.3f}, CPU {cpu:,.0f} µs, medians of {PAIRS}")
    return {
        name: [[vars(figures), vars(floor)] for figures, floor in rounds]
        for name, rounds in made.items()
    }


async def guard() -> str | None:
    """Compares the share of the floor with the one in SHARE, by the median of pairs that take
    turns. Returns what is wrong."""
    (committed,) = json.loads(SHARE.read_text("utf-8")).values()
    with ExitStack() as stack:
        bench = await Bench.started(stack, sqlite=False)
        bench.driver.quiet = 1.0
        await bench.ours(0.0, WARM)
        for _ in range(2):
            shares = []
            for _ in range(PAIRS):
                floor = await bench.floor(0.0, FLOOR_SECONDS)
                shares.append((await bench.ours(0.0, OURS_SECONDS)).rate / floor.rate)
            share = median(shares)
            print(f"share of the floor: {share:.3f}, committed: {committed}", flush=True)
            if share >= committed * (1 - MAY_FALL):
                return None
    return (
        f"a message takes more than before: {share:.3f} of the floor, not {committed}. "
        "Find out why with `make bench`, or commit the new share."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--guard", action="store_true")
    parser.add_argument("--rapidsms", action="store_true")
    parser.add_argument("--rates", type=int, nargs="*", default=[25, 100])
    arguments = parser.parse_args()
    if arguments.guard:
        sys.exit(asyncio.run(guard()))
    try:
        run = beside_rapidsms() if arguments.rapidsms else measure(arguments)
        result = asyncio.run(run)
    except NotInstalled as error:
        sys.exit(str(error))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
