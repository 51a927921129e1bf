"""Describes a planted change, and the groups that changes are counted in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEYWORDS = "smsgw/configuration/seeds/keywords.yaml"

# What people are told about PIN, OTP, codes, consent, locks, fraud and STOP, and what is a secret.
SAFETY = "safety"
MONEY = "money"  # amounts, months and rates: wordings, and the code that finds and writes them
WORDS = "words"  # what people may write, and all other wordings
STRUCTURE = "structure"  # clauses, slots, and how a keyword is recognised
DISCLOSURE, LOCKS, CODES, LIMITS = "disclosure", "locks", "codes", "limits"  # of code
GROUPS = (SAFETY, MONEY, DISCLOSURE, LOCKS, CODES, LIMITS, WORDS, STRUCTURE)
STRICT = (SAFETY, MONEY, DISCLOSURE, LOCKS, CODES)


@dataclass(frozen=True, slots=True)
class Mutant:
    """Describes one planted change. `id` names the place by words, not by its line, so it outlives
    changes elsewhere."""

    id: str
    group: str
    path: str  # of the changed file, from the root of the project
    line: int
    what: str  # such as `24 -> 25`
    text: Callable[[], str]  # the whole changed file; made when it is asked for
    hints: tuple[str, ...]  # what the nearest conversations hold, the most telling first
    tests: tuple[str, ...]  # as pytest takes them, in the order they run in

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"

    @property
    def is_configuration(self) -> bool:
        return self.path == KEYWORDS


def with_number(name: str, counts: dict[str, int]) -> str:
    """Returns `name`, with a number behind it if it was `seen` before."""
    counts[name] = counts.get(name, 0) + 1
    return name if counts[name] == 1 else f"{name}:{counts[name]}"
