"""Transcripts that operators keep: conversations to be run again against what they draft.

The people in them are fictitious; whoever keeps one sees to that.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.operators import transcripts
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

LONGEST_NAME = 80
LONGEST_TEXT = 100_000  # characters


class NotSaved(ValueError):
    """Its text says why."""


@dataclass(frozen=True, slots=True)
class SavedTranscript:
    id: int
    name: str
    text: str  # YAML, see transcript
    at: datetime
    by: str


def valid_name(written: str) -> str:
    """Returns a name as it is saved. Raises NotSaved."""
    name = " ".join(written.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise NotSaved(f"a name has 1 to {LONGEST_NAME} characters")
    return name


def save(tx: Transaction, name: str, text: str, author: str) -> int:
    """Saves a transcript and returns its id. Raises NotSaved."""
    name = valid_name(name)
    if len(text) > LONGEST_TEXT:
        raise NotSaved(f"it has more than {LONGEST_TEXT:,} characters")
    row = {
        "name": tx.vault.encrypt(name, Ciphertext.TRANSCRIPT_NAME, author, tx.now),
        "text": tx.vault.encrypt(text, Ciphertext.TRANSCRIPT, author, tx.now),
        "made_at": tx.now,
        "made_by": author,
    }
    inserted = tx.connection.execute(insert(transcripts).values(row).returning(transcripts.c.id))
    number = int(inserted.scalar_one())
    audit.note(tx, Act.TRANSCRIPT_KEPT, author, detail=f"transcript {number}")
    return number


def newest(tx: Transaction, before: int | None = None, limit: int = 50) -> list[SavedTranscript]:
    """Returns the newest first; `before` is an id."""
    rows = select(transcripts).order_by(transcripts.c.id.desc()).limit(limit)
    if before is not None:
        rows = rows.where(transcripts.c.id < before)
    return [_from_row(tx, row) for row in tx.connection.execute(rows)]


def one(tx: Transaction, number: int) -> SavedTranscript | None:
    row = tx.connection.execute(select(transcripts).where(transcripts.c.id == number)).first()
    return _from_row(tx, row) if row else None


def remove(tx: Transaction, number: int, actor: str) -> None:
    """Deletes a transcript; one that is gone already is ignored."""
    gone = tx.connection.execute(delete(transcripts).where(transcripts.c.id == number))
    if gone.rowcount:
        audit.note(tx, Act.TRANSCRIPT_DELETED, actor, detail=f"transcript {number}")


def _from_row(tx: Transaction, row: Row[Any]) -> SavedTranscript:
    named_by = (row.id, row.made_by, row.made_at)
    name = tx.opened(row.name, Ciphertext.TRANSCRIPT_NAME, *named_by) or f"transcript {row.id}"
    text = tx.opened(row.text, Ciphertext.TRANSCRIPT, *named_by) or ""
    return SavedTranscript(row.id, name, text, row.made_at, row.made_by)
