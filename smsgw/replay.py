"""Transcripts: conversations with what must come of them, run through the real responder.

A file is one world: a ledger, a clock, bound phones. Each conversation starts from that same state
in a database of its own, and time moves only as the transcript says.
"""

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from smsgw import jobs, migrate, phone, registry, responder, runtime, settings
from smsgw.carriers.base import IncomingSms
from smsgw.gsm7 import count
from smsgw.ledger import SqlLedger
from smsgw.ledger.load import load, reference_folder
from smsgw.models import service
from smsgw.responder import Answer, Outgoing
from smsgw.runtime import Runtime

BETWEEN_MESSAGES = timedelta(seconds=20)
LANE = "2757"
KEY = "transcripts are public, so is this key"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
FILE_KEYS = {"title", "now", "registered", "conversations"}
EXPECTED = {
    "keyword",
    "outcome",
    "reason",
    "reply",
    "contains",
    "lacks",
    "max_segments",
    "same_reply_as",
    "also",
}


STEP_KEYS = {
    "from": {"from", "text", "expect"},
    "wait": {"wait", "expect"},
    "ledger": {"ledger", "expect"},
}
ECHO = "=echo"


class TranscriptError(ValueError):
    """A transcript that cannot be run. Its text names the file and the place."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a conversation gave, and where that differs from what was expected."""

    conversation: str
    number: int
    answer: Answer | None
    also: tuple[Outgoing, ...]
    differs: tuple[str, ...]


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


def read(path: Path) -> dict[str, Any]:
    """The transcript in `path`. Raises TranscriptError."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TranscriptError(f"{path}: {error}") from None
    if not isinstance(document, dict) or not {"now", "conversations"} <= document.keys():
        raise TranscriptError(f"{path}: a transcript needs now and conversations")
    _known_keys(document, FILE_KEYS, str(path))
    for conversation in document["conversations"]:
        for number, step in enumerate(conversation["steps"], 1):
            _check(step, f"{path}: {conversation['name']}: step {number}")
    return document


def run(document: Mapping[str, Any], ledger: Path | None = None) -> Iterator[Step]:
    """Every step of every conversation, in file order."""
    clock = Clock(datetime.fromisoformat(str(document["now"])))
    with _world(clock, ledger or reference_folder()) as rt:
        for conversation in document["conversations"]:
            _start(rt, document.get("registered") or {})
            talk = Conversation(rt, clock, conversation["name"])
            began = clock.now
            yield from map(talk.take, conversation["steps"])
            clock.now = began


class Conversation:
    """One conversation while it runs."""

    def __init__(self, rt: Runtime, clock: Clock, name: str) -> None:
        self._up = self._rt = rt
        self._clock = clock
        self._name = name
        self._steps: list[Step] = []

    def take(self, step: Mapping[str, Any]) -> Step:
        if "from" in step:
            answer, also = self._say(step["from"], str(step["text"]))
        elif "wait" in step:
            answer, also = None, self._wait(_span(step["wait"]))
        else:
            answer, also = None, self._ledger(step["ledger"])
        expected = step.get("expect") or {}
        differs = tuple(_differences(expected, answer, also, self._steps))
        taken = Step(self._name, len(self._steps) + 1, answer, also, differs)
        self._steps.append(taken)
        return taken

    def _say(self, sender: str, text: str) -> tuple[Answer | None, tuple[Outgoing, ...]]:
        self._clock.now += BETWEEN_MESSAGES
        said = self._last_reply_to(sender) if text == ECHO else text
        reference = f"{self._name}-{len(self._steps)}"
        answer = responder.respond(
            self._rt, IncomingSms("simulator", reference[-64:], sender, LANE, said)
        )
        jobs.drain(self._rt, "simulator", LANE)
        return answer, answer.also if answer else ()

    def _wait(self, span: timedelta) -> tuple[Outgoing, ...]:
        self._clock.now += span
        answers = jobs.answer_owed(self._rt)
        jobs.drain(self._rt, "simulator", LANE)
        return tuple(
            sent for answer in answers for sent in (answer.reply, *answer.also) if sent is not None
        )

    def _ledger(self, state: str) -> tuple[Outgoing, ...]:
        nowhere = SqlLedger(runtime.engine("sqlite:////nonexistent/ledger.db"))
        self._rt = replace(self._up, ledger=nowhere) if state == "down" else self._up
        return ()

    def _last_reply_to(self, sender: str) -> str:
        number = phone.e164(sender)
        sent = [step.answer.reply for step in self._steps if step.answer and step.answer.reply]
        return next((each.text for each in reversed(sent) if each.recipient == number), "")


@contextmanager
def _world(clock: Clock, ledger: Path) -> Iterator[Runtime]:
    """A service database and a ledger of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="smsgw-replay-") as home:
        rt = runtime.build(settings.load({"SMSGW_HOME": home, "SMSGW_SECRET_KEY": KEY}), now=clock)
        try:
            migrate.upgrade(rt.service, "service")
            migrate.upgrade(rt.ledger.engine, "ledger")
            load(rt.ledger.engine, ledger)
            yield rt
        finally:
            rt.close()


def update(path: Path, taken: Collection[Step]) -> None:
    """Writes every reply into the transcript as the one expected."""
    document = yaml.safe_load(path.read_text("utf-8"))
    steps = [step for conversation in document["conversations"] for step in conversation["steps"]]
    for step, got in zip(steps, taken, strict=True):
        if got.answer is not None and got.answer.reply is not None:
            step.setdefault("expect", {})["reply"] = got.answer.reply.text
    dumped = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=1000)
    path.write_text(dumped, "utf-8")


def _start(rt: Runtime, registered: Mapping[str, list[str]]) -> None:
    """The state that every conversation of a file begins with."""
    with rt.writing() as tx:
        for table in reversed(service.sorted_tables):
            tx.connection.execute(table.delete())
        for number, nkps in registered.items():
            known = registry.advance(tx, registry.read(tx, number))
            for nkp in nkps:
                registry.bind(tx, known, nkp, consent="registered in the transcript")


def _differences(
    expected: Mapping[str, Any],
    answer: Answer | None,
    also: tuple[Outgoing, ...],
    before: list[Step],
) -> Iterator[str]:
    reply = answer.reply.text if answer and answer.reply else None
    for key in {"keyword", "outcome", "reason"} & expected.keys():
        got = getattr(answer.verdict if answer else None, key, None)
        if expected[key] != got:
            yield f"{key}: expected {expected[key]}, got {got}"
    if "reply" in expected and expected["reply"] != reply:
        yield f"reply: expected {expected['reply']!r}, got {reply!r}"
    yield from _contents(expected, reply)
    if "max_segments" in expected and count(reply or "").segments > expected["max_segments"]:
        yield f"segments: {count(reply or '').segments}, at most {expected['max_segments']}"
    if "same_reply_as" in expected:
        other = before[expected["same_reply_as"] - 1].answer
        if (other.reply.text if other and other.reply else None) != reply:
            yield f"reply: differs from step {expected['same_reply_as']}"
    yield from _others(expected.get("also", ()), also)


def _others(expected: Collection[Mapping[str, Any]], also: tuple[Outgoing, ...]) -> Iterator[str]:
    for wanted in expected:
        texts = [each.text for each in also if each.recipient == wanted["to"]]
        parts = wanted.get("contains", ())
        if not any(all(part in text for part in parts) for text in texts):
            yield f"also: nothing to {wanted['to']} holds {list(parts)}"


def _contents(expected: Mapping[str, Any], reply: str | None) -> Iterator[str]:
    for part in expected.get("contains", ()):
        if part not in (reply or ""):
            yield f"reply: lacks {part!r}: {reply!r}"
    for part in expected.get("lacks", ()):
        if part in (reply or ""):
            yield f"reply: holds {part!r}: {reply!r}"


def _check(step: Any, place: str) -> None:
    kinds = [kind for kind in STEP_KEYS if isinstance(step, dict) and kind in step]
    if len(kinds) != 1:
        raise TranscriptError(f"{place}: a step has one of from, wait, ledger")
    _known_keys(step, STEP_KEYS[kinds[0]], place)
    _known_keys(step.get("expect") or {}, EXPECTED, place)
    if "wait" in step:
        _span(step["wait"], place)
    if step.get("ledger", "up") not in {"up", "down"}:
        raise TranscriptError(f"{place}: ledger is up or down")


def _known_keys(given: Mapping[str, Any], known: Collection[str], place: str) -> None:
    for key in given.keys() - set(known):
        raise TranscriptError(f"{place}: {key} is not known; there are {', '.join(sorted(known))}")


def _span(written: object, place: str = "wait") -> timedelta:
    """15m, 2h, 1d, 30s."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", str(written))
    if found is None:
        raise TranscriptError(f"{place}: wait is a number with s, m, h or d, such as 15m")
    return timedelta(**{UNITS[found[2]]: int(found[1])})
