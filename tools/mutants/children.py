"""Works in forked children: what is imported once, in the parent, every child has at once.

The parent imports nothing of ours, so a child imports all of that from the folder it works in.
"""

import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tools.mutants.mutant import ROOT

# Of other people, and slow to import. One that is missing is imported by who needs it, or nobody.
PRELOADED = (
    "alembic.command",
    "alembic.config",
    "click",
    "cryptography.hazmat.primitives.ciphers.aead",
    "flask",
    "flask_wtf",
    "phonenumbers",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "pyparsing",
    "pyrate_limiter",
    "pytest",
    "redis",
    "requests",
    "rq",
    "ruamel.yaml",
    "sqlalchemy.dialects.sqlite",
    "structlog",
    "twilio.rest",
    "yaml",
)
MOST_MEMORY = 4 * 2**30  # octets; a change may make a loop that keeps what it finds
WAITS = 4.0  # times its limit, a child may last: other programs may keep the processors busy
OUTPUT = "output"  # a file of the folder

Work = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Task:
    """Holds work that is good if it returns 0. It may use `limit` seconds of a processor. `slot`
    counts from 0, and no two tasks that run at one time share one."""

    folder: Path
    work: Work
    limit: float
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Child:
    pid: int
    until: float

    def is_good(self) -> bool | None:
        """Returns None while it runs. A child that only waits is stopped in the end."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        is_late = not pid and time.monotonic() > self.until
        if not pid and not is_late:
            return None
        self.stop()
        return not is_late and os.waitstatus_to_exitcode(status) == 0

    def stop(self) -> None:
        """Stops the child with what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def preload() -> None:
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            import_module(name)


def start(task: Task) -> Child:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os._exit(_exit_code(task))
    with contextlib.suppress(OSError):  # both sides, whoever is first
        os.setpgid(pid, pid)
    return Child(pid, time.monotonic() + task.limit * WAITS)


def allow(seconds: int) -> None:
    """Allows this child that much of a processor from now on, and no more than its task may use at
    all."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    until = min(round(used.ru_utime + used.ru_stime) + seconds, most)
    resource.setrlimit(resource.RLIMIT_CPU, (until, most))


def output(folder: Path) -> str:
    """Returns what the last child in this folder printed."""
    return (folder / OUTPUT).read_text("utf-8", "replace")


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _exit_code(task: Task) -> int:
    try:
        _settle(task)
        return task.work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:  # whatever goes wrong is a difference
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _settle(task: Task) -> None:
    """Settles as if started in the folder, with nothing imported from elsewhere."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    to = os.open(task.folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, opened in enumerate((nothing, to, to)):
        os.dup2(opened, number)
    seconds = max(round(task.limit), 1)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    os.chdir(task.folder)
    ours = {"", str(ROOT)}
    sys.path[:] = [str(task.folder), *(each for each in sys.path if each not in ours)]
    sys.dont_write_bytecode = True
    os.environ |= {
        "PYTHONPATH": str(task.folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_XDIST_WORKER": f"gw{task.slot}",  # so the tests of two children share nothing
        "TMPDIR": str(task.folder / "tmp"),
    }
    tempfile.tempdir = None
