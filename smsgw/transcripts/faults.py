"""Says what is wrong with a transcript, and where."""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_SHOWN = 50  # of one file


@dataclass(frozen=True, slots=True, order=True)
class TranscriptFault:
    """`line` and `column` count from 1."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text}"


class TranscriptError(ValueError):
    """Says why a transcript cannot be run. Its text names every fault by file, line and column."""

    def __init__(self, faults: Iterable[TranscriptFault]) -> None:
        self.faults = sorted(set(faults))
        shown = [str(fault) for fault in self.faults[:MAX_SHOWN]]
        more = len(self.faults) - len(shown)
        super().__init__("\n".join([*shown, *([f"and {more} more"] if more else [])]))

    def __reduce__(self) -> tuple[type["TranscriptError"], tuple[list[TranscriptFault]]]:
        """Crosses processes with its faults."""
        return type(self), (self.faults,)
