"""Runs pytest on the nearest tests, and the queue that they need."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.mutants.mutant import ROOT

FAILED = "failed"  # a file of a mutant's folder: the tests that failed, one a line
OPTIONS = (
    "-x",
    "-q",
    "--no-header",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "-k",
    "not postgresql",
    "--hypothesis-seed=0",
    "--basetemp=tmp/pytest",
)
NONE_CHOSEN = 5  # pytest's exit code where -k leaves nothing
# A program of its own, which ends when its standard input does.
SERVER = (
    "import sys; from tests.support.servers import Queue; queue = Queue();"
    "print(queue.url, flush=True); sys.stdin.read(); queue.stop()"
)


class Failures:
    """Writes down, as a plugin of pytest, which tests failed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: object) -> None:
        if getattr(report, "failed", False):
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{getattr(report, 'nodeid', '')}\n")


def run(tests: Sequence[str]) -> int:
    """Returns 0 if all pass. Call it in a child."""
    import pytest  # preloaded

    code = pytest.main([*OPTIONS, *tests], plugins=[Failures(Path(FAILED).absolute())])
    return 0 if code == NONE_CHOSEN else int(code)


def read_failures(folder: Path) -> tuple[str, ...]:
    path = folder / FAILED
    return tuple(path.read_text("utf-8").splitlines()) if path.exists() else ()


@contextlib.contextmanager
def queue() -> Iterator[None]:
    """Runs a Redis-compatible server for all children, in SMSGW_TEST_REDIS_URL: starting one for
    each would take longer than many a test."""
    if "SMSGW_TEST_REDIS_URL" in os.environ:
        yield
        return
    reading, writing = os.pipe()
    command = [sys.executable, "-c", SERVER]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=writing, cwd=ROOT) as server,
        os.fdopen(reading) as orders,
    ):
        os.close(writing)
        os.environ["SMSGW_TEST_REDIS_URL"] = orders.readline().strip()
        try:
            yield
        finally:
            del os.environ["SMSGW_TEST_REDIS_URL"]
            server.communicate()  # closes its standard input
