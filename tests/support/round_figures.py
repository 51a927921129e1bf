"""Says what one round of load cost: its rate, its waits, CPU and statements per message."""

from collections.abc import Mapping
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


class Meter:
    """Counts from now on what processes use and, where there are servers, what these are asked."""

    def __init__(self, processes: Processes, servers: Servers | None = None) -> None:
        self._processes, self._servers = processes, servers
        self._counts = servers.counts() if servers is not None else None
        self._cpu = processes.cpu()

    def cpu(self) -> dict[str, float]:
        """Returns the CPU seconds since."""
        return {name: now - self._cpu[name] for name, now in self._processes.cpu().items()}

    def figures(self, round_: Round, idle: Mapping[str, float] | None = None) -> Figures:
        """`idle`: CPU seconds to leave out, by what uses them without any message."""
        messages = max(1, round_.acknowledged)
        used = self.cpu()
        cpu = {name: (used[name] - (idle or {}).get(name, 0.0)) * 1e6 / messages for name in used}
        p50, p99 = round_.percentiles(0.5, 0.99) if round_.reached else (None, None)
        replies = len(round_.reached) / messages
        made = Figures(round_.rate, p50, p99, cpu, refused=round_.refused)
        made.answers, made.replies = round_.answers, replies
        if self._servers is not None and self._counts is not None:
            made.statements, made.transactions, made.redis_calls = (
                (after - before) / messages
                for before, after in zip(self._counts, self._servers.counts(), strict=True)
            )
        return made
