"""Drafts that something took the place of; the newest are kept, so that they can come back."""

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
    """A draft that something took the place of."""

    id: int
    text: str
    based_on: int
    authors: tuple[str, ...]
    at: datetime
    by: str
    why: str


def newest(tx: Transaction) -> list[Past]:
    """Newest first."""
    rows = tx.connection.execute(select(past_drafts).order_by(past_drafts.c.id.desc()))
    return [_past(row) for row in rows]


def one(tx: Transaction, past_id: int) -> Past | None:
    row = tx.connection.execute(select(past_drafts).where(past_drafts.c.id == past_id)).first()
    return _past(row) if row else None


def keep(
    tx: Transaction, text: str, based_on: int, authors: Sequence[str], actor: str, why: str
) -> None:
    """`actor`: who put something else in its place."""
    row = {
        "text": text,
        "based_on": based_on,
        "authors": "\n".join(authors),
        "ended_at": tx.now,
        "ended_by": actor,
        "why": why[:LONGEST_WHY],
    }
    made = insert(past_drafts).values(row).returning(past_drafts.c.id)
    newest_id = tx.connection.execute(made).scalar_one()
    tx.connection.execute(delete(past_drafts).where(past_drafts.c.id <= newest_id - PAST_KEPT))


def _past(row: Row[Any]) -> Past:
    authors = tuple(row.authors.splitlines())
    told = (row.ended_at, row.ended_by, row.why)
    return Past(row.id, row.text, row.based_on, authors, *told)
