"""Stores the operators' file of private messages, encrypted: one, which the next replaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from smsgw.configuration import background
from smsgw.configuration.background import PrivateMessage
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.operators import background_messages
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class BackgroundFile:
    messages: Sequence[PrivateMessage]
    at: datetime
    by: str


def save(tx: Transaction, text: str, author: str) -> int:
    """Saves a file in place of the one before, and returns how many messages it has. Raises
    NotPrivateMessages."""
    count = len(background.parse(text))
    row = {
        "id": 1,
        "text": tx.vault.encrypt(text, Ciphertext.BACKGROUND, author, tx.now),
        "made_at": tx.now,
        "made_by": author,
    }
    tx.connection.execute(delete(background_messages))
    tx.connection.execute(insert(background_messages).values(row))
    audit.note(tx, Act.BACKGROUND_SAVED, author, detail=f"{count} messages")
    return count


def remove(tx: Transaction, actor: str) -> bool:
    """Deletes the file; returns False if there is none."""
    is_gone = tx.connection.execute(delete(background_messages)).rowcount > 0
    if is_gone:
        audit.note(tx, Act.BACKGROUND_DELETED, actor)
    return is_gone


def current(tx: Transaction) -> BackgroundFile | None:
    row = tx.connection.execute(select(background_messages)).first()
    if row is None:
        return None
    text = tx.opened(row.text, Ciphertext.BACKGROUND, row.id, row.made_by, row.made_at)
    return BackgroundFile(background.parse(text) if text else (), row.made_at, row.made_by)


def messages(tx: Transaction) -> Sequence[PrivateMessage]:
    """Returns the messages of the file; none if there is no file."""
    found = current(tx)
    return found.messages if found else ()
