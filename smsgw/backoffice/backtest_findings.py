"""Holds what a backtest finds: messages that the draft would answer differently, by kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel

MOST_SAMPLES = 100  # that are counted, of each kind
SHOWN_SAMPLES = 20
MIN_PHONES = 3  # phones
LONGEST_SHAPE = 80  # characters


class ChangeKind(StrEnum):
    """Says what would be different; the first that applies."""

    UNDERSTOOD = "newly understood"
    MISUNDERSTOOD = "newly misunderstood"
    REROUTED = "rerouted"  # to another keyword
    REWORDED = "other reply"


class Reading(BaseModel):
    """Says what a message is read as."""

    keyword: str | None
    outcome: str


class MessageShape(BaseModel):
    """Holds messages that are written alike and change alike."""

    shape: str
    was: Reading
    becomes: Reading
    messages: int = 0
    phones: list[int] = []  # ids; SEVERAL are enough


class Rewording(BaseModel):
    """Replies that change alike, by their wordings as operators write them; "" for silence."""

    language: str
    was: str
    becomes: str
    was_text: str
    becomes_text: str
    messages: int = 0
    segments: int = 0  # more than before


Sample = TypeVar("Sample", MessageShape, Rewording)


class BacktestFindings(BaseModel):
    last: int  # message that was judged
    until: int
    total: int
    is_cut: bool  # there were more; the newest were taken
    judged: int = 0
    counts: dict[ChangeKind, int] = {}
    longer: dict[ChangeKind, int] = {}  # segments, of replies that become longer
    shorter: dict[ChangeKind, int] = {}
    shapes: dict[ChangeKind, dict[str, MessageShape]] = {}
    rewordings: dict[str, Rewording] = {}
    phones: dict[ChangeKind, list[int]] = {}  # ids; SEVERAL are enough

    def count(self, kind: ChangeKind) -> int | None:
        """Returns the number of messages; None while fewer than MIN_PHONES phones wrote them: a
        word in the draft could otherwise show who wrote it."""
        return self.counts[kind] if len(self.phones.get(kind, ())) >= MIN_PHONES else None

    @property
    def more(self) -> int:
        """Returns how many segments more the shown replies take."""
        return sum(count for kind, count in self.longer.items() if self.count(kind))

    @property
    def fewer(self) -> int:
        return sum(count for kind, count in self.shorter.items() if self.count(kind))

    @property
    def changed(self) -> int:
        """Returns how many of the shown messages would change."""
        return sum(self.count(kind) or 0 for kind in self.counts)

    def shown_shapes(self, kind: ChangeKind) -> list[MessageShape]:
        alike = _taken_together(self.shapes.get(kind, {}).values())
        return _commonest(each for each in alike if len(each.phones) >= MIN_PHONES)

    def not_shown(self, kind: ChangeKind) -> int:
        """Returns how many messages are not shown."""
        return (self.count(kind) or 0) - sum(each.messages for each in self.shown_shapes(kind))

    def shown_rewordings(self) -> list[Rewording]:
        return _commonest(self.rewordings.values()) if self.count(ChangeKind.REWORDED) else []


class BacktestRequest(BaseModel):
    """Holds both texts as they were at the time: a draft keeps changing."""

    days: int
    by: str  # the operator's name
    version: int  # that was published
    edition: int  # of the draft
    published: str
    draft: str


@dataclass(frozen=True, slots=True)
class Message:
    id: int
    phone_id: int
    text: str


def _taken_together(shapes: Iterable[MessageShape]) -> Iterable[MessageShape]:
    """Returns those that are shown alike."""
    together: dict[str, MessageShape] = {}
    for each in shapes:
        key = f"{each.was} {each.becomes} {each.shape}"
        taken = together.get(key, each.model_copy(update={"messages": 0, "phones": []}))
        together[key] = taken.model_copy(
            update={
                "messages": taken.messages + each.messages,
                "phones": [*{*taken.phones, *each.phones}],
            }
        )
    return together.values()


def _commonest(samples: Iterable[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda each: -each.messages)[:SHOWN_SAMPLES]
