"""Stores what LANJUT shows: the rest of a long answer, as it was written then."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.exc import IntegrityError

from smsgw.storage.bulk import BulkInsert, Write, write_all
from smsgw.storage.tables.phones import pages, phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Conflict, Transaction

PAGES_LAST = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class NewPages:
    """Holds what LANJUT shows on the phone with this number. `replaces`: it may show others."""

    phone_id: int
    number: str
    texts: Sequence[str]
    replaces: bool = True


_insert = BulkInsert(pages, "phone_id", "texts", "expires_at")


def keep_all(tx: Transaction, new: Sequence[NewPages]) -> None:
    """Stores for half an hour what LANJUT shows. Raises Conflict where that was stored meanwhile
    for a phone that had nothing."""
    try:
        write_all(tx.connection, [new_rows(tx, new)])
    except IntegrityError:
        raise Conflict from None


def new_rows(tx: Transaction, new: Sequence[NewPages]) -> Write:
    """Returns what stores for half an hour what LANJUT shows; what it showed before is gone then.
    Where that was stored meanwhile for a phone that had nothing, it cannot be inserted."""
    replaced = [each.phone_id for each in new if each.replaces]
    if replaced:
        tx.connection.execute(delete(pages).where(pages.c.phone_id.in_(replaced)))
    return Write(_insert, [_row(tx, each) for each in new if each.texts])


def _row(tx: Transaction, new: NewPages) -> dict[str, object]:
    phone_hash = tx.vault.hash(new.number, "phone")
    return {
        "phone_id": new.phone_id,
        "texts": tx.vault.encrypt(json.dumps(new.texts), Ciphertext.PAGES, phone_hash),
        "expires_at": tx.now + PAGES_LAST,
    }


def destroy(tx: Transaction, phone_id: int) -> None:
    tx.connection.execute(delete(pages).where(pages.c.phone_id == phone_id))


def destroy_expired(tx: Transaction, phone_ids: Collection[int]) -> None:
    old = pages.c.phone_id.in_(phone_ids) & (pages.c.expires_at < tx.now)
    tx.connection.execute(delete(pages).where(old))


def read(tx: Transaction, row: Row[*tuple[Any, ...]]) -> list[str]:
    """Returns the pages of a row with the phone's `id` and `hash`, `pages` and
    `pages_expire_at`."""
    if row.pages is None or row.pages_expire_at <= tx.now:
        return []
    opened = tx.opened(row.pages, Ciphertext.PAGES, row.id, row.hash)
    texts: list[str] = json.loads(opened) if opened else []
    return texts


def turn(tx: Transaction, phone_id: int, number: str) -> None:
    row = tx.connection.execute(
        select(
            phones.c.id,
            phones.c.hash,
            pages.c.texts.label("pages"),
            pages.c.expires_at.label("pages_expire_at"),
        )
        .join_from(pages, phones)
        .where(pages.c.phone_id == phone_id)
    ).first()
    keep_all(tx, [NewPages(phone_id, number, read(tx, row)[1:] if row else [])])
