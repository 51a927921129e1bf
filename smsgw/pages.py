"""What LANJUT shows: the rest of a long answer, as it was written then."""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select

from smsgw.models import Ciphertext, pages
from smsgw.runtime import Transaction

PAGES_LAST = timedelta(minutes=30)


def keep(tx: Transaction, phone_id: int, texts: list[str]) -> None:
    """What LANJUT shows for half an hour; none where a lock or an unbinding destroys it."""
    tx.connection.execute(delete(pages).where(pages.c.phone_id == phone_id))
    if texts:
        row = {
            "phone_id": phone_id,
            "texts": tx.vault.encrypt(json.dumps(texts), Ciphertext.PAGES),
            "expires_at": tx.now + PAGES_LAST,
        }
        tx.connection.execute(insert(pages).values(row))


def held(tx: Transaction, row: Row[*tuple[Any, ...]]) -> list[str]:
    """Of a row with the phone's `id`, `pages` and `pages_expire_at`."""
    if row.pages is None or row.pages_expire_at <= tx.now:
        return []
    opened = tx.opened(row.pages, Ciphertext.PAGES, row.id)
    texts: list[str] = json.loads(opened) if opened else []
    return texts


def turn(tx: Transaction, phone_id: int) -> None:
    row = tx.connection.execute(
        select(
            pages.c.phone_id.label("id"),
            pages.c.texts.label("pages"),
            pages.c.expires_at.label("pages_expire_at"),
        ).where(pages.c.phone_id == phone_id)
    ).first()
    keep(tx, phone_id, held(tx, row)[1:] if row else [])
