"""Runs the draft over messages of the past, and finds where it would answer differently.

Each message is judged as if it came now to a phone that has said nothing before: by the bindings of
today, with no question open. Nothing is sent, and of texts nothing is kept: samples show digits as
# and only words that the published keywords know (a draft may hold guesses at somebody's words), or
that several phones wrote alike, with no number beside them: there they may be a name. What fewer
phones wrote is not shown.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import ColumnElement, and_, func, or_, select

from grammar import normalise
from handlers.question import Caller, Outcome
from smsgw.backoffice import comparison
from smsgw.backoffice.background_tasks import Task, TaskStep
from smsgw.backoffice.backtest_findings import (
    LONGEST_SHAPE,
    MIN_PHONES,
    MOST_SAMPLES,
    BacktestFindings,
    BacktestRequest,
    ChangeKind,
    Message,
    MessageShape,
    Reading,
    Rewording,
)
from smsgw.backoffice.comparison import ComparedAnswer, Comparison
from smsgw.configuration import validation
from smsgw.configuration.compiler import Configuration
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.sealed import ROW
from smsgw.storage.tables.security import Ciphertext

DAYS = (1, 2, 7, 30)
MOST = 200_000  # messages of one rehearsal, the newest
AT_ONCE = 250  # messages read together
STEP_LASTS = 0.25  # seconds
DIGIT, HIDDEN = "#", "…"
NOT_UNDERSTOOD = {Outcome.INVALID, Outcome.UNKNOWN}
_WORD = re.compile(r"[^\W\d_]+")
_HIDDEN_RUN = re.compile(rf"{HIDDEN}(?:[^\w{DIGIT}]*{HIDDEN})+")


def run(rt: Runtime, task: Task, step_lasts: float = STEP_LASTS) -> Iterator[TaskStep]:
    """Goes on from where the task was left. Raises LedgerDown."""
    asked = BacktestRequest.model_validate(task.request)
    since = task.made_at - timedelta(days=asked.days)
    found = (
        BacktestFindings.model_validate(task.findings)
        if task.findings
        else _begin(rt, since, task.made_at)
    )
    rehearsal = Rehearsal(rt, asked, found)
    until = time.monotonic() + step_lasts
    while batch := _batch(rt, since, found):
        callers = rehearsal.callers(batch)
        for message in batch:
            rehearsal.judge(message, callers)
            if time.monotonic() > until:
                yield _step(found)
                until = time.monotonic() + step_lasts
    yield _step(found)


class Rehearsal:
    """Runs a backtest."""

    def __init__(self, rt: Runtime, asked: BacktestRequest, found: BacktestFindings) -> None:
        self._rt, self._found = rt, found
        now = rt.local
        was = comparison.configuration(asked.published, now.date())
        becomes = comparison.configuration(asked.draft, now.date())
        self._both = Comparison(was, becomes, rt.ledger, now, rt.settings.unused_for)
        self._vocabulary = vocabulary(asked.published)

    def callers(self, batch: Sequence[Message]) -> Mapping[int, tuple[Caller, str]]:
        """Returns the phones whose messages have to be decided, each with its language."""
        phone_ids = {each.phone_id for each in batch if not self._both.is_answered_alike(each.text)}
        if not phone_ids:
            return {}
        with self._rt.reading() as tx:
            return phone_state.callers(tx, phone_ids)

    def judge(self, message: Message, callers: Mapping[int, tuple[Caller, str]]) -> None:
        found = self._found
        if message.phone_id in callers and not self._both.is_answered_alike(message.text):
            self._compare(message, *callers[message.phone_id])
        found.last, found.judged = message.id, found.judged + 1

    def _compare(self, message: Message, caller: Caller, language: str) -> None:
        answers = self._both.answers(message.id, message.text, caller, language)
        kind = _kind(*answers) if answers else None
        if answers is None or kind is None:
            return
        was, becomes = answers
        found, difference = self._found, becomes.segments - was.segments
        found.counts[kind] = found.counts.get(kind, 0) + 1
        wrote = found.phones.setdefault(kind, [])
        if message.phone_id not in wrote and len(wrote) < MIN_PHONES:
            wrote.append(message.phone_id)
        found.longer[kind] = found.longer.get(kind, 0) + max(difference, 0)
        found.shorter[kind] = found.shorter.get(kind, 0) + max(-difference, 0)
        if kind is ChangeKind.REWORDED:
            self._note_rewording(was, becomes, difference)
        else:
            self._note_shape(found.shapes.setdefault(kind, {}), message, was, becomes)

    def _note_shape(
        self,
        shapes: dict[str, MessageShape],
        message: Message,
        was: ComparedAnswer,
        becomes: ComparedAnswer,
    ) -> None:
        """Records the shape of a message. It shows the words in full only once several phones wrote
        the same."""
        whole, read = shape_of(message.text), (_reading_of(was), _reading_of(becomes))
        key = self._rt.vault.hash(f"{read} {whole}", "shape").hex()[:16]
        if key not in shapes and len(shapes) == MOST_SAMPLES:
            return
        masked = shape_of(message.text, self._vocabulary)[:LONGEST_SHAPE]
        noted = shapes.setdefault(key, MessageShape(shape=masked, was=read[0], becomes=read[1]))
        noted.messages += 1
        if message.phone_id not in noted.phones and len(noted.phones) < MIN_PHONES:
            noted.phones.append(message.phone_id)
        if len(noted.phones) == MIN_PHONES and DIGIT not in whole:
            noted.shape = whole[:LONGEST_SHAPE]

    def _note_rewording(
        self, was: ComparedAnswer, becomes: ComparedAnswer, difference: int
    ) -> None:
        rewordings = self._found.rewordings
        language = becomes.language or was.language
        key = f"{language} {was.wording} {becomes.wording}"
        if key not in rewordings and len(rewordings) == MOST_SAMPLES:
            return
        first = Rewording(
            language=language,
            was=was.wording,
            becomes=becomes.wording,
            was_text=_source(self._both.was, was),
            becomes_text=_source(self._both.becomes, becomes),
        )
        noted = rewordings.setdefault(key, first)
        noted.messages += 1
        noted.segments += difference


@lru_cache(maxsize=4)
def vocabulary(text: str) -> frozenset[str]:
    """Returns all words that a configuration reads."""
    read = validation.read_published(text)
    words = read.words
    parts = [
        *(part for entry in read.entries.values() for part in (entry.poster, *entry.aliases)),
        *words.fillers,
        *words.courtesy,
        *words.either,
        *(label for labels in words.labels.values() for label in labels),
        *(word for each in words.choices.values() for listed in each.values() for word in listed),
        *(word for service in words.services for word in service.words),
    ]
    return frozenset(word for each in parts for word in _WORD.findall(normalise(each)))


def shape_of(text: str, known: frozenset[str] | None = None) -> str:
    """Returns a text without its digits and, if `known` is given, with no other words than
    those."""
    shape = re.sub(r"\d", DIGIT, normalise(text))
    if known is not None:
        shape = _WORD.sub(lambda word: word[0] if word[0] in known else HIDDEN, shape)
        shape = _HIDDEN_RUN.sub(HIDDEN, shape)
    return shape


def _begin(rt: Runtime, since: datetime, until: datetime) -> BacktestFindings:
    at = messages.c.received_at
    ids = select(messages.c.id).where(_is_judged(since), at <= until)
    newest = ids.order_by(at.desc()).limit(MOST + 1).subquery()
    bounds = select(func.min(newest.c.id), func.max(newest.c.id), func.count())
    with rt.reading() as tx:
        first, last, count = tx.connection.execute(bounds).one()
    return BacktestFindings(
        last=(first or 1) - 1, until=last or 0, total=min(count, MOST), is_cut=count > MOST
    )


def _batch(rt: Runtime, since: datetime, found: BacktestFindings) -> list[Message]:
    rows = (
        select(messages.c.id, messages.c.phone_id, messages.c.text, *ROW[Ciphertext.MESSAGE])
        .where(messages.c.id > found.last, messages.c.id <= found.until, _is_judged(since))
        .order_by(messages.c.id)
        .limit(AT_ONCE)
    )
    with rt.reading() as tx:
        return [
            Message(row.id, row.phone_id, tx.opened(row.text, Ciphertext.MESSAGE, *named_by) or "")
            for row in tx.connection.execute(rows)
            for named_by in [(row.id, row.carrier, row.carrier_ref)]
        ]


def _is_judged(since: datetime) -> ColumnElement[bool]:
    """Tells whether a message counts: something other than its words may have left it without an
    answer, such as a limit or a repeat."""
    return and_(
        messages.c.text.is_not(None),
        messages.c.phone_id.is_not(None),
        messages.c.received_at >= since,
        or_(messages.c.outcome != Outcome.SILENT, messages.c.reason == "courtesy"),
    )


def _kind(was: ComparedAnswer, becomes: ComparedAnswer) -> ChangeKind | None:
    was_understood, is_understood = (each.outcome not in NOT_UNDERSTOOD for each in (was, becomes))
    if was_understood != is_understood:
        return ChangeKind.UNDERSTOOD if is_understood else ChangeKind.MISUNDERSTOOD
    if is_understood and was.keyword != becomes.keyword:
        return ChangeKind.REROUTED
    return ChangeKind.REWORDED if was.text != becomes.text else None


def _reading_of(answer: ComparedAnswer) -> Reading:
    return Reading(keyword=answer.keyword, outcome=answer.outcome)


def _source(by: Configuration, answered: ComparedAnswer) -> str:
    """Returns the wording, without anybody's values."""
    if not answered.wording:
        return ""
    pieces = by.wording(answered.wording, answered.language).pieces
    return "".join(piece.source for piece in pieces)


def _step(found: BacktestFindings) -> TaskStep:
    return TaskStep(found.judged, found.total, found.model_dump(mode="json"))
