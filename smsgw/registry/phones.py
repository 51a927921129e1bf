"""Finds and writes the rows of phones."""

import secrets
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select, update
from sqlalchemy.exc import IntegrityError

from smsgw.storage.bulk import BulkInsert, BulkUpdate, Write
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.tables.types import Id
from smsgw.storage.transaction import Conflict, Transaction

_COLUMNS = ("hash", "number", "version")
_insert = BulkInsert(phones, *_COLUMNS)
_insert_with_id = BulkInsert(phones, "id", *_COLUMNS, "last_message_id", "last_reply_id")


def add_all(tx: Transaction, numbers: Sequence[str]) -> list[int]:
    """Adds phones and returns their ids. Raises Conflict if one is there already."""
    try:
        return _insert.run(tx.connection, [_row(tx, number) for number in numbers])
    except IntegrityError:
        raise Conflict from None


def _row(tx: Transaction, number: str) -> dict[str, object]:
    found_by = tx.vault.hash(number, "phone")
    sealed = tx.vault.encrypt(number, Ciphertext.PHONE, found_by)
    return {"hash": found_by, "number": sealed, "version": 1}


def number_of(tx: Transaction, phone_id: int) -> str | None:
    return opened_number(tx, select(phones).where(phones.c.id == phone_id))


def opened_number(tx: Transaction, whose: Select[*tuple[Any, ...]]) -> str | None:
    """Returns the number of the phone that `whose` selects; None if there is none, or it is
    forgotten."""
    row = tx.connection.execute(whose).one_or_none()
    return tx.opened(row.number, Ciphertext.PHONE, row.id, row.hash) if row else None


def language_of(tx: Transaction, phone_id: int) -> str:
    chosen = tx.connection.execute(select(phones.c.language).where(phones.c.id == phone_id))
    return str(chosen.scalar_one())


def phone_id_of(tx: Transaction, number: str) -> int:
    """Returns the id of a phone that may never have written."""
    found = tx.connection.execute(
        select(phones.c.id).where(phones.c.hash == tx.vault.hash(number, "phone"))
    ).scalar_one_or_none()
    return int(found) if found is not None else add_all(tx, [number])[0]


class LastMessage(NamedTuple):
    """Names what a phone said last and, if it may be repeated, what it was answered."""

    phone_id: int
    version: int  # as it was read
    message_id: int | None = None
    reply_id: int | None = None
    counts: bool = True  # whether the version is counted up


_last = BulkUpdate(
    {"which": Id, "read": Id, "counts": Id, "said": Id, "told": Id},
    lambda row: (
        update(phones)
        .where(phones.c.id == row["which"], phones.c.version == row["read"])
        .values(
            version=phones.c.version + row["counts"],
            last_message_id=func.coalesce(row["said"], phones.c.last_message_id),
            last_reply_id=func.coalesce(row["told"], phones.c.last_reply_id),
        )
    ),
)


def last_message_rows(last: Collection[LastMessage]) -> Write:
    """Returns what writes to each phone what it said last, in the order of their ids, so that two
    processes do not wait for each other. Where another message of one was first, it is a
    conflict."""
    rows = [
        {
            "which": each.phone_id,
            "read": each.version,
            "counts": int(each.counts),
            "said": each.message_id,
            "told": each.reply_id,
        }
        for each in sorted(last, key=lambda each: each.phone_id)
    ]
    return Write(_last, rows)


def new_rows(tx: Transaction, new: Collection[tuple[str, LastMessage]]) -> Write:
    """Returns what adds phones, by their numbers, with what they said first, in an order that lets
    no two processes wait for each other. Where one is there already, it cannot be inserted."""
    rows = [
        {
            **_row(tx, number),
            "id": first.phone_id,
            "last_message_id": first.message_id,
            "last_reply_id": first.reply_id,
        }
        for number, first in sorted(new)
    ]
    return Write(_insert_with_id, rows)


def set_values(tx: Transaction, phone_id: int, **values: object) -> None:
    tx.connection.execute(update(phones).where(phones.c.id == phone_id).values(values))


def opt_out(tx: Transaction, phone_id: int) -> None:
    """Records that the phone said STOP to the carrier, which refuses us from then on."""
    tx.connection.execute(
        update(phones)
        .where(phones.c.id == phone_id, phones.c.stopped_at.is_(None))
        .values(stopped_at=tx.now)
    )


def erase(tx: Transaction, phone_id: int) -> None:
    """Forgets what was said last, and counts the version up: whoever answers the phone at this
    instant starts again."""
    nothing = {"last_message_id": None, "last_reply_id": None, "wants_news": False}
    own_phone = update(phones).where(phones.c.id == phone_id)
    tx.connection.execute(own_phone.values(version=phones.c.version + 1, **nothing))


def forget(tx: Transaction, phone_id: int, version: int) -> bool:
    """Destroys the number, unless the phone wrote since `version` was read."""
    forgotten = tx.connection.execute(
        update(phones)
        .where(phones.c.id == phone_id, phones.c.version == version)
        .values(number=None, hash=secrets.token_bytes(32), version=version + 1)
    )
    return forgotten.rowcount == 1
