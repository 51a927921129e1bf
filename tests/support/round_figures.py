"""Says what one round of load cost: its rate, its waits, CPU and statements per message."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.support.load_driver import Round
from tests.support.process_usage import Processes
from tests.support.service_set import Servers


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
    answers: float = 0.0  # a second, until the carrier has the last one
    replies: float = 0.0  # for each message: less than one where somebody writes twice in a round

    @property
    def total_cpu(self) -> float:
        return sum(self.cpu.values())


@dataclass(frozen=True)
class Idle:
    """Says what processes use in a second in which nothing happens."""

    cpu: Mapping[str, float]  # seconds
    counts: Sequence[float]  # as Servers.counts


NOTHING = Idle({}, (0.0, 0.0, 0.0))


class Meter:
    """Counts from now on what processes use and, where there are servers, what these are asked."""

    def __init__(self, processes: Processes, *servers: Servers) -> None:
        self._processes, self._servers = processes, servers
        self._counts = self._count()
        self._cpu, self._since = processes.cpu(), time.monotonic()

    def idle(self) -> Idle:
        cpu, counts, seconds = self._used()
        return Idle(
            {name: used / seconds for name, used in cpu.items()},
            [each / seconds for each in counts],
        )

    def figures(self, round_: Round, idle: Idle | None = None) -> Figures:
        """`idle`: what to leave out, since it is used without any message."""
        messages, without = max(1, round_.acknowledged), idle or NOTHING
        cpu, counts, seconds = self._used()
        per_message = {
            name: (used - without.cpu.get(name, 0.0) * seconds) * 1e6 / messages
            for name, used in cpu.items()
        }
        p50, p99 = round_.percentiles(0.5, 0.99) if round_.reached else (None, None)
        made = Figures(round_.rate, p50, p99, per_message, refused=round_.refused)
        made.answers, made.replies = round_.answers, len(round_.reached) / messages
        if self._servers:
            made.statements, made.transactions, made.redis_calls = (
                (used - each * seconds) / messages
                for used, each in zip(counts, without.counts, strict=True)
            )
        return made

    def _used(self) -> tuple[dict[str, float], list[float], float]:
        """Returns CPU seconds, counts, and the seconds that have passed."""
        cpu = {name: now - self._cpu[name] for name, now in self._processes.cpu().items()}
        counts = [b - a for a, b in zip(self._counts, self._count(), strict=True)]
        return cpu, counts, time.monotonic() - self._since

    def _count(self) -> Sequence[float]:
        counts = [each.counts() for each in self._servers]
        return [sum(of_each) for of_each in zip(*counts, strict=True)]
