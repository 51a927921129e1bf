"""Stores drafts that another replaced. The newest are kept, so that they can be restored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from smsgw.storage.tables.operators import past_drafts
from smsgw.storage.transaction import Transaction

PAST_KEPT = 20
LONGEST_WHY = 100


@dataclass(frozen=True, slots=True)
class Past:
    """Holds a draft that another replaced."""

    id: int
    text: str
    based_on: int
    authors: tuple[str, ...]
    at: datetime
    by: str
    why: str


def newest(tx: Transaction) -> list[Past]:
    """Returns past drafts, newest first."""
    rows = tx.connection.execute(select(past_drafts).order_by(past_drafts.c.id.desc()))
    return [_past(row) for row in rows]


def one(tx: Transaction, past_id: int) -> Past | None:
    row = tx.connection.execute(select(past_drafts).where(past_drafts.c.id == past_id)).first()
    return _past(row) if row else None


def keep(
    tx: Transaction, text: str, based_on: int, authors: Sequence[str], actor: str, why: str
) -> None:
    """Keeps a draft that `actor` replaced or discarded."""
    row = {
        "text": text,
        "based_on": based_on,
        "authors": "\n".join(authors),
        "ended_at": tx.now,
        "ended_by": actor,
        "why": why[:LONGEST_WHY],
    }
    inserted = insert(past_drafts).values(row).returning(past_drafts.c.id)
    newest_id = tx.connection.execute(inserted).scalar_one()
    tx.connection.execute(delete(past_drafts).where(past_drafts.c.id <= newest_id - PAST_KEPT))


def _past(row: Row[Any]) -> Past:
    authors = tuple(row.authors.splitlines())
    ending = (row.ended_at, row.ended_by, row.why)
    return Past(row.id, row.text, row.based_on, authors, *ending)
