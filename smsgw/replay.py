"""Runs transcripts through the real responder, each file in databases of its own.

Time moves only as the transcript says; every conversation starts from the state the file describes.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from smsgw import (
    jobs,
    migrate,
    outbox,
    phone,
    registry,
    responder,
    runtime,
    sending,
    settings,
    transcript,
)
from smsgw.carriers.base import IncomingSms
from smsgw.gsm7 import count
from smsgw.keywords import Configuration, Published, shipped
from smsgw.ledger import SqlLedger
from smsgw.ledger.load import load, reference_folder
from smsgw.limits import Counters
from smsgw.models import data_keys, service
from smsgw.responder import Answer
from smsgw.runtime import Runtime
from smsgw.telling import Outgoing
from smsgw.transcript import Expected, Transcript

BETWEEN_MESSAGES = timedelta(seconds=20)
LANE = "2757"
A_CODE = re.compile(r"KODE ([B-DF-HJ-NP-TV-Z]{5})\b")
KEY = "transcripts are public, so is this key"
ECHO, CODE = "=echo", "=code"


@dataclass(frozen=True, slots=True)
class Taken:
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


def run(
    document: Transcript, ledger: Path | None = None, configuration: Configuration | None = None
) -> Iterator[Taken]:
    """Every step of every conversation, in file order; with the shipped configuration if with no
    other."""
    clock = Clock(document.now)
    with _world(clock, ledger or reference_folder()) as made:
        rt = replace(made, published=Published.always(configuration or shipped()))
        for conversation in document.conversations:
            clock.now = document.now
            _start(rt, document.registered)
            talk = Talk(replace(rt, counters=Counters()), clock, conversation.name)
            yield from map(talk.take, conversation.steps)


class Talk:
    """One conversation while it runs."""

    def __init__(self, rt: Runtime, clock: Clock, name: str) -> None:
        self._up = self._rt = rt
        self._clock = clock
        self._name = name
        self._taken: list[Taken] = []

    def take(self, step: transcript.Step) -> Taken:
        answer, also = self._done(step)
        differs = tuple(_differences(step.expect, answer, also, self._taken))
        taken = Taken(self._name, len(self._taken) + 1, answer, also, differs)
        self._taken.append(taken)
        return taken

    def _done(self, step: transcript.Step) -> tuple[Answer | None, tuple[Outgoing, ...]]:
        if step.sender is not None:
            return self._say(step.sender, step.text or "")
        if step.wait is not None:
            return None, self._wait(step.wait)
        return None, self._ledger(is_up=step.ledger == "up")

    def _say(self, sender: str, text: str) -> tuple[Answer | None, tuple[Outgoing, ...]]:
        self._clock.now += BETWEEN_MESSAGES
        said = (
            self._last_reply_to(sender) if text == ECHO else text.replace(CODE, self._last_code())
        )
        reference = f"{self._name}-{len(self._taken)}"
        answer = responder.respond(
            self._rt, IncomingSms("simulator", reference[-64:], sender, LANE, said)
        )
        self._send()
        return answer, answer.also if answer else ()

    def _wait(self, span: timedelta) -> tuple[Outgoing, ...]:
        self._clock.now += span
        answers = jobs.answer_owed(self._rt)
        self._send()
        return tuple(
            sent for answer in answers for sent in (answer.reply, *answer.also) if sent is not None
        )

    def _send(self) -> None:
        with self._rt.reading() as tx:
            lanes = outbox.lanes_waiting(tx)
        for carrier, lane in lanes:
            sending.drain(self._rt, carrier, lane)

    def _ledger(self, *, is_up: bool) -> tuple[Outgoing, ...]:
        nowhere = SqlLedger(runtime.engine("sqlite:////nonexistent/ledger.db"))
        self._rt = self._up if is_up else replace(self._up, ledger=nowhere)
        return ()

    def _last_code(self) -> str:
        texts = [each.text for step in self._taken for each in step.also]
        codes = [found[1] for text in texts if (found := A_CODE.search(text))]
        return codes[-1] if codes else ""

    def _last_reply_to(self, sender: str) -> str:
        number = phone.e164(sender)
        sent = [step.answer.reply for step in self._taken if step.answer and step.answer.reply]
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


def _start(rt: Runtime, registered: Mapping[str, tuple[str, ...]]) -> None:
    """The state that every conversation of a file begins with."""
    with rt.writing() as tx:
        for table in reversed(service.sorted_tables):
            if table is not data_keys:
                tx.connection.execute(table.delete())
        for number, nkps in registered.items():
            known = registry.advance(tx, registry.read(tx, number))
            for nkp in nkps:
                registry.bind(tx, known, nkp, consent="registered in the transcript")


def _differences(
    expected: Expected, answer: Answer | None, also: tuple[Outgoing, ...], before: list[Taken]
) -> Iterator[str]:
    for key in ("keyword", "outcome", "reason"):
        wanted, got = getattr(expected, key), getattr(answer and answer.verdict, key, None)
        if key in expected.model_fields_set and wanted != got:
            yield f"{key}: expected {wanted}, got {got}"
    reply = text_of(answer)
    if "reply" in expected.model_fields_set and expected.reply != reply:
        yield f"reply: expected {expected.reply!r}, got {reply!r}"
    if expected.same_reply_as and text_of(before[expected.same_reply_as - 1].answer) != reply:
        yield f"reply: differs from step {expected.same_reply_as}"
    yield from _contents(expected, reply or "")
    for other in expected.also:
        texts = [each.text for each in also if each.recipient == other.to]
        if not any(all(part in text for part in other.contains) for text in texts):
            yield f"also: nothing to {other.to} holds {list(other.contains)}"


def _contents(expected: Expected, reply: str) -> Iterator[str]:
    for part in expected.contains:
        if part not in reply:
            yield f"reply: lacks {part!r}: {reply!r}"
    for part in expected.lacks:
        if part in reply:
            yield f"reply: holds {part!r}: {reply!r}"
    segments = count(reply).segments if reply else 0
    if expected.max_segments is not None and segments > expected.max_segments:
        yield f"segments: {segments}, at most {expected.max_segments}"


def text_of(answer: Answer | None) -> str | None:
    return answer.reply.text if answer and answer.reply else None
