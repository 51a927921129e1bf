"""Stores which notifications a phone asked for, with the words that it agreed to."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, select, update

from handlers.changes import NotificationKind
from smsgw.storage import row_macs
from smsgw.storage.tables.notifications import notification_digests, subscriptions
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

ALIVE = subscriptions.c.ended_at.is_(None)


def kinds_of(tx: Transaction, phone_id: int, phone_hash: bytes) -> frozenset[NotificationKind]:
    """Returns what a phone is notified of, as far as we wrote that it asked."""
    found = select(subscriptions).where(subscriptions.c.phone_id == phone_id, ALIVE)
    rows = tx.connection.execute(found).all()
    return frozenset(
        NotificationKind(row.kind)
        for row in rows
        if is_ours(tx, row.mac, row.id, (phone_hash, row.kind, row.consented_at))
    )


def is_ours(
    tx: Transaction, mac: bytes | None, row_id: int, proven: tuple[bytes, str, datetime]
) -> bool:
    """Tells whether we wrote that this phone asked. `proven`: the hash of its number, the kind and
    the time of consent."""
    values = dict(zip(("phone", "kind", "consented_at"), proven, strict=True))
    return tx.is_ours(row_macs.SUBSCRIPTION, mac, row_id, values)


def add(
    tx: Transaction,
    phone_id: int,
    number: str,
    kinds: Collection[NotificationKind],
    consent: str,
) -> None:
    """Records that the phone asks for these kinds; `consent` is what it was told."""
    phone_hash = tx.vault.hash(number, "phone")
    of_these = (subscriptions.c.phone_id == phone_id) & subscriptions.c.kind.in_(kinds)
    tx.connection.execute(delete(subscriptions).where(of_these))
    _begin_anew(tx, phone_id, kinds)
    rows = [
        {
            "kind": kind,
            "phone_id": phone_id,
            "consented_at": tx.now,
            "consent": tx.vault.encrypt(consent, Ciphertext.SUBSCRIPTION, phone_hash, kind),
            "mac": row_macs.SUBSCRIPTION.make(
                tx.vault, {"phone": phone_hash, "kind": kind, "consented_at": tx.now}
            ),
        }
        for kind in kinds
    ]
    tx.connection.execute(insert(subscriptions), rows)


def _begin_anew(tx: Transaction, phone_id: int, kinds: Collection[NotificationKind]) -> None:
    """Forgets what was told before: who asks again is told of what changes from now on."""
    own = select(bindings.c.id).where(bindings.c.phone_id == phone_id)
    digests = notification_digests.c
    old = digests.binding_id.in_(own) & digests.kind.in_(kinds)
    tx.connection.execute(delete(notification_digests).where(old))


def end(
    tx: Transaction, phone_ids: Collection[int], kinds: Collection[NotificationKind] | None = None
) -> None:
    """Ends what these phones are notified of: all, or these kinds."""
    own = subscriptions.c.phone_id.in_(phone_ids)
    _end(tx, own if kinds is None else own & subscriptions.c.kind.in_(kinds))


def end_unbound(tx: Transaction, phone_ids: Collection[int]) -> None:
    """Ends what phones are notified of that are bound to nobody any more: who has the number next
    did not ask."""
    bound = exists().where(
        bindings.c.phone_id == subscriptions.c.phone_id, bindings.c.ended_at.is_(None)
    )
    _end(tx, subscriptions.c.phone_id.in_(phone_ids) & ~bound)


def _end(tx: Transaction, which: ColumnElement[Any]) -> None:
    ended = update(subscriptions).where(which, ALIVE).values(ended_at=tx.now, mac=None)
    tx.connection.execute(ended)


def forget(tx: Transaction, phone_ids: Collection[int], since: datetime) -> None:
    """Deletes what ended before `since`."""
    old = subscriptions.c.phone_id.in_(phone_ids) & (subscriptions.c.ended_at < since)
    tx.connection.execute(delete(subscriptions).where(old))


def erase(tx: Transaction, phone_id: int) -> None:
    tx.connection.execute(delete(subscriptions).where(subscriptions.c.phone_id == phone_id))
    _begin_anew(tx, phone_id, tuple(NotificationKind))


def has_stopped(tx: Transaction, phone_id: int) -> bool:
    """Tells whether the phone said STOP."""
    said = select(phones.c.stopped_at).where(phones.c.id == phone_id)
    return tx.connection.execute(said).scalar_one_or_none() is not None


def wanted(tx: Transaction, phone_ids: Collection[int]) -> set[tuple[int, NotificationKind]]:
    """Returns which of these phones want which kinds, as far as we wrote that they asked."""
    found = (
        select(subscriptions, phones.c.hash)
        .join(phones, phones.c.id == subscriptions.c.phone_id)
        .where(subscriptions.c.phone_id.in_(phone_ids), ALIVE, phones.c.stopped_at.is_(None))
    )
    return {
        (row.phone_id, NotificationKind(row.kind))
        for row in tx.connection.execute(found).all()
        if is_ours(tx, row.mac, row.id, (row.hash, row.kind, row.consented_at))
    }
