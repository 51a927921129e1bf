"""Decrypts stored values as the service does."""

from sqlalchemy import ColumnElement

from smsgw.storage.tables import sealed
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction


def texts(tx: Transaction, name: Ciphertext, *which: ColumnElement[bool]) -> list[str]:
    """Decrypts the texts of these rows, by key; leaves out deleted ones."""
    found = tx.connection.execute(sealed.values(name).where(*which).order_by("key"))
    return [
        tx.vault.decrypt(held, name, *named_by) for _, held, *named_by in found if held is not None
    ]
