"""Reads who asked for a kind of notification, a slice at a time, and what they were last told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError

from handlers.changes import NotificationKind
from smsgw.notifications.runs import Run
from smsgw.registry.held_bindings import UNUSED_FOR
from smsgw.storage.bulk import BulkInsert, BulkSelect, BulkUpdate
from smsgw.storage.tables.notifications import (
    Audience,
    notification_digests,
    notification_lists,
    subscriptions,
)
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.tables.types import Id
from smsgw.storage.transaction import Conflict, Transaction

DIGEST_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Holds a participant bound to a phone that asked."""

    phone_id: int
    binding_id: int
    nkp: str
    nkp_hash: bytes
    told: bytes | None  # the digest of what was last told
    phone: tuple[bytes, bytes]  # its number, sealed, and the hash of it
    on_file: tuple[bytes | None, bytes | None]  # the number on file when it was bound, likewise


@dataclass(frozen=True, slots=True)
class Slice:
    subscribers: Sequence[Subscriber]
    cursor: int  # the last phone
    is_last: bool


def read(tx: Transaction, run: Run, limit: int, *, only_new: bool = False) -> Slice:
    """Returns the subscribers behind the run's cursor. `only_new`: those that were told nothing
    yet. The bindings of a phone are in one slice."""
    found = _of_kind(tx, run.kind).where(subscriptions.c.phone_id > run.cursor)
    if only_new:
        found = found.where(notification_digests.c.digest.is_(None))
    if run.announcement is not None and run.announcement.audience is Audience.LIST:
        found = found.where(_is_listed(run.id))
    ordered = found.order_by(subscriptions.c.phone_id, bindings.c.id).limit(limit)
    rows = tx.connection.execute(ordered).all()
    is_last = len(rows) < limit
    if not is_last:
        whole = [row for row in rows if row.phone_id != rows[-1].phone_id]
        rows = whole or rows
    cursor = rows[-1].phone_id if rows else run.cursor
    return Slice(_opened(tx, rows), cursor, is_last)


def of_participants(
    tx: Transaction, kind: NotificationKind, nkps: Sequence[str]
) -> list[Subscriber]:
    """Returns those of these participants who asked."""
    hashes = [tx.vault.hash(nkp, "nkp") for nkp in nkps]
    found = BulkSelect(_of_kind(tx, kind).where, bindings.c.nkp_hash)
    return _opened(tx, found.run(tx.connection, hashes).all())


def of_bindings(
    tx: Transaction, kind: NotificationKind, binding_ids: Sequence[int]
) -> list[Subscriber]:
    found = _of_kind(tx, kind).where(bindings.c.id.in_(binding_ids))
    return _opened(tx, tx.connection.execute(found).all())


def count(tx: Transaction) -> Mapping[NotificationKind, int]:
    """Counts the phones that asked, by kind."""
    counted = (
        select(subscriptions.c.kind, func.count())
        .where(subscriptions.c.ended_at.is_(None))
        .group_by(subscriptions.c.kind)
    )
    return {NotificationKind(kind): number for kind, number in tx.connection.execute(counted)}


_new_digests = BulkInsert(notification_digests, "binding_id", "kind", "digest")
_changed_digests = BulkUpdate(
    {
        "binding": Id,
        "of_kind": notification_digests.c.kind.type,
        "now": notification_digests.c.digest.type,
    },
    lambda row: (
        update(notification_digests)
        .where(
            notification_digests.c.binding_id == row["binding"],
            notification_digests.c.kind == row["of_kind"],
        )
        .values(digest=row["now"])
    ),
)


def remember(
    tx: Transaction, kind: NotificationKind, told: Sequence[tuple[Subscriber, bytes]]
) -> None:
    """Notes what counts as told from now on. Raises Conflict."""
    new = [
        {"binding_id": each.binding_id, "kind": kind, "digest": digest}
        for each, digest in told
        if each.told is None
    ]
    changed = [
        {"binding": each.binding_id, "of_kind": kind, "now": digest}
        for each, digest in told
        if each.told is not None and each.told != digest
    ]
    try:
        if new:
            _new_digests.count(tx.connection, new)
    except IntegrityError:  # another run looked at them at this instant
        raise Conflict from None
    _changed_digests.run(tx.connection, changed)


def forget(tx: Transaction, phone_ids: Collection[int]) -> None:
    """Forgets what was told by bindings of these phones that have ended."""
    ended = select(bindings.c.id).where(
        bindings.c.phone_id.in_(phone_ids), bindings.c.ended_at.is_not(None)
    )
    gone = delete(notification_digests).where(notification_digests.c.binding_id.in_(ended))
    tx.connection.execute(gone)


def number_of(tx: Transaction, subscriber: Subscriber) -> str | None:
    sealed, hashed = subscriber.phone
    return tx.opened(sealed, Ciphertext.PHONE, subscriber.phone_id, hashed)


def on_file_of(tx: Transaction, subscriber: Subscriber) -> str | None:
    sealed, hashed = subscriber.on_file
    return tx.opened(sealed, Ciphertext.ON_FILE, subscriber.binding_id, hashed)


def _of_kind(tx: Transaction, kind: NotificationKind) -> Select[*tuple[Any, ...]]:
    digest_of = (notification_digests.c.binding_id == bindings.c.id) & (
        notification_digests.c.kind == kind
    )
    return (
        select(subscriptions.c.phone_id, bindings.c.id, bindings.c.nkp, bindings.c.nkp_hash)
        .add_columns(bindings.c.on_file, bindings.c.on_file_hash)
        .add_columns(phones.c.number, phones.c.hash, notification_digests.c.digest)
        .join_from(subscriptions, phones, phones.c.id == subscriptions.c.phone_id)
        .join(bindings, bindings.c.phone_id == subscriptions.c.phone_id)
        .outerjoin(notification_digests, digest_of)
        .where(
            subscriptions.c.kind == kind,
            subscriptions.c.ended_at.is_(None),
            phones.c.stopped_at.is_(None),
            bindings.c.ended_at.is_(None),
            bindings.c.used_at > tx.now - UNUSED_FOR,
        )
    )


def _is_listed(run_id: int) -> Any:
    return exists().where(
        notification_lists.c.run_id == run_id,
        notification_lists.c.nkp_hash == bindings.c.nkp_hash,
    )


def _opened(tx: Transaction, rows: Sequence[Any]) -> list[Subscriber]:
    """Leaves out what cannot be opened."""
    opened = ((row, tx.opened(row.nkp, Ciphertext.NKP, row.id, row.nkp_hash)) for row in rows)
    return [
        Subscriber(
            phone_id=row.phone_id,
            binding_id=row.id,
            nkp=nkp,
            nkp_hash=row.nkp_hash,
            told=row.digest,
            phone=(row.number, row.hash),
            on_file=(row.on_file, row.on_file_hash),
        )
        for row, nkp in opened
        if nkp is not None
    ]
