"""Resends a reply for an operator, only to a phone that may be told the same today."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, exists, select

from handlers.disclosure import OnFile, number_on_file
from handlers.ports import LedgerDown
from smsgw.messaging import outbox, reconciliation
from smsgw.messaging.outbox import NewReply
from smsgw.registry.held_bindings import UNUSED_FOR
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.messages import WAITING, Priority, ReplyState, replies
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

RESENT_WITHIN = timedelta(days=7)
ON_ITS_WAY = (ReplyState.QUEUED, ReplyState.SENDING)
ONCE = {"disclosure.code"}  # sent again it would count neither as one of the day's, nor be valid


class ResendRefusal(StrEnum):
    NOT_THERE = "This reply does not exist."
    GONE = "The text has been deleted."
    OLD = "It is more than 7 days old. The person can ask again."
    A_CODE = "A code is sent only once. The person can ask for a new one."
    ON_ITS_WAY = "It is already being sent."
    NO_CARRIER = "Its carrier is no longer configured."
    STOPPED = "The phone has opted out since."
    UNBOUND = "The phone is no longer registered for this participant."
    NUMBER_CHANGED = "The participant's number on file has changed."
    NUMBER_UNCLEAR = "The participant has no clear number on file."
    LEDGER_AWAY = "The ledger is unavailable. Try again later."
    SETTLED = "It has just been resolved."


class NotResent(Exception):
    """Holds its Refusal."""


@dataclass(frozen=True, slots=True)
class Resent:
    carrier: str
    sender_id: str


def resend(rt: Runtime, reply_id: int, actor: str, reason: str) -> Resent:
    """Queues a reply of its own, so that the history of the first one stays; an unknown send
    continues as itself. Raises NotResent."""
    with rt.reading() as tx:
        row = _reply(tx, reply_id)
        _check(rt, tx, row)
        nkp, on_file = _about(tx, row)
        if row.binding_id is not None and nkp is None:
            raise NotResent(ResendRefusal.UNBOUND)
        number = _number(tx, row)
    if nkp is not None:
        _check_number_on_file(rt, nkp, on_file, number)
    with rt.writing() as tx:
        row = _reply(tx, reply_id, is_locked=True)
        _check(rt, tx, row)
        sent = _send(rt, tx, row)
        detail = f"reply {reply_id}: {reason}"
        about = {"phone_id": row.phone_id, "message_id": row.message_id, "nkp": nkp}
        audit.note(tx, Act.RESENT, actor, detail=detail, **about)
    rt.spend([sent])
    return Resent(row.carrier, row.sender_id)


def _reply(tx: Transaction, reply_id: int, *, is_locked: bool = False) -> Row[Any]:
    found = (
        select(replies, phones.c.stopped_at, phones.c.hash, phones.c.number)
        .add_columns(bindings.c.nkp, bindings.c.nkp_hash, bindings.c.on_file)
        .add_columns(bindings.c.on_file_hash, bindings.c.ended_at, bindings.c.used_at)
        .join_from(replies, phones, phones.c.id == replies.c.phone_id)
        .outerjoin(bindings, bindings.c.id == replies.c.binding_id)
        .where(replies.c.id == reply_id)
    )
    row = tx.connection.execute(found.with_for_update(of=replies) if is_locked else found).first()
    if row is None:
        raise NotResent(ResendRefusal.NOT_THERE)
    return row


def _check(rt: Runtime, tx: Transaction, row: Row[Any]) -> None:
    """Raises NotResent."""
    if row.text is None:
        raise NotResent(ResendRefusal.GONE)
    if row.made_at < tx.now - RESENT_WITHIN:
        raise NotResent(ResendRefusal.OLD)
    if row.wording in ONCE:
        raise NotResent(ResendRefusal.A_CODE)
    if row.state in ON_ITS_WAY or _is_again_on_its_way(tx, row):
        raise NotResent(ResendRefusal.ON_ITS_WAY)
    if row.carrier not in rt.carriers:
        raise NotResent(ResendRefusal.NO_CARRIER)
    if row.stopped_at is not None and row.stopped_at >= row.made_at:
        raise NotResent(ResendRefusal.STOPPED)
    if row.binding_id is not None and not _is_bound(tx, row):
        raise NotResent(ResendRefusal.UNBOUND)


def _is_again_on_its_way(tx: Transaction, row: Row[Any]) -> bool:
    again = exists().where(
        replies.c.message_id == row.message_id,
        replies.c.phone_id == row.phone_id,
        replies.c.id != row.id,
        replies.c.state.in_(WAITING),
    )
    return bool(tx.connection.execute(select(again)).scalar_one())


def _is_bound(tx: Transaction, row: Row[Any]) -> bool:
    return row.ended_at is None and bool(row.used_at > tx.now - UNUSED_FOR)


def _about(tx: Transaction, row: Row[Any]) -> tuple[str | None, str | None]:
    """Returns the participant that the reply discloses, and their number on file when they were
    bound."""
    nkp = tx.opened(row.nkp, Ciphertext.NKP, row.binding_id, row.nkp_hash)
    on_file = tx.opened(row.on_file, Ciphertext.ON_FILE, row.binding_id, row.on_file_hash)
    is_damaged = row.on_file is not None and on_file is None
    return (None, None) if is_damaged else (nkp, on_file)


def _number(tx: Transaction, row: Row[Any]) -> str:
    """Returns the phone's number. Raises NotResent if it cannot be decrypted."""
    number = tx.opened(row.number, Ciphertext.PHONE, row.phone_id, row.hash)
    if number is None:
        raise NotResent(ResendRefusal.GONE)
    return number


def _check_number_on_file(rt: Runtime, nkp: str, on_file: str | None, number: str) -> None:
    """Checks the number on file: a changed one ends the binding, which only the next message would
    notice. Raises NotResent."""
    try:
        participant = rt.ledger.participant(nkp)
    except LedgerDown:
        raise NotResent(ResendRefusal.LEDGER_AWAY) from None
    now_on_file = number_on_file(participant, on_file, number)
    if now_on_file is not OnFile.SAME:
        is_unclear = now_on_file is OnFile.UNCLEAR
        raise NotResent(
            ResendRefusal.NUMBER_UNCLEAR if is_unclear else ResendRefusal.NUMBER_CHANGED
        )


def _send(rt: Runtime, tx: Transaction, row: Row[Any]) -> tuple[str, str]:
    """Returns the phone's number, and the text that goes to it. Raises NotResent."""
    lasts, named_by = rt.settings.validity, (row.hash, row.message_id, row.binding_id)
    text, number = tx.opened(row.text, Ciphertext.REPLY, row.id, *named_by), _number(tx, row)
    if text is None:
        raise NotResent(ResendRefusal.GONE)
    if row.state == ReplyState.UNKNOWN:
        if not reconciliation.decide(tx, row.id, resend_for=lasts):
            raise NotResent(ResendRefusal.SETTLED)
        return number, text
    outbox.add(
        tx,
        NewReply(
            message_id=row.message_id,
            phone_id=row.phone_id,
            number=number,
            binding_id=row.binding_id,
            carrier=row.carrier,
            sender_id=row.sender_id,
            text=text,
            lasts=lasts,
            priority=Priority.SCHEDULED,  # nobody waits for it since the message came
            wording=row.wording,
        ),
    )
    return number, text
