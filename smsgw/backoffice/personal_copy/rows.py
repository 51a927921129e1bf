"""Reads rows for the copy, and masks the numbers of other phones."""

from typing import Any

from sqlalchemy import Row, Select

from smsgw import phone
from smsgw.backoffice.ownership import Owner
from smsgw.storage.tables.sealed import ROW
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

Entry = dict[str, Any]


def read(tx: Transaction, found: Select[*tuple[Any, ...]]) -> list[Row[Any]]:
    return list(tx.connection.execute(found))


def named_by(column: Ciphertext, row: Row[Any]) -> tuple[Any, ...]:
    """Returns what names the row of a sealed value."""
    return tuple(getattr(row, each.name) for each in ROW[column])


def shown_number(owner: Owner, number: str | None) -> str | None:
    return number if number in {None, owner.number} else phone.mask(number or "")
