"""Codes that go to the number on file and come back from the phone that wants to be bound.

A keyed hash of each is kept. It is good for ten minutes, three tries and one phone; at most two a
day are sent for a participant.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update

from handlers.question import Claimed
from smsgw.models import Ciphertext, codes, freezes
from smsgw.runtime import Transaction

CODE_LASTS = timedelta(minutes=10)
CODE_TRIES = 3
CODES_A_DAY = 2
DISOWNED_FOR = timedelta(days=30)  # how far back BUKAN SAYA reaches
CODE_LETTERS, CODE_LENGTH = "BCDFGHJKLMNPQRSTVWXZ", 5  # consonants: digits look like an OTP


def make(tx: Transaction, phone_id: int, nkp: str, on_file: str) -> str | None:
    """A code for the number on file; None where it had its share or said BUKAN SAYA."""
    nkp_hash = tx.vault.hash(nkp, "nkp")
    made = select(func.count()).where(
        codes.c.nkp_hash == nkp_hash, codes.c.made_at > tx.now - timedelta(days=1)
    )
    if tx.connection.execute(made).scalar_one() >= CODES_A_DAY:
        return None
    if is_frozen(tx, nkp):
        return None
    spend(tx, phone_id, nkp)
    code = "".join(tx.random.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    row = {
        "phone_id": phone_id,
        "nkp_hash": nkp_hash,
        "nkp": tx.vault.encrypt(nkp, Ciphertext.CLAIMED_NKP),
        "on_file_hash": tx.vault.hash(on_file, "phone"),
        "on_file": tx.vault.encrypt(on_file, Ciphertext.CLAIMED_ON_FILE),
        "code_hash": _code_hash(tx, phone_id, code),
        "wrong_tries": 0,
        "made_at": tx.now,
    }
    tx.connection.execute(insert(codes).values(row))
    return code


def is_frozen(tx: Transaction, nkp: str) -> bool:
    """Whether somebody said BUKAN SAYA."""
    held = select(func.count()).where(freezes.c.nkp_hash == tx.vault.hash(nkp, "nkp"))
    return bool(tx.connection.execute(held).scalar_one())


@dataclass(frozen=True, slots=True)
class Frozen:
    """A participant that BUKAN SAYA was said of; which one, while the code it was about is kept."""

    key: str
    at: datetime
    nkp: str | None
    on_file: str | None


def frozen(tx: Transaction, limit: int) -> list[Frozen]:
    """The newest first."""
    sent = codes.alias()
    last = select(func.max(sent.c.id)).where(sent.c.nkp_hash == freezes.c.nkp_hash)
    rows = tx.connection.execute(
        select(freezes.c.nkp_hash, freezes.c.at, codes.c.id, codes.c.nkp, codes.c.on_file)
        .outerjoin_from(freezes, codes, codes.c.id == last.correlate(freezes).scalar_subquery())
        .order_by(freezes.c.at.desc(), freezes.c.nkp_hash)
        .limit(limit)
    )
    return [_as_frozen(tx, row) for row in rows]


def thaw(tx: Transaction, key: str) -> bytes | None:
    """Codes may be sent again for whom `frozen` gives this key: the hash of that NKP. None where
    they may already."""
    try:
        nkp_hash = bytes.fromhex(key)
    except ValueError:
        return None
    gone = delete(freezes).where(freezes.c.nkp_hash == nkp_hash)
    return nkp_hash if tx.connection.execute(gone).rowcount == 1 else None


def _as_frozen(tx: Transaction, row: Row[*tuple[Any, ...]]) -> Frozen:
    nkp = tx.opened(row.nkp, Ciphertext.CLAIMED_NKP, row.id)
    on_file = tx.opened(row.on_file, Ciphertext.CLAIMED_ON_FILE, row.id)
    return Frozen(row.nkp_hash.hex(), row.at, nkp, on_file)


def claimed(tx: Transaction, phone_id: int, code: str) -> Claimed | None:
    """What `code`, typed on this phone, opens."""
    row = tx.connection.execute(
        select(codes.c.id, codes.c.nkp, codes.c.on_file).where(
            codes.c.phone_id == phone_id,
            codes.c.code_hash == _code_hash(tx, phone_id, code),
            *_still_good(tx),
        )
    ).first()
    if row is None:
        return None
    nkp = tx.opened(row.nkp, Ciphertext.CLAIMED_NKP, row.id)
    on_file = tx.opened(row.on_file, Ciphertext.CLAIMED_ON_FILE, row.id)
    return Claimed(nkp, on_file) if nkp is not None and on_file is not None else None


def is_awaited(tx: Transaction, phone_id: int) -> bool:
    """Whether a code for this phone is still good."""
    waiting = select(func.count()).where(codes.c.phone_id == phone_id, *_still_good(tx))
    return bool(tx.connection.execute(waiting).scalar_one())


def count_wrong(tx: Transaction, phone_id: int) -> None:
    """A try at every code that this phone waits for."""
    tx.connection.execute(
        update(codes)
        .where(codes.c.phone_id == phone_id, codes.c.ended_at.is_(None))
        .values(wrong_tries=codes.c.wrong_tries + 1)
    )


def spend(tx: Transaction, phone_id: int, nkp: str) -> None:
    """The codes that this phone waits for to be bound to `nkp` are good no more."""
    _end(tx, (codes.c.nkp_hash == tx.vault.hash(nkp, "nkp")) & (codes.c.phone_id == phone_id))


def void(tx: Transaction, on_file: str) -> list[tuple[int, bytes]]:
    """Ends the codes that were sent to a number, and sends it no more for these participants.

    Returns (phone that wanted it, hash of the NKP) of each.
    """
    here = tx.vault.hash(on_file, "phone")
    sent = tx.connection.execute(
        select(codes.c.phone_id, codes.c.nkp_hash)
        .where(codes.c.on_file_hash == here, codes.c.made_at > tx.now - DISOWNED_FOR)
        .distinct()
    ).all()
    _end(tx, codes.c.on_file_hash == here)
    for nkp_hash in {row.nkp_hash for row in sent}:
        tx.connection.execute(delete(freezes).where(freezes.c.nkp_hash == nkp_hash))
        tx.connection.execute(insert(freezes).values(nkp_hash=nkp_hash, at=tx.now))
    return [(row.phone_id, row.nkp_hash) for row in sent]


def _still_good(tx: Transaction) -> tuple[ColumnElement[bool], ...]:
    return (
        codes.c.ended_at.is_(None),
        codes.c.made_at > tx.now - CODE_LASTS,
        codes.c.wrong_tries < CODE_TRIES,
    )


def _end(tx: Transaction, which: ColumnElement[bool]) -> None:
    ended = update(codes).where(which, codes.c.ended_at.is_(None)).values(ended_at=tx.now)
    tx.connection.execute(ended)


def _code_hash(tx: Transaction, phone_id: int, code: str) -> bytes:
    """Good on one phone only."""
    return tx.vault.hash(f"{phone_id} {code}", "code")
