"""Says what a ledger has that hinders answers, or that is merely worth knowing."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Names a place of the ledger (a table, a column, a look-up), what is wrong there, and what to
    do. A note is of what is read all the same."""

    place: str
    problem: str
    remedy: str
    is_note: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}; {self.remedy}"

    @property
    def as_json(self) -> dict[str, object]:
        return asdict(self)
