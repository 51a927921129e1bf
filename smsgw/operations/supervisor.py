"""Runs child processes that live as long as this one: restarted when they die, gone when it goes.

A child asks the kernel (PR_SET_PDEATHSIG) to be stopped when its parent dies, kill -9 included.
The kernel minds the thread that forked, so children are started from the main thread only.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
POLL = 0.1  # seconds
STEADY = 10.0  # seconds after which a child counts as running well
LONGEST_PAUSE = 10.0  # seconds between two starts of a child that keeps dying
GRACE = 20.0  # seconds for a child to finish what it has in hand; a send may take fifteen


@dataclass
class Child:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes]
    started: float
    deaths: int = 0
    start_again: float | None = None


class Supervisor:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._children: list[Child] = []
        self._is_stopping = False

    def start(self, name: str, command: Sequence[str]) -> None:
        self._children.append(Child(name, command, self._launch(command), time.monotonic()))

    def run(self, each_round: Callable[[], object] = lambda: None) -> None:
        """Runs until SIGTERM, SIGINT, or `each_round` raises; stops the last started first."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            while not self._is_stopping:
                each_round()
                for child in self._children:
                    self._look_after(child)
                time.sleep(POLL)
        finally:
            self.stop()

    def stop(self) -> None:
        """Asks each in turn to stop, and ends what does not."""
        for child in reversed(self._children):
            _signal(child.process, signal.SIGTERM)
            try:
                child.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                _signal(child.process, signal.SIGKILL)
                child.process.wait()

    def has_died(self, name: str) -> bool:
        """Tells whether a child ended since it was started last, or is about to be started
        again."""
        return any(child.name == name and child.deaths > 0 for child in self._children)

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.start_again is None and child.process.poll() is not None:
            child.deaths = 1 if now - child.started > STEADY else child.deaths + 1
            pause = min(0.1 * 2**child.deaths, LONGEST_PAUSE)
            code = child.process.returncode
            sys.stderr.write(f"{child.name} ended ({code}); starting it again in {pause:.1f} s\n")
            child.start_again = now + pause
        elif child.start_again is not None and now >= child.start_again:
            child.process, child.started = self._launch(child.command), now
            child.start_again = None

    def _launch(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops in order
            preexec_fn=die_with_parent,
        )

    def _stop(self, *_: object) -> None:
        self._is_stopping = True


def die_with_parent() -> None:
    """Makes a child that was just started stop when its parent ends, however that happens."""
    parent = os.getppid()
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
