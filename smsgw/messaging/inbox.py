"""Stores each incoming message once, whatever a carrier repeats."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Row,
    String,
    any_,
    cast,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from grammar import fold
from smsgw.carriers.carrier import IncomingSms
from smsgw.configuration.wording import REFERENCE_ALPHABET, REFERENCE_LENGTH
from smsgw.messaging import hourly_counts
from smsgw.storage.bulk import BulkInsert, Write
from smsgw.storage.monthly_ids import sequence_of
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.messages import NOT_ANSWERED, MessageState, message_refs, messages
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext, failed_checks
from smsgw.storage.transaction import Transaction

_IN_CASE = exists().where(cases.c.message_id == messages.c.id, cases.c.closed_at.is_(None))
HAS_ENDED = (messages.c.state != MessageState.RECEIVED, ~_IN_CASE)  # nobody needs its text

SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(seconds=30)


class Repeated(Exception):
    """Says that this message was stored, or its deferred answer given, before."""


class Verdict(NamedTuple):
    """Holds what became of a message; its reply, if any, is in the outbox."""

    keyword: str | None
    outcome: str
    reason: str | None = None
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class DeferredMessage:
    """Holds a stored message whose answer had to wait."""

    message_id: int
    sms: IncomingSms
    received_at: datetime
    keyword: str | None = None


class NewMessage(NamedTuple):
    """Holds a message about to be stored. `version` is that of the configuration that read it."""

    id: int
    sms: IncomingSms
    phone_id: int | None
    text_hash: bytes
    verdict: Verdict
    version: int


_insert = BulkInsert(
    messages,
    *("id", "carrier", "carrier_ref", "sender_id", "phone_id", "text", "text_hash", "received_at"),
    *("configuration", "keyword", "outcome", "reason", "state"),
)

_insert_refs = BulkInsert(message_refs, "carrier", "carrier_ref", "received_at")


def message_rows(tx: Transaction, new: Sequence[NewMessage]) -> Write:
    """Returns the rows of messages, to be stored with all that comes of them."""
    rows = [
        {
            "id": each.id,
            "carrier": each.sms.carrier,
            "carrier_ref": each.sms.carrier_ref,
            "sender_id": each.sms.sender_id,
            "phone_id": each.phone_id,
            "text": tx.vault.encrypt(
                each.sms.text, Ciphertext.MESSAGE, each.sms.carrier, each.sms.carrier_ref
            ),
            "text_hash": each.text_hash,
            "received_at": tx.now,
            "configuration": each.version,
            **_told(each.verdict),
        }
        for each in new
    ]
    return Write(_insert, rows)


def ref_rows(tx: Transaction, new: Sequence[NewMessage]) -> Write:
    """Returns the rows that tell a message from one that was stored before."""
    refs = [(each.sms.carrier, each.sms.carrier_ref) for each in new]
    rows = [{"carrier": by, "carrier_ref": ref, "received_at": tx.now} for by, ref in refs]
    return Write(_insert_refs, rows)


def is_repeat(error: IntegrityError) -> bool:
    """Tells whether a message could not be stored because it was stored before."""
    return "carrier_ref" in str(error.orig)


def settle(tx: Transaction, message_id: int, verdict: Verdict) -> None:
    """Gives a waiting message its outcome. Raises Repeated where it has one."""
    waiting = (messages.c.id == message_id) & (messages.c.state == MessageState.RECEIVED)
    settled = tx.connection.execute(
        update(messages).where(waiting).values(_told(verdict)).returning(messages.c.received_at)
    ).first()
    if settled is None:
        raise Repeated
    hourly_counts.changed(tx, settled.received_at)


def give_up(tx: Transaction, message_id: int) -> None:
    """Marks a message as failed, which nothing answers by itself any more."""
    waiting = (messages.c.id == message_id) & (messages.c.state == MessageState.RECEIVED)
    tx.connection.execute(update(messages).where(waiting).values(state=MessageState.FAILED))


def withdraw(tx: Transaction, phone_id: int) -> None:
    """Ends what a phone waits for: none of its messages will be answered any more."""
    own = (messages.c.phone_id == phone_id) & (messages.c.state == MessageState.RECEIVED)
    withdrawn = update(messages).where(own).values(state=MessageState.ANSWERED)
    received = tx.connection.execute(withdrawn.returning(messages.c.received_at))
    hourly_counts.changed(tx, *received.scalars())


def destroy_texts(tx: Transaction, which: ColumnElement[bool]) -> None:
    """Destroys what messages said, where that has ended; the rows stay, so that counts do."""
    gone = update(messages).where(which, *HAS_ENDED)
    tx.connection.execute(gone.values(text=None, text_hash=None))


def is_in_use(tx: Transaction, ids: range) -> bool:
    """Tells whether one of these messages waits for its answer, or is of a case that is open."""
    within = (messages.c.id >= ids.start, messages.c.id < ids.stop)
    owed = exists().where(NOT_ANSWERED, messages.c.state == MessageState.RECEIVED, *within)
    of_it = (cases.c.message_id >= ids.start, cases.c.message_id < ids.stop)
    in_case = exists().where(cases.c.closed_at.is_(None), *of_it)
    return bool(tx.connection.execute(select(or_(owed, in_case))).scalar_one())


def delete_old(tx: Transaction, before: int, limit: int) -> int:
    """Deletes messages with lower ids that have ended; returns how many."""
    old = select(messages.c.id).where(messages.c.id < before, *HAS_ENDED)
    old = old.order_by(messages.c.id).limit(limit)
    return tx.connection.execute(delete(messages).where(messages.c.id.in_(old))).rowcount


def forget_refs(tx: Transaction, before: datetime, limit: int) -> int:
    """Forgets what carriers named messages by; one that comes again is then a new one. Returns how
    many were forgotten."""
    is_postgres = tx.connection.dialect.name == "postgresql"
    place: ColumnElement[Any] = literal_column("ctid" if is_postgres else "rowid")
    at = message_refs.c.received_at
    old = select(place).select_from(message_refs).where(at < before).order_by(at).limit(limit)
    is_old = place == any_(func.array(old.scalar_subquery())) if is_postgres else place.in_(old)
    return tx.connection.execute(delete(message_refs).where(is_old)).rowcount


def put_off(tx: Transaction, deferred: DeferredMessage) -> None:
    """Puts off a deferred answer: it is tried again after others, in a quarter of the time that it
    has waited."""
    pause = min(max((tx.now - deferred.received_at) / 4, SHORTEST_PAUSE), LONGEST_PAUSE)
    waiting = (messages.c.id == deferred.message_id) & (messages.c.state == MessageState.RECEIVED)
    tx.connection.execute(update(messages).where(waiting).values(due_at=tx.now + pause))


def has_deferred(tx: Transaction) -> bool:
    """Tells whether a message waits for its answer, which may be tried now."""
    waiting = exists().where(*_due(tx))
    return bool(tx.connection.execute(select(waiting)).scalar_one())


def _due(tx: Transaction) -> tuple[ColumnElement[bool], ...]:
    is_due = messages.c.due_at.is_(None) | (messages.c.due_at <= tx.now)
    return NOT_ANSWERED, messages.c.state == MessageState.RECEIVED, is_due


def fail_unreadable(tx: Transaction, limit: int) -> list[int]:
    """Gives up what waits for its answer and cannot be opened; returns the ids. Where many cannot,
    they go on waiting, behind those that can."""
    lost = [row.id for row in _waiting(tx, limit) if _opened(tx, row) is None]
    given_up = lost if tx.may_end_what_failed() else []
    for message_id in given_up:
        give_up(tx, message_id)
    return given_up


def deferred(tx: Transaction, limit: int) -> Sequence[DeferredMessage]:
    """Returns the messages whose answers may be tried now: those not tried before, oldest first,
    then those that were put off; without those that cannot be opened."""
    opened = (_opened(tx, row) for row in _waiting(tx, limit))
    return [each for each in opened if each is not None]


_failed = exists().where(
    failed_checks.c.table_name == "messages",
    failed_checks.c.row == cast(messages.c.id, String),
)


def _waiting(tx: Transaction, limit: int) -> Sequence[Row[Any]]:
    return tx.connection.execute(
        select(messages, phones.c.number, phones.c.hash)
        .join(phones, phones.c.id == messages.c.phone_id)
        .where(*_due(tx))
        .order_by(_failed, messages.c.due_at.is_not(None), messages.c.due_at, messages.c.id)
        .limit(limit)
    ).all()


def _opened(tx: Transaction, row: Row[Any]) -> DeferredMessage | None:
    sender = tx.opened(row.number, Ciphertext.PHONE, row.phone_id, row.hash)
    text = tx.opened(row.text, Ciphertext.MESSAGE, row.id, row.carrier, row.carrier_ref)
    if sender is None or text is None:
        return None
    sms = IncomingSms(row.carrier, row.carrier_ref, sender, row.sender_id, text)
    return DeferredMessage(row.id, sms, row.received_at, row.keyword)


def _told(verdict: Verdict) -> dict[str, str | None]:
    return {
        "keyword": verdict.keyword,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "state": MessageState.ANSWERED if verdict.is_final else MessageState.RECEIVED,
    }


REFERENCES: int = len(REFERENCE_ALPHABET) ** REFERENCE_LENGTH
SCRAMBLE = 190_838_687
UNSCRAMBLE: int = pow(SCRAMBLE, -1, REFERENCES)


def reference(message_id: int) -> str:
    """Returns six characters to name a message by on the telephone: no vowels, nothing that looks
    alike.

    They are a one-to-one scramble of the message's sequence, so that neighbours look different and
    the same conversation replayed gives the same reference.
    """
    number = sequence_of(message_id) * SCRAMBLE % REFERENCES
    letters = []
    for _ in range(REFERENCE_LENGTH):
        number, remainder = divmod(number, len(REFERENCE_ALPHABET))
        letters.append(REFERENCE_ALPHABET[remainder])
    return "".join(letters)


def sequence(reference: str) -> int | None:
    """Returns the first sequence with this reference; each further one is REFERENCES later. Returns
    None if the text is no reference."""
    written = "".join(fold(reference).split()).upper()
    if len(written) != REFERENCE_LENGTH or not set(written) <= set(REFERENCE_ALPHABET):
        return None
    number = 0
    for letter in reversed(written):
        number = number * len(REFERENCE_ALPHABET) + REFERENCE_ALPHABET.index(letter)
    return number * UNSCRAMBLE % REFERENCES
