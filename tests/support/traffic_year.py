"""Stores a year of messages day by day, while the clock moves and what is due is deleted."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, func, insert, select

from smsgw.operations.retention import Retention
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction
from tests.conftest import Clock

DAYS = 365
MESSAGES_A_PHONE = 20
AT_ONCE = 5000  # rows in one statement


def days(rt: Runtime, clock: Clock, a_day: int) -> Iterator[Retention]:
    """Yields after each day of a year with `a_day` messages and their replies, from phones that
    write for a month and then never again. The caller deletes what is due."""
    retention = Retention(rt)
    for day in range(DAYS):
        _store(rt, day, a_day)
        clock.moves(days=1)
        yield retention


def oldest_text(rt: Runtime, table: Table, at: str) -> datetime:
    with rt.reading() as tx:
        query = select(func.min(table.c[at])).where(table.c.text.is_not(None))
        oldest: datetime = tx.connection.execute(query).scalar_one()
        return oldest


def numbers_held(rt: Runtime) -> int:
    return _count(rt, phones.c.number.is_not(None))


def rows_held(rt: Runtime) -> tuple[int, int]:
    """Counts messages and replies, with a text or without."""
    return _count(rt, messages.c.id.is_not(None)), _count(rt, replies.c.id.is_not(None))


def _count(rt: Runtime, which: object) -> int:
    with rt.reading() as tx:
        return int(tx.connection.execute(select(func.count()).where(which)).scalar_one())


def _store(rt: Runtime, day: int, count: int) -> None:
    with rt.writing() as tx:
        senders = _phones(tx, day, max(1, count // MESSAGES_A_PHONE))
        said = [_message(tx, day, number, senders) for number in range(count)]
        ids = _put(tx.connection, messages, said)
        answered = [_reply(tx, *pair) for pair in zip(ids, said, strict=True)]
        _put(tx.connection, replies, answered)


def _phones(tx: Transaction, day: int, count: int) -> Sequence[int]:
    """Adds this month's phones; the next month has others."""
    first = select(phones.c.id).where(phones.c.hash == tx.vault.hash(f"{day // 30}-0", "phone"))
    known = tx.connection.execute(first).scalar_one_or_none()
    if known is not None:
        return range(known, known + count)
    hashes = [tx.vault.hash(f"{day // 30}-{number}", "phone") for number in range(count)]
    rows = [
        {
            "hash": each,
            "number": tx.vault.encrypt("+6281299990000", Ciphertext.PHONE, each),
            "version": 1,
        }
        for each in hashes
    ]
    return _put(tx.connection, phones, rows)


def _message(
    tx: Transaction, day: int, number: int, senders: Sequence[int]
) -> Mapping[str, object]:
    return {
        "carrier": "simulator",
        "carrier_ref": f"{day}-{number}",
        "sender_id": "2757",
        "phone_id": senders[number % len(senders)],
        "text": tx.vault.encrypt(
            "tolong cek saldo", Ciphertext.MESSAGE, "simulator", f"{day}-{number}"
        ),
        "text_hash": tx.vault.hash(str(number % 50), "text"),
        "received_at": tx.now + timedelta(seconds=number % 86_400),
        "keyword": "saldo",
        "outcome": "not_registered",
        "state": "answered",
    }


def _reply(tx: Transaction, message_id: int, said: Mapping[str, object]) -> Mapping[str, object]:
    at = said["received_at"]
    assert isinstance(at, datetime)
    return {
        "message_id": message_id,
        "phone_id": said["phone_id"],
        "carrier": "simulator",
        "sender_id": "2757",
        "text": tx.vault.encrypt("Nomor ini belum terdaftar", Ciphertext.REPLY),
        "encoding": "GSM-7",
        "segments": 1,
        "state": "delivered",
        "priority": 0,
        "made_at": at,
        "expires_at": at + timedelta(hours=2),
        "attempts": 1,
        "waited": 0.4,
    }


def _put(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]
) -> Sequence[int]:
    """Returns their ids, in the same order."""
    put = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    ids: list[int] = []
    for first in range(0, len(rows), AT_ONCE):
        ids += connection.execute(put, rows[first : first + AT_ONCE]).scalars()
    return ids
