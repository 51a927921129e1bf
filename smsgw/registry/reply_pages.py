"""Stores what LANJUT shows: the rest of a long answer, as it was written then."""

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select

from smsgw.storage.tables.phones import pages, phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

PAGES_LAST = timedelta(minutes=30)


def keep(tx: Transaction, phone_id: int, number: str, texts: list[str]) -> None:
    """Stores what LANJUT shows on the phone with this number for half an hour."""
    destroy(tx, phone_id)
    if texts:
        phone_hash = tx.vault.hash(number, "phone")
        row = {
            "phone_id": phone_id,
            "texts": tx.vault.encrypt(json.dumps(texts), Ciphertext.PAGES, phone_hash),
            "expires_at": tx.now + PAGES_LAST,
        }
        tx.connection.execute(insert(pages).values(row))


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
    keep(tx, phone_id, number, read(tx, row)[1:] if row else [])
