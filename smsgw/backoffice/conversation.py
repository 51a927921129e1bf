"""Reads the conversation with one phone, as operators see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Row, select

from smsgw import phone
from smsgw.backoffice.message_log import PAGE, opened_number
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.messages import replies as _replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class ConversationSms:
    at: datetime
    is_ours: bool
    message_id: int
    state: str
    text: str | None  # none where it was not asked for, is destroyed, or secret
    is_gone: bool
    is_secret: bool = False
    keyword: str | None = None
    outcome: str | None = None
    segments: int | None = None


@dataclass(frozen=True, slots=True)
class PhoneConversation:
    number: str | None  # none where it is forgotten
    sms: Sequence[ConversationSms]  # oldest first
    before: tuple[int, int] | None  # where the page of earlier ones goes on


def talk(
    tx: Transaction,
    phone_id: int,
    before: tuple[int, int] | None = None,
    *,
    with_texts: bool,
    limit: int = PAGE,
) -> PhoneConversation | None:
    """Returns what a phone and we said to each other; notices are ours too. `before`: ids of a
    message and of a reply, from the page before. `with_texts`: and with the whole number."""
    row = tx.connection.execute(select(phones).where(phones.c.id == phone_id)).first()
    if row is None:
        return None
    ends = before or (MAX_ID, MAX_ID)
    received = _of_phone(tx, messages.c.phone_id, messages.c.id, phone_id, ends[0], limit)
    sent = _of_phone(tx, _replies.c.phone_id, _replies.c.id, phone_id, ends[1], limit)
    both = merge(
        ((each.received_at, False, each) for each in received),
        ((each.made_at, True, each) for each in sent),
        key=itemgetter(0, 1),
        reverse=True,
    )
    newest = list(islice(both, limit))
    rest = tuple(
        min((each.id for _, is_ours, each in newest if is_ours == which), default=ends[which])
        for which in (False, True)
    )
    is_more = len(received) + len(sent) > limit
    shown = [
        _sms(tx, each, row.hash, is_ours=ours, with_text=with_texts) for _, ours, each in newest
    ]
    number = opened_number(tx, row.number, row.id, row.hash)
    if number is not None and not with_texts:
        number = phone.mask(number)
    return PhoneConversation(number, shown[::-1], (rest[0], rest[1]) if is_more else None)


def _of_phone(
    tx: Transaction, column: Column[int], id_: Column[int], phone_id: int, end: int, limit: int
) -> Sequence[Row[Any]]:
    newest = select(column.table).where(column == phone_id, id_ < end)
    return tx.connection.execute(newest.order_by(id_.desc()).limit(limit + 1)).all()


def _sms(
    tx: Transaction, row: Row[Any], phone_hash: bytes, *, is_ours: bool, with_text: bool
) -> ConversationSms:
    shown = None
    if not is_ours:
        if with_text:
            of_message = (row.carrier, row.carrier_ref)
            shown = tx.opened(row.text, Ciphertext.MESSAGE, row.id, *of_message)
        details = {"keyword": row.keyword, "outcome": row.outcome}
        return ConversationSms(
            row.received_at, False, row.id, row.state, shown, row.text is None, **details
        )
    is_secret = row.wording in SECRET
    if with_text and not is_secret:
        named_by = (phone_hash, row.message_id, row.binding_id)
        shown = tx.opened(row.text, Ciphertext.REPLY, row.id, *named_by)
    details = {"is_secret": is_secret, "segments": row.segments}
    return ConversationSms(
        row.made_at, True, row.message_id, row.state, shown, row.text is None, **details
    )


MAX_ID = 2**62  # no id is so high
# Who reads such a reply could bind another's number: it is nobody's but the person's.
SECRET = {"disclosure.code"}
