"""Stores the parts of long messages until their message is stored.

A part waits until then. After that its text is gone, and its row is kept for as long as a carrier
may deliver it again.

    waits, message open ─▶ waits, message settled (message_ref) ─▶ empty ─▶ deleted

Which parts a message has is settled in one transaction and never changed, so that the message has
the same carrier_ref whoever stores it, and is stored once.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from smsgw import logs, phone
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging.inbox import Repeated
from smsgw.storage.tables.messages import PART_WAITS, parts
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

# Networks deliver the parts of a message within seconds, and within minutes where the phone lost
# its signal. Who has waited longer than this gives up, and a reference may be used again.
COMPLETE_WITHIN = timedelta(minutes=10)
# Whoever receives the last part answers at once. Parts that still wait after this are left by a
# process that died.
LEFT_AFTER = timedelta(seconds=10)
KEPT_FOR = timedelta(days=2)  # carriers deliver again for a day
AT_ONCE = 1000  # parts
# A word, in Indonesian: "cut off". It keeps digits on both sides from becoming one number, and a
# keyword before or after it from being all that was said.
GAP = " (terputus) "


@dataclass(frozen=True, slots=True)
class JoinedMessage:
    """A message whose parts are settled. `sms` is None where they cannot be decrypted."""

    sms: IncomingSms | None
    part_ids: tuple[int, ...]


@dataclass(slots=True)
class _Parts:
    """Collects the parts of one message, by their numbers."""

    rows: dict[int, Row[Any]] = field(default_factory=dict)

    @property
    def first(self) -> Row[Any]:
        return self.rows[min(self.rows)]

    @property
    def is_settled(self) -> bool:
        return self.first.message_ref is not None

    @property
    def is_complete(self) -> bool:
        return bool(len(self.rows) == self.first.total)

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(row.id for row in self.rows.values())

    def takes(self, row: Row[Any]) -> bool:
        """Tells whether a part that came later than these may belong to them."""
        if row.message_ref is not None or self.is_settled:
            return bool(row.message_ref == self.first.message_ref)
        began = min(each.received_at for each in self.rows.values())
        is_in_time = bool(row.received_at < began + COMPLETE_WITHIN)
        return is_in_time and row.number not in self.rows

    def is_due(self, now: datetime, *, may_expire: bool) -> bool:
        times = [row.received_at for row in self.rows.values()]
        if self.is_settled or self.is_complete:
            return bool(max(times) <= now - LEFT_AFTER)
        return may_expire and bool(min(times) <= now - COMPLETE_WITHIN)


def add(tx: Transaction, sms: IncomingSms) -> None:
    """Stores a part. Raises Repeated; then nothing may be committed."""
    if sms.part is None:
        raise ValueError("it is no part of a message")
    sender_hash = _sender_hash(tx, sms)
    named_by = (sms.carrier, sender_hash, sms.part.reference, sms.part.number, sms.carrier_ref)
    row = {
        "carrier": sms.carrier,
        "carrier_ref": sms.carrier_ref,
        "sender_hash": sender_hash,
        "sender_id": sms.sender_id,
        "reference": sms.part.reference,
        "number": sms.part.number,
        "total": sms.part.total,
        "sender": tx.vault.encrypt(sms.sender, Ciphertext.PART_SENDER, *named_by),
        "text": tx.vault.encrypt(sms.text, Ciphertext.PART_TEXT, *named_by),
        "received_at": tx.now,
    }
    try:
        tx.connection.execute(insert(parts).values(row))
    except IntegrityError:
        raise Repeated from None


def complete(tx: Transaction, sms: IncomingSms) -> list[JoinedMessage]:
    """Settles what the part `sms` completes, and returns it."""
    if sms.part is None:
        return []
    same = (
        parts.c.carrier == sms.carrier,
        parts.c.sender_hash == _sender_hash(tx, sms),
        parts.c.reference == sms.part.reference,
    )
    found = _waiting(tx, *same, lock=True)
    return _settled(tx, [each for each in found if each.is_settled or each.is_complete])


def are_due(tx: Transaction, *, may_expire: bool) -> bool:
    return any(each.is_due(tx.now, may_expire=may_expire) for each in _waiting(tx))


def due(tx: Transaction, *, may_expire: bool) -> list[JoinedMessage]:
    """Settles messages that a process left behind and, with `may_expire`, those that have waited
    for a missing part long enough."""
    found = _waiting(tx, lock=True)
    return _settled(tx, [each for each in found if each.is_due(tx.now, may_expire=may_expire)])


def empty(tx: Transaction, part_ids: Sequence[int]) -> None:
    """Destroys what parts say, once their message is stored."""
    _empty(tx, parts.c.id.in_(part_ids))


def destroy_texts(tx: Transaction, phone_id: int) -> None:
    """Destroys what a phone's parts say. They are not answered any more."""
    sender = select(phones.c.hash).where(phones.c.id == phone_id).scalar_subquery()
    _empty(tx, parts.c.sender_hash == sender)


def old(tx: Transaction, since: datetime, limit: int) -> list[int]:
    """Returns parts that no carrier delivers again, and those that could not be answered since
    `since`."""
    at = parts.c.received_at
    is_old = (at < tx.now - KEPT_FOR) & (parts.c.text.is_(None) | (at < since))
    found = tx.connection.execute(select(parts.c.id).where(is_old).order_by(at).limit(limit))
    return list(found.scalars())


def delete_old(tx: Transaction, part_ids: Sequence[int]) -> None:
    if part_ids:
        tx.connection.execute(delete(parts).where(parts.c.id.in_(part_ids)))


def _empty(tx: Transaction, which: ColumnElement[bool]) -> None:
    tx.connection.execute(update(parts).where(which).values(sender=None, text=None))


def _sender_hash(tx: Transaction, sms: IncomingSms) -> bytes:
    """As a phone's, so that its parts are found where its data is deleted."""
    return tx.vault.hash(phone.e164(sms.sender) or sms.sender, "phone")


def _waiting(tx: Transaction, *which: ColumnElement[bool], lock: bool = False) -> list[_Parts]:
    """Returns the parts that wait, those of each message together."""
    query = select(parts).where(PART_WAITS, *which)
    # The ids give the order of locks, so that two processes do not wait for each other.
    query = query.order_by(parts.c.id).limit(AT_ONCE)
    found = tx.connection.execute(query.with_for_update() if lock else query)
    by_name = defaultdict[object, list[Row[Any]]](list)
    for row in found:
        name = (row.carrier, row.sender_hash, row.sender_id, row.reference, row.total)
        by_name[name].append(row)
    return [each for rows in by_name.values() for each in _grouped(rows)]


def _grouped(rows: Sequence[Row[Any]]) -> Iterator[_Parts]:
    """Groups parts with the same reference, in the order they came. It was used again where a
    number comes twice, or a part long after the others: then a new message begins."""
    groups: list[_Parts] = []
    for row in rows:
        group = next((each for each in reversed(groups) if each.takes(row)), None)
        if group is None:
            group = _Parts()
            groups.append(group)
        group.rows[row.number] = row
    return iter(groups)


def _settled(tx: Transaction, groups: Sequence[_Parts]) -> list[JoinedMessage]:
    """Settles which parts belong together, and joins them. Where many rows cannot be decrypted,
    theirs go on waiting."""
    joined = []
    for group in groups:
        if not group.is_settled:
            these = update(parts).where(parts.c.id.in_(group.ids))
            tx.connection.execute(these.values(message_ref=_message_ref(group)))
        failed = len(tx.failed)
        sms = _join(tx, group)
        if len(tx.failed) == failed or tx.may_end_what_failed():
            joined.append(JoinedMessage(sms, group.ids))
    return joined


def _message_ref(group: _Parts) -> str:
    """The carrier's id of the first part, which names the message when asking the carrier."""
    first = group.first
    ref = str(first.carrier_ref)
    return ref if first.number == 1 else f"{ref[:60]}/{first.number}"


def _join(tx: Transaction, group: _Parts) -> IncomingSms | None:
    """Returns the message as far as it can be read; None where nothing can."""
    sender, texts, is_gap = None, list[str](), False
    for number in range(1, group.first.total + 1):
        row = group.rows.get(number)
        opened = _opened(tx, row) if row is not None else None
        if opened is None:
            texts += [] if is_gap else [GAP]
        else:
            sender = opened[0]
            texts.append(opened[1])
        is_gap = opened is None
    if sender is None:
        return None
    first = group.first
    ref = first.message_ref or _message_ref(group)
    return IncomingSms(first.carrier, ref, sender, first.sender_id, "".join(texts))


def _opened(tx: Transaction, row: Row[Any]) -> tuple[str, str] | None:
    named_by = (row.carrier, row.sender_hash, row.reference, row.number, row.carrier_ref)
    sender = tx.opened(row.sender, Ciphertext.PART_SENDER, row.id, *named_by)
    text = tx.opened(row.text, Ciphertext.PART_TEXT, row.id, *named_by)
    return None if sender is None or text is None else (sender, text)
