"""Runs the service as in production, with every process ready to be killed and started again."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

from redis import Redis

from smsgw import runtime, settings
from smsgw.backoffice import accounts, background_tasks
from smsgw.configuration import document, versions
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.ledger.synthetic import FIRST_NKP, make
from smsgw.phone import FICTITIOUS
from smsgw.registry import bindings, phone_state
from smsgw.runtime import Runtime
from smsgw.storage import engines, migrations
from smsgw.storage.tables.operators import Role, TaskKind
from smsgw.transcripts import library
from tests.chaos.carrier import ACCOUNT, METRICS_TOKEN, OURS, PUBLIC_URL, TOKEN
from tests.chaos.damage import Damage
from tests.support.processes import free_port
from tests.support.servers import Postgres, Queue, die_with_parent, postgres_programs

BIN = Path(sys.executable).parent
WEB = [
    BIN / "gunicorn",
    "--config",
    "python:smsgw.web.gunicorn",
    "--no-control-socket",
    "smsgw.app:create_app()",
]
SMSGW = BIN / "smsgw"
COMMANDS = {
    "web": WEB,
    "worker 1": [SMSGW, "worker"],
    "worker 2": [SMSGW, "worker"],
    "clock": [SMSGW, "clock"],
}
# As on a second machine; its web processes listen on the port of the first.
SECOND_SET = {
    "web 2": WEB,
    "worker 3": [SMSGW, "worker"],
    "worker 4": [SMSGW, "worker"],
    "clock 2": [SMSGW, "clock"],
}
SHARED_PORT = {"GUNICORN_CMD_ARGS": "--reuse-port"}
BOUND = 200  # participants whose phones are bound
STRANGERS = 70_000_000_000  # the first NKP of those that are imported


def phone(number: int) -> str:
    """Returns a bound phone, then strangers' phones."""
    return f"+62812{number:07}"


def write_contributions(folder: Path, rows: int) -> None:
    """Writes a file with that many rows, two years of each participant."""
    head = "nkp,month,jht,jp,jkk,jkm,jkp,paid_on"
    months = [f"{year}-{month:02}" for year in (2023, 2024) for month in range(1, 13)]
    lines = (
        f"{STRANGERS + number // 24},{months[number % 24]},285000,150000,12000,15000,,"
        for number in range(rows)
    )
    (folder / "contributions.csv").write_text("\n".join([head, *lines]) + "\n")


class Process:
    """Starts a process again whenever it ends, until it is stopped."""

    def __init__(self, command: list[object], environ: dict[str, str], log: Path) -> None:
        self._command, self._environ, self._log = command, environ, log
        self.restarts = -1
        self._is_wanted = True
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._running = threading.Event()
        self._thread.start()
        self._running.wait()

    def _keep(self) -> None:
        while self._is_wanted:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    list(map(str, self._command)),
                    env=self._environ,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=die_with_parent(signal.SIGKILL),
                )
            self.restarts += 1
            self._running.set()
            self._process.wait()
            time.sleep(0.3)

    def kill(self) -> None:
        """Kills a process with all its children, as the kernel does when memory is short."""
        os.killpg(self._process.pid, signal.SIGKILL)

    def kill_a_child(self, chance: Random) -> None:
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            os.kill(int(chance.choice(children)), signal.SIGKILL)

    def freeze(self) -> None:
        os.killpg(self._process.pid, signal.SIGSTOP)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._is_wanted = False
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)
        self._thread.join(30)


class World:
    """Runs PostgreSQL, a ledger's PostgreSQL, Redis, two web processes, two workers and a clock; or
    SQLite, a ledger's SQLite and one web process."""

    def __init__(
        self, home: Path, carrier_url: str, *, is_sqlite: bool = False, **more: str
    ) -> None:
        self.home = home
        databases = {}
        if not is_sqlite:
            programs = postgres_programs()
            assert programs is not None, "no PostgreSQL programs here"
            self.database = Postgres(programs, durable=True)
            self.ledger = Postgres(programs)
            databases = {"DATABASE_URL": self.database.url, "LEDGER_URL": self.ledger.url}
        self.queue = Queue()
        self._servers = [self.queue, *([] if is_sqlite else [self.ledger, self.database])]
        self.port = free_port()
        self.environ = {
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "2",
            **databases,
            "REDIS_URL": self.queue.url,
            "SMSGW_HOME": str(home),
            "SMSGW_SECRET_KEY": "a key for chaos, of no use elsewhere",
            "SMSGW_CARRIER": "twilio",
            "SMSGW_PUBLIC_URL": PUBLIC_URL,
            "SMSGW_METRICS_TOKEN": METRICS_TOKEN,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": OURS,
            "TWILIO_API_BASE": carrier_url,
            **more,
        }
        self.rt = self._prepare()
        self.processes: dict[str, Process] = {}
        self.damage = Damage()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *names: str) -> None:
        for name in names or COMMANDS:
            command = (COMMANDS | SECOND_SET)[name]
            self.processes[name] = Process(command, self.environ, self.log(name))

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def kill_everything(self) -> None:
        for process in self.processes.values():
            process.stop(signal.SIGKILL)
        self.processes.clear()
        self.queue.kill()
        self.database.kill()

    def flush(self) -> None:
        with Redis.from_url(self.queue.url) as client:
            client.flushall()

    def load(self, rows: int) -> None:
        """Imports participants who say nothing, as `smsgw ledger load` does."""
        folder = self.home / "import"
        folder.mkdir(exist_ok=True)
        write_contributions(folder, rows)
        subprocess.run(
            [SMSGW, "ledger", "load", folder],
            env=self.environ,
            capture_output=True,
            check=True,
        )

    def findings(self) -> list[str]:
        """Returns the findings of `smsgw audit verify`, one a line."""
        printed = subprocess.run(
            [SMSGW, "audit", "verify"], env=self.environ, capture_output=True, text=True
        )
        return printed.stdout.splitlines() if printed.returncode else []

    def stop(self) -> None:
        for process in self.processes.values():
            process.stop()
        self.rt.close()
        for server in self._servers:
            server.stop()

    def _prepare(self) -> Runtime:
        rt = runtime.build(settings.load(self.environ))
        migrations.upgrade(rt.service, "service")
        owner = engines.engine(rt.settings.participant_ledger_url)
        migrations.upgrade(owner, "ledger")
        load(owner, reference_folder())
        make(owner, BOUND)
        owner.dispose()
        with rt.writing() as tx:
            for number in range(BOUND):
                known = phone_state.bump_version(tx, phone_state.read(tx, phone(number)))
                nkp = str(FIRST_NKP + number)
                on_file = f"{FICTITIOUS}{number:09}"
                bindings.bind(tx, known, nkp, consent="in a test", on_file=on_file)
            ani = accounts.add(tx, "ani", Role.ADMIN, None, "shell:root")
            accounts.log_in(tx, ani.id, ani.name)
            for word in ("Telepon", "Panggil"):
                raw = document.loads(document.dump_shipped().replace("Hubungi", word))
                versions.save(tx, raw, versions.editable(tx)[1], ani.actor, "a word")
                versions.publish(tx, versions.editable(tx)[1], ani.actor, "why")
            library.save(tx, "a name", "- phone: a", ani.actor)
            background_tasks.make(tx, TaskKind.SEARCH, ani.id, {})
        return rt
