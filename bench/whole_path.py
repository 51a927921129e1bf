"""Measures the whole path of a message: a signed Twilio webhook, its commit, and the reply at the
carrier.

Starts real servers and the processes of the Procfile, and drives them beside a floor: a Flask view
that checks the signature and does nothing else, on the same machine, in turns with ours. What it
says of time is a share of that floor. `--json FILE` keeps the figures; `--quick` measures the
closed loop alone; `--sqlite` measures the same product on SQLite; `--guard` fails where the share
of the floor is a quarter below the one in bench/whole_path_share.json.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from statistics import median

import psycopg
import requests
from redis import Redis

from smsgw import runtime, settings
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.storage import migrations
from tests.support.bench_traffic import seed, webhooks
from tests.support.load_driver import Driver, Round
from tests.support.process_usage import Processes
from tests.support.processes import free_port
from tests.support.servers import Postgres, Queue, postgres_programs
from tests.support.twilio_api import TWILIO

BIN, ROOT = Path(sys.executable).parent, Path(__file__).parents[1]
SHARE = Path(__file__).with_name("whole_path_share.json")
PAIRS, FLOOR_SECONDS, OURS_SECONDS = 5, 1.5, 3.0
MAY_FALL = 0.25
PHONES = 16_000  # each writes once
SECONDS, CONNECTIONS = 8.0, 32
SLOW = 0.06  # seconds that a carrier takes to answer
WARM = 3.0  # seconds
SERVER = ("max_connections=100", "shared_preload_libraries=pg_stat_statements")
FLOOR_APP = "tests.support.floor_app:app"
FLOOR = ("--worker-class", "gthread", "--workers", "2", "--threads", "8")


@dataclass
class Figures:
    """Holds the figures of one round. CPU is in µs a message, by what used it."""

    rate: float
    p50: float | None
    p99: float | None
    cpu: dict[str, float]
    statements: float | None = None
    transactions: float | None = None
    redis_calls: float | None = None
    refused: int = 0


@contextmanager
def started(command: list[str | Path], environ: dict[str, str], log: Path) -> Iterator[int]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environ, stdout=out, stderr=out)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait()


def wait_until_answers(port: int, path: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            requests.get(f"http://127.0.0.1:{port}{path}", timeout=2)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"nothing answers on {port}")


class Service:
    """Runs the processes of the Procfile over new databases."""

    def __init__(self, stack: ExitStack, home: Path, carrier_port: int, *, sqlite: bool) -> None:
        self.port, self.processes = free_port(), Processes()
        self._queue = Queue()
        stack.callback(self._queue.stop)
        self.postgres: Postgres | None = None
        database = f"sqlite:///{home}/service.db"
        if not sqlite:
            programs = postgres_programs() or sys.exit("no PostgreSQL programs here")
            self.postgres = Postgres(programs, options=SERVER)
            stack.callback(self.postgres.stop)
            database = self.postgres.url
        environ = {
            "PATH": os.environ["PATH"], "SMSGW_HOME": str(home), "PORT": str(self.port),
            "DATABASE_URL": database, "REDIS_URL": self._queue.url, "WEB_CONCURRENCY": "2",
            "SMSGW_SECRET_KEY": "a key for measuring, of no use elsewhere", **TWILIO,
            "TWILIO_API_BASE": f"http://127.0.0.1:{carrier_port}",
        }  # fmt: skip
        rt = runtime.build(settings.load(environ))
        migrations.upgrade(rt.service, "service")
        migrations.upgrade(rt.ledger.engine, "ledger")
        load(rt.ledger.engine, reference_folder())
        seed(rt, PHONES)
        rt.close()
        commands = {
            "web": [
                "gunicorn",
                "--config",
                "python:smsgw.web.gunicorn",
                "--no-control-socket",
                "smsgw.app:create_app()",
            ],
            "worker": ["smsgw", "worker"],
            "clock": ["smsgw", "clock"],
        }
        for name, command in commands.items():
            whole = [BIN / command[0], *command[1:]]
            pid = stack.enter_context(started(whole, environ, home / f"{name}.log"))
            self.processes.groups[name] = pid
        self.processes.groups["redis"] = self._queue.pid
        if self.postgres is not None:
            self.processes.groups["postgres"] = self.postgres.pid
            self._statistics = psycopg.connect(
                self.postgres.url.replace("+psycopg", ""), autocommit=True
            )
            stack.callback(self._statistics.close)
            self._statistics.execute("CREATE EXTENSION pg_stat_statements")
        self._redis = Redis.from_url(self._queue.url)
        wait_until_answers(self.port, "/healthz")

    def analyze(self) -> None:
        """Gathers statistics, as PostgreSQL does by itself within a minute."""
        if self.postgres is not None:
            self._statistics.execute("ANALYZE")

    def counts(self) -> tuple[float, float, float]:
        """Returns the statements and transactions of PostgreSQL, and the calls of Redis, so far."""
        calls = sum(each["calls"] for each in self._redis.info("commandstats").values())
        if self.postgres is None:
            return 0.0, 0.0, float(calls)
        (statements,) = self._statistics.execute(
            "SELECT sum(calls) FROM pg_stat_statements"
        ).fetchone()
        ended = "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database"
        (transactions,) = self._statistics.execute(ended).fetchone()
        return float(statements), float(transactions), float(calls)


async def closed(
    driver: Driver,
    port: int,
    processes: Processes,
    warm: float,
    seconds: float,
    service: Service | None = None,
) -> Figures:
    """`warm`: seconds that do not count."""
    if warm:
        await driver.closed(port, CONNECTIONS, warm)
    if service is not None:
        service.analyze()
    cpu, counts = processes.cpu(), service.counts() if service else None
    round_ = await driver.closed(port, CONNECTIONS, seconds)
    return figures(round_, processes, cpu, service, counts)


def figures(round_: Round, processes: Processes, cpu, service, counts) -> Figures:
    messages = max(1, round_.acknowledged)
    used = {k: (v - cpu[k]) * 1e6 / messages for k, v in processes.cpu().items()}
    p50, p99 = round_.percentiles(0.5, 0.99) if round_.reached else (None, None)
    made = Figures(round_.rate, p50, p99, used, refused=round_.refused)
    if service is not None and counts is not None:
        now = service.counts()
        made.statements, made.transactions, made.redis_calls = (
            (b - a) / messages for a, b in zip(counts, now, strict=True)
        )
    return made


def show(name: str, made: Figures, floor: Figures) -> None:
    total = sum(made.cpu.values())
    by = ", ".join(f"{k} {v:,.0f}" for k, v in made.cpu.items())
    waits = f"{made.p50 * 1000:.1f} / {made.p99 * 1000:.1f} ms" if made.p50 else "-"
    print(
        f"{name:28} {made.rate:7,.0f}/s  share {made.rate / floor.rate:.3f}  p50/p99 {waits}  "
        f"CPU {total:,.0f} µs = {total / sum(floor.cpu.values()):.2f} x ({by})"
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
            cpu, counts = service.processes.cpu(), service.counts()
            round_ = await driver.opened(service.port, rate, SECONDS)
            made = figures(round_, service.processes, cpu, service, counts)
            name = f"{rate}/s, carrier {driver.carrier_takes * 1000:.0f} ms"
            show(f"ours, {name}", made, floor)
            result[f"open {name}"] = vars(made)
    return result


@dataclass
class Bench:
    """The service, the floor beside it, and what drives both."""

    driver: Driver
    service: Service
    floor_port: int
    floor_processes: Processes
    floor_requests: Iterator[tuple[str, bytes]]
    requests: Iterator[tuple[str, bytes]]

    @classmethod
    async def started(cls, stack: ExitStack, *, sqlite: bool) -> "Bench":
        driver = Driver(iter(()))
        carrier = await driver.listen()
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = Service(stack, home, carrier, sqlite=sqlite)
        port, processes = free_port(), Processes()
        command = [BIN / "gunicorn", *FLOOR, "--bind", f"127.0.0.1:{port}", FLOOR_APP]
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        processes.groups["web"] = stack.enter_context(started(command, environ, home / "floor.log"))
        wait_until_answers(port, "/")
        floor_requests = cycle(webhooks(port, 0, PHONES))
        requests = webhooks(service.port, 0, PHONES)
        return cls(driver, service, port, processes, floor_requests, requests)

    async def floor(self, warm: float, seconds: float) -> Figures:
        self.driver.requests = self.floor_requests
        return await closed(self.driver, self.floor_port, self.floor_processes, warm, seconds)

    async def ours(self, warm: float, seconds: float) -> Figures:
        self.driver.requests = self.requests
        ours = self.service
        return await closed(self.driver, ours.port, ours.processes, warm, seconds, ours)


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
    parser.add_argument("--rates", type=int, nargs="*", default=[25, 100])
    arguments = parser.parse_args()
    if arguments.guard:
        sys.exit(asyncio.run(guard()))
    result = asyncio.run(measure(arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
