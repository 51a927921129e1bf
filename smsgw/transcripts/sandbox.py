"""Gives operators a phone to try: the real responder on the real databases, and nothing stays.

A conversation is answered from its start each time, in one transaction that is rolled back. Nothing
is sent, hinted or counted. As in a transcript the clock moves by itself: 20 seconds a message, and
by what is waited; so what is tried here can be kept as a transcript and run again.

Whoever may not look at people speaks for phones that are nobody's, and finds no real participant in
the ledger.
"""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from structlog.contextvars import bound_contextvars

from handlers.ports import LedgerDown
from smsgw import phone, responder
from smsgw.backoffice import notifications
from smsgw.carriers.carrier import IncomingSms
from smsgw.configuration import compiler, document, validation, versions
from smsgw.configuration.compiler import Configuration
from smsgw.configuration.live import LiveConfiguration
from smsgw.ledger.restricted import FictitiousLedger
from smsgw.messaging import outbox
from smsgw.messaging.answer import Answer, NotStored
from smsgw.notifications.samples import PhoneSample
from smsgw.runtime import Runtime
from smsgw.storage.audit import Act
from smsgw.storage.counters import Counters
from smsgw.storage.group_commit import GroupCommit
from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.security import audit
from smsgw.storage.transaction import Transaction
from smsgw.transcripts.format import BETWEEN_MESSAGES
from smsgw.transcripts.runner import A_CODE
from smsgw.transcripts.values import CODE
from smsgw.transcripts.world import Clock

MOST_STEPS = 20
LONGEST_SENDER, LONGEST_TEXT = 20, 1000  # characters
WAITS: Mapping[str, timedelta] = {
    "": timedelta(),
    "15m": timedelta(minutes=15),
    "2h": timedelta(hours=2),
    "1d": timedelta(days=1),
}
PATIENCE = 2.0  # seconds that a conversation may take; on SQLite others wait to write meanwhile
# Milliseconds that it waits for somebody's lock: who waits for one of ours is served after less
# than what PostgreSQL takes for a deadlock.
LOCK_LIMIT = 500


class NotTried(Exception):
    """Says that nothing was answered."""


class NoDraft(NotTried):
    """Says that there is no draft to answer by."""


class Busy(NotTried):
    """Says that the database is unavailable, or locked by somebody."""


class Slow(NotTried):
    """The ledger took too long to go on while others wait."""


@dataclass(frozen=True, slots=True)
class SandboxStep:
    """Holds one message. `text` may contain =code, the last code that a phone was sent; `wait` is
    one of WAITS, before it."""

    sender: str
    text: str
    wait: str = ""


@dataclass(frozen=True, slots=True)
class TriedMessage:
    step: SandboxStep
    sent_text: str
    answer: Answer
    wording: str | None  # that its reply is made of


@dataclass(frozen=True, slots=True)
class SandboxConversation:
    messages: tuple[TriedMessage, ...] = ()
    subjects: tuple[bytes, ...] = ()  # keyed hashes of the NKPs that it told of
    code: str = ""  # the last that a phone was sent, where it may be typed here
    # What the last sender would be notified of now; None while the ledger does not answer.
    notifications: tuple[PhoneSample, ...] | None = ()


@dataclass(frozen=True)
class RolledBackRuntime(Runtime):
    """Reads and writes in the one transaction of a try; a write of its own is a savepoint."""

    connection: Connection = field(kw_only=True)

    @contextmanager
    def reading(self, *, streams: bool = False) -> Iterator[Transaction]:
        yield Transaction(self.connection, self.vault, self.now(), self.random)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        with self.connection.begin_nested():
            yield Transaction(self.connection, self.vault, self.now(), self.random)


def is_fictitious_sender(rt: Runtime, sender: str) -> bool:
    """Tells whether it is no real person's phone, so that everybody may speak for it."""
    number = phone.e164(sender)
    return rt.settings.demo or number is None or phone.is_fictitious(number)


def configuration(rt: Runtime, *, of_draft: bool) -> Configuration:
    """Returns the published configuration, or the draft as if it were in force today. Raises
    NoDraft, KeywordsError."""
    if not of_draft:
        return rt.configuration
    with rt.reading() as tx:
        draft = versions.draft(tx)
    if draft is None:
        raise NoDraft
    day = rt.today
    return compiler.of(validation.of(document.upgrade(draft.raw)), day)


def run(rt: Runtime, steps: Sequence[SandboxStep], chosen: Configuration) -> SandboxConversation:
    """Plays the whole conversation from the present state. Raises NotTried."""
    is_real = not all(is_fictitious_sender(rt, step.sender) for step in steps)
    ledger = rt.ledger if is_real or rt.settings.demo else FictitiousLedger(rt.ledger)
    clock = Clock(rt.now())
    changed = {"ledger": ledger, "now": clock, "published": LiveConfiguration.always(chosen)}
    try:
        with bound_contextvars(tryout=True), _undone(rt, changed) as undone:
            return _talk(undone, clock, steps, is_real=is_real)
    except (NotStored, DBAPIError, NoConnection):
        raise Busy from None


@contextmanager
def _undone(rt: Runtime, changed: Mapping[str, Any]) -> Iterator[RolledBackRuntime]:
    """Runs the conversation in a transaction that is rolled back. Nowhere else is the ledger asked
    while a transaction is open: here the second message has to find what the first one did. On
    PostgreSQL only messages from the same phone wait for it; on SQLite every writer does, so
    PATIENCE bounds it. The ledger has a connection of its own, and sees nothing of what is rolled
    back."""
    rt.vault.refresh()
    with rt.service.connect() as connection:
        outer = connection.begin()
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_LIMIT}")
        same = {each.name: getattr(rt, each.name) for each in fields(rt)}
        apart = {"connection": connection, "counters": Counters(), "redis": None, "redis_url": None}
        apart["batches"] = GroupCommit()
        try:
            yield RolledBackRuntime(**{**same, **apart, **changed})
        finally:
            outer.rollback()


def _talk(
    rt: RolledBackRuntime, clock: Clock, steps: Sequence[SandboxStep], *, is_real: bool
) -> SandboxConversation:
    """Plays the steps. A code that went to a real phone is for that phone alone."""
    until = time.monotonic() + PATIENCE
    before = rt.connection.execute(select(func.max(audit.c.id))).scalar_one() or 0
    tried: list[TriedMessage] = []
    code = ""
    for step in steps:
        if time.monotonic() > until:
            raise Slow
        clock.now += WAITS[step.wait] + BETWEEN_MESSAGES
        tried.append(_respond(rt, step, step.text.replace(CODE, code)))
        code = "" if is_real else _code(tried[-1]) or code
    samples = _notifications(rt, steps)
    told_of = {rt.vault.hash(each.nkp, "nkp") for each in samples or ()}
    subjects = tuple({*_subjects(rt, tried, before), *told_of})
    return SandboxConversation(tuple(tried), subjects, code, samples)


def _notifications(
    rt: RolledBackRuntime, steps: Sequence[SandboxStep]
) -> tuple[PhoneSample, ...] | None:
    number = phone.e164(steps[-1].sender) if steps else None
    try:
        return tuple(notifications.would_get(rt, number)) if number else ()
    except LedgerDown:
        return None


def _code(tried: TriedMessage) -> str:
    found = [A_CODE.search(each.text) for each in tried.answer.also]
    return next((each[1] for each in found if each), "")


def _respond(rt: RolledBackRuntime, step: SandboxStep, text: str) -> TriedMessage:
    carrier = rt.default_carrier
    reference = f"try-{uuid.uuid4().hex}"
    sms = IncomingSms(carrier.name, reference, step.sender, carrier.default_sender_id, text)
    answer = responder.respond(rt, sms)
    if answer is None:
        raise Busy  # another has its name
    with rt.writing() as tx:
        outbox.mark_sent(tx, answer.message_id)
    return TriedMessage(step, text, answer, _wording(rt, answer))


def _wording(rt: RolledBackRuntime, answer: Answer) -> str | None:
    wording = select(replies.c.wording).where(replies.c.message_id == answer.message_id)
    return rt.connection.execute(wording.order_by(replies.c.id)).scalars().first()


def _subjects(
    rt: RolledBackRuntime, tried: Sequence[TriedMessage], before: int
) -> tuple[bytes, ...]:
    """Returns whose data was disclosed; others may have been told something meanwhile, in
    transactions that stay."""
    disclosed = select(audit.c.subject).where(
        audit.c.id > before,
        audit.c.act == Act.DISCLOSED,
        audit.c.message_id.in_([each.answer.message_id for each in tried]),
        audit.c.subject.is_not(None),
    )
    return tuple(rt.connection.execute(disclosed.distinct()).scalars())
