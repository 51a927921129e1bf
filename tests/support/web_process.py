"""Runs the web process as the Procfile starts it, on a port of its own."""

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from smsgw import runtime, settings
from smsgw.cli.run import procfile
from smsgw.runtime import Runtime
from smsgw.storage import migrations
from tests.support.servers import die_with_parent
from tests.support.waiting import LONGEST

BIN = Path(sys.executable).parent
STARTS_WITHIN = 3 * LONGEST  # seconds: it imports everything


@dataclass
class Web:
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> int:
        """Returns what the processes that answer hold, in KiB."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        lines = [
            line
            for each in children
            for line in Path(f"/proc/{each}/status").read_text().split("\n")
        ]
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@contextmanager
def migrated(environ: Mapping[str, str]) -> Iterator[Runtime]:
    """Builds a runtime over new databases, for a web process that gets the same environment."""
    made = runtime.build(settings.load(environ))
    migrations.upgrade(made.service, "service")
    migrations.upgrade(made.ledger.engine, "ledger")
    yield made
    made.close()


@contextmanager
def web_process(environ: Mapping[str, str], log: Path) -> Iterator[Web]:
    """Starts a web process and waits until it answers; `environ` holds PORT."""
    command = shlex.split(procfile()["web"])
    with log.open("wb") as written:
        process = subprocess.Popen(
            [BIN / command[0], *command[1:]],
            env=dict(environ),
            stdout=written,
            stderr=written,
            preexec_fn=die_with_parent(15),
        )
    web = Web(int(environ["PORT"]), process, log)
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not _is_up(web):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield web
    finally:
        process.terminate()
        try:
            process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_up(web: Web) -> bool:
    try:
        return requests.get(f"{web.address}/healthz", timeout=5).ok
    except requests.RequestException:
        return False
