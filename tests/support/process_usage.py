"""Measures the processor time and the memory of groups of processes."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OURS = ("web", "worker", "clock")
CPU_CLOCK = 2  # of a process, as clock_getcpuclockid(3) makes it; /proc tells hundredths alone
TICKS = os.sysconf("SC_CLK_TCK")
ESTABLISHED = "01"  # in /proc/net/tcp


class Processes:
    """Names groups of processes, each with the children of its first."""

    def __init__(self) -> None:
        self.groups: dict[str, int] = {}

    def cpu(self) -> dict[str, float]:
        """Returns the CPU seconds so far."""
        return {name: sum(map(_seconds, _family(pid))) for name, pid in self.groups.items()}

    def pss(self) -> int:
        """Returns the memory of our processes, in megabytes."""
        ours = [pid for name, pid in self.groups.items() if name.split()[0] in OURS]
        octets = 0
        for pid in (each for first in ours for each in _family(first)):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    octets += int(line.split()[1]) * 1024
        return octets // 1_000_000

    def connections(self, port: int) -> list[int]:
        """Returns how many connections each web process has taken at a port."""
        there = set(_sockets(port))
        taken = (len(there & set(_open_files(pid))) for pid in _family(self.groups["web"])[1:])
        return list(taken)


def _sockets(port: int) -> Iterator[str]:
    """Yields what /proc calls the connections to a port, from the side that was connected to."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == ESTABLISHED and int(fields[1].rpartition(":")[2], 16) == port:
            yield f"socket:[{fields[9]}]"


def _open_files(pid: int) -> Iterator[str]:
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            yield os.readlink(each)


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _seconds(pid: int) -> float:
    """Returns the CPU seconds of a process, and of its children that have ended."""
    try:
        own = time.clock_gettime(~pid << 3 | CPU_CLOCK)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return own + sum(map(int, fields[13:15])) / TICKS
