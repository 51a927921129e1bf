"""Runs the processes of the Procfile over real servers, and counts what they use."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import requests
from redis import Redis

from smsgw import runtime, settings
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.runtime import Runtime
from smsgw.storage import migrations
from tests.support.process_usage import Processes
from tests.support.processes import free_port
from tests.support.servers import Postgres, Queue, postgres_programs
from tests.support.twilio_api import TWILIO
from tests.support.waiting import LONGEST

BIN = Path(sys.executable).parent
OPTIONS = ("max_connections=100", "shared_preload_libraries=pg_stat_statements")
WEB = [
    "gunicorn",
    "--config",
    "python:smsgw.web.gunicorn",
    "--no-control-socket",
    "smsgw.app:create_app()",
]
WORKER, CLOCK = ["smsgw", "worker"], ["smsgw", "clock"]


@contextmanager
def started(command: Sequence[str | Path], environ: dict[str, str], log: Path) -> Iterator[int]:
    """Runs a process, and yields its id."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environ, stdout=out, stderr=out)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait()


def wait_until_answers(port: int, path: str) -> None:
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        try:
            requests.get(f"http://127.0.0.1:{port}{path}", timeout=2)
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
        else:
            return
    sys.exit(f"nothing answers on {port}")


class Servers:
    """Runs a Redis and, unless the product is to use SQLite, a PostgreSQL."""

    def __init__(
        self,
        stack: ExitStack,
        home: Path,
        carrier_port: int,
        *,
        sqlite: bool = False,
        options: Sequence[str] = OPTIONS,
    ) -> None:
        self.home, queue = home, Queue()
        stack.callback(queue.stop)
        self._redis = Redis.from_url(queue.url)
        self.groups = {"redis": queue.pid}
        self.statistics: psycopg.Connection | None = None
        database = f"sqlite:///{home}/service.db"
        if not sqlite:
            programs = postgres_programs() or sys.exit("no PostgreSQL programs here")
            postgres = Postgres(programs, options=options)
            stack.callback(postgres.stop)
            database, self.groups["postgres"] = postgres.url, postgres.pid
            self.statistics = stack.enter_context(connect(postgres.url))
            self.statistics.execute("CREATE EXTENSION pg_stat_statements")
        self.environ = {
            "PATH": os.environ["PATH"], "SMSGW_HOME": str(home), "DATABASE_URL": database,
            "REDIS_URL": queue.url, "SMSGW_SECRET_KEY": "a key for measuring, of no use elsewhere",
            **TWILIO, "TWILIO_API_BASE": f"http://127.0.0.1:{carrier_port}",
        }  # fmt: skip

    @contextmanager
    def prepared(self) -> Iterator[Runtime]:
        """Yields a runtime over new databases with the reference ledger."""
        rt = runtime.build(settings.load(self.environ))
        migrations.upgrade(rt.service, "service")
        migrations.upgrade(rt.ledger.engine, "ledger")
        load(rt.ledger.engine, reference_folder())
        yield rt
        rt.close()

    def analyze(self, *tables: str) -> None:
        """Gathers statistics of these tables or of all, as PostgreSQL does by itself within a
        minute of those that are not empty: an empty one it would take for one that stays so."""
        if self.statistics is not None:
            self.statistics.execute(f"ANALYZE {', '.join(tables)}".encode())

    def settle(self) -> None:
        """Lets PostgreSQL do now what it owes for the messages so far, and otherwise would do in
        the middle of what is measured next."""
        if self.statistics is not None:
            for owed in ("VACUUM ANALYZE", "CHECKPOINT"):
                self.statistics.execute(owed.encode())

    def number(self, statement: str) -> float:
        """Returns the only number that a statement selects."""
        assert self.statistics is not None
        (found,) = self.statistics.execute(statement).fetchone() or (None,)
        return float(found or 0)

    def redis_octets(self) -> int:
        return int(self._redis.info("memory")["used_memory"])

    def counts(self) -> tuple[float, float, float]:
        """Returns the statements and transactions of PostgreSQL, and the calls of Redis, so far."""
        calls = float(sum(each["calls"] for each in self._redis.info("commandstats").values()))
        if self.statistics is None:
            return 0.0, 0.0, calls
        ended = "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database"
        statements = self.number("SELECT sum(calls) FROM pg_stat_statements")
        return statements, self.number(ended), calls


class Service:
    """Runs a set of processes over servers: web processes, workers and clocks."""

    def __init__(
        self,
        stack: ExitStack,
        servers: Servers,
        *,
        workers: int = 1,
        clocks: int = 1,
        name: str = "",
        **environ: str,
    ) -> None:
        self.servers, self.port, self.processes = servers, free_port(), Processes()
        known = {**servers.environ, "PORT": str(self.port), "WEB_CONCURRENCY": "2", **environ}
        commands = {"web": WEB}
        commands |= {_numbered("worker", number): WORKER for number in range(workers)}
        commands |= {_numbered("clock", number): CLOCK for number in range(clocks)}
        for kind, command in commands.items():
            log = servers.home / f"{name}{kind}.log"
            pid = stack.enter_context(started([BIN / command[0], *command[1:]], known, log))
            self.processes.groups[kind] = pid
        self.processes.groups |= servers.groups
        wait_until_answers(self.port, "/healthz")


def _numbered(kind: str, number: int) -> str:
    return f"{kind} {number + 1}" if number else kind


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
