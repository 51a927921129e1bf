"""The format of transcripts: conversations, and what must come of each step.

A file is one world: a clock, bound phones, and conversations that each start from that same state.
Every key of `expect` is optional; one that is not known here is a fault of the file.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
SHOWN_FAULTS = 20


class TranscriptError(ValueError):
    """A transcript that cannot be run. Its text names the file and every place."""


def _span(written: object) -> timedelta:
    """15m, 2h, 1d, 30s."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", str(written))
    if found is None:
        raise ValueError("is a number with s, m, h or d, such as 15m")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


Phone = Annotated[str, StringConstraints(pattern=r"^\+[0-9]{7,15}$")]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Also(Part):
    """A further message that a step causes."""

    to: str
    contains: tuple[str, ...] = ()


class Expected(Part):
    keyword: str | None = None
    outcome: str | None = None
    reason: str | None = None
    reply: str | None = None
    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    max_segments: int | None = None
    same_reply_as: int | None = Field(default=None, ge=1)  # counted from 1, all steps count
    also: tuple[Also, ...] = ()


class Step(Part):
    """One of a message, a wait, and the ledger going away or coming back."""

    sender: str | None = Field(default=None, alias="from")
    text: str | None = None
    wait: Annotated[timedelta, BeforeValidator(_span)] | None = None
    ledger: Literal["up", "down"] | None = None
    expect: Expected = Field(default_factory=Expected)

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Step":
        if sum(part is not None for part in (self.sender, self.wait, self.ledger)) != 1:
            raise ValueError("a step has one of from, wait, ledger")
        if (self.sender is None) != (self.text is None):
            raise ValueError("from and text go together")
        return self


class Conversation(Part):
    name: str
    steps: tuple[Step, ...]

    @model_validator(mode="after")
    def _looks_back(self) -> "Conversation":
        for number, step in enumerate(self.steps, 1):
            if (step.expect.same_reply_as or 0) >= number:
                raise ValueError(f"step {number}: same_reply_as names an earlier step")
        return self


class Transcript(Part):
    title: str = ""
    now: AwareDatetime
    registered: dict[Phone, tuple[str, ...]] = {}  # phone -> NKPs bound with consent
    conversations: tuple[Conversation, ...]


def read(path: Path) -> Transcript:
    """Raises TranscriptError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TranscriptError(f"{path}: {error}") from None
    return parsed(text, str(path))


def parsed(text: str, name: str) -> Transcript:
    """`name`: of what holds it, for faults. Raises TranscriptError."""
    try:
        return Transcript.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise TranscriptError(f"{name}: {error}") from None
    except ValidationError as error:
        told = [
            f"{name}: {_place(fault['loc'])}{fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()[:SHOWN_FAULTS]
        ]
        raise TranscriptError("\n".join(told)) from None


def dumped(document: Mapping[str, Any]) -> str:
    written: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=1000)
    return written


def update(path: Path, replies: list[str | None]) -> None:
    """Writes each step's reply, where it has one, into the file as the one expected."""
    document = yaml.safe_load(path.read_text("utf-8"))
    steps = [step for conversation in document["conversations"] for step in conversation["steps"]]
    for step, reply in zip(steps, replies, strict=True):
        if reply is not None:
            step.setdefault("expect", {})["reply"] = reply
    path.write_text(dumped(document), "utf-8")


def _place(parts: tuple[int | str, ...]) -> str:
    """conversations 2, steps 1, expect: as people count."""
    shown = "".join(f" {part + 1}" if isinstance(part, int) else f", {part}" for part in parts)
    return f"{shown.removeprefix(', ')}: " if shown else ""
