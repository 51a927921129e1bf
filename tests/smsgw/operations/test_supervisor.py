"""Runs real processes: what dies is started again, and nothing outlives its supervisor."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from smsgw.operations.supervisor import Supervisor
from tests.support.waiting import LONGEST, eventually

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, sys
from smsgw.operations.supervisor import Supervisor
made = Supervisor(os.environ)
for number, command in enumerate(sys.argv[1:]):
    made.start(f"child{number}", ["sh", "-c", command])
made.run()
"""


@pytest.fixture
def supervised() -> Callable[..., subprocess.Popen[str]]:
    started: list[subprocess.Popen[str]] = []

    def start(*commands: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *commands],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def heeds(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Tells whether it would stop in order by now: its children may be up before it is."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def is_running(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_dead_child_is_restarted(
    supervised: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    supervised(f"echo $$ >> {pids}; exec sleep 60")
    eventually(lambda: len(lines(pids)) == 1)
    os.kill(int(lines(pids)[0]), signal.SIGKILL)
    eventually(lambda: len(lines(pids)) == 2)
    assert is_running(lines(pids)[1])


def test_a_crashing_child_is_restarted_with_backoff(
    supervised: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    process = supervised(f"echo x >> {starts}; exit 3")
    eventually(lambda: len(lines(starts)) == 4)
    process.terminate()
    logged = process.stderr.read().splitlines()
    pauses = [line.partition(" in ")[2] for line in logged]
    assert pauses[:3] == ["0.2 s", "0.4 s", "0.8 s"]
    assert logged[0].startswith("child0 ended (3)")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_supervisor(
    supervised: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    process = supervised(*[f"echo $$ >> {pids}; exec sleep 60"] * 3)
    eventually(lambda: len(lines(pids)) == 3)
    process.send_signal(number)
    process.wait(LONGEST)
    eventually(lambda: not any(map(is_running, lines(pids))))


def test_a_failure_at_start_ends_all_processes(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def look() -> None:
        if made.has_died("web"):
            raise RuntimeError("web")

    made = Supervisor(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        made.start("worker", ["sh", "-c", f"echo $$ >> {pids}; exec sleep 60"])
        made.start("web", ["sh", "-c", "exit 3"])
        with pytest.raises(RuntimeError):
            made.run(look)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert not any(map(is_running, lines(pids)))


def test_the_last_started_is_stopped_first(
    supervised: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    order = tmp_path / "order"
    waits = (
        f"trap 'echo %s >> {order}; exit' TERM; echo up >> {order}; while :; do sleep 0.05; done"
    )
    process = supervised(waits % "queue", waits % "worker", waits % "web")
    eventually(lambda: lines(order).count("up") == 3 and heeds(process, signal.SIGTERM))
    process.terminate()
    process.wait(LONGEST)
    assert lines(order)[3:] == ["web", "worker", "queue"]
