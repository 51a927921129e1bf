"""Freezes: participants for whom no codes are sent and nothing is accepted, since somebody said
BUKAN SAYA, or TOLAK of late.

A freeze denies, so its absence has to be proven: each stays for good, ended or not, and is counted
in a row of its own. A freeze or a count that is missing or not ours denies until an officer ends
it. Whoever had a code or a binding has a count.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, func, insert, select, update

from smsgw.storage import row_macs
from smsgw.storage.tables.phones import COUNTED, bindings, codes, freeze_counts, freezes
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class BlockedParticipant:
    """Names the participant while the code it was about is kept."""

    key: str
    at: datetime | None  # none where the freeze itself is missing
    nkp: str | None
    on_file: str | None


def among(
    tx: Transaction, nkp_hashes: Collection[bytes], *, for_a_day_too: bool = True
) -> frozenset[bytes]:
    """Returns those of these participants who are frozen."""
    if not nkp_hashes:
        return frozenset()
    of_these = freezes.c.nkp_hash.in_(nkp_hashes)
    by_nkp: dict[bytes, list[Row[Any]]] = {each: [] for each in nkp_hashes}
    for row in tx.connection.execute(select(freezes).where(of_these)):
        by_nkp[row.nkp_hash].append(row)
    counted = select(freeze_counts).where(freeze_counts.c.nkp_hash.in_(nkp_hashes))
    counts = {row.nkp_hash: row for row in tx.connection.execute(counted)}
    return frozenset(
        nkp_hash
        for nkp_hash, rows in by_nkp.items()
        if not _are_all(tx, nkp_hash, rows, counts.get(nkp_hash))
        or any(_lasts(tx, row, for_a_day_too=for_a_day_too) for row in rows)
    )


def is_blocked(tx: Transaction, nkp: str) -> bool:
    return bool(among(tx, [tx.vault.hash(nkp, "nkp")]))


def begin_count(tx: Transaction, nkp_hash: bytes) -> None:
    """Begins the count, before the first code or binding of a participant is stored."""
    counted = select(freeze_counts.c.nkp_hash).where(freeze_counts.c.nkp_hash == nkp_hash)
    if tx.connection.execute(counted).first() is None and not _is_known(tx, nkp_hash):
        _count(tx, nkp_hash)


def add(tx: Transaction, nkp_hash: bytes, until: datetime | None) -> None:
    """Freezes a participant until an officer ends it, or until `until`. Nobody else may decide
    about this participant at this instant (codes.hold)."""
    row = {"nkp_hash": nkp_hash, "at": tx.now, "until": until, "ended_at": None}
    is_whole = not _is_missing(tx, nkp_hash)
    tx.connection.execute(
        insert(freezes).values(row | {"mac": row_macs.FREEZE.make(tx.vault, row)})
    )
    if is_whole:  # what was missing before stays so until an officer has looked
        _count(tx, nkp_hash)


def end(tx: Transaction, key: str) -> bytes | None:
    """Ends a freeze for an officer. Takes the key that `frozen` gives, and returns the hash of that
    NKP, or None if codes may be sent already."""
    try:
        nkp_hash = bytes.fromhex(key)
    except ValueError:
        return None
    if not among(tx, [nkp_hash]):
        return None
    own = (freezes.c.nkp_hash == nkp_hash) & freezes.c.ended_at.is_(None)
    for row in tx.connection.execute(select(freezes).where(own)).all():
        values = {**row._mapping, "ended_at": tx.now}
        ended = {"ended_at": tx.now, "mac": row_macs.FREEZE.make(tx.vault, values)}
        tx.connection.execute(update(freezes).where(freezes.c.id == row.id).values(ended))
    _count(tx, nkp_hash)
    return nkp_hash


def blocked_participants(tx: Transaction, limit: int) -> list[BlockedParticipant]:
    """Returns the newest first; before them those whose freeze or count is missing."""
    active = (
        select(freezes.c.nkp_hash, func.max(freezes.c.at).label("at"))
        .where(freezes.c.ended_at.is_(None))
        .where(freezes.c.until.is_(None) | (freezes.c.until > tx.now))
        .group_by(freezes.c.nkp_hash)
        .order_by(func.max(freezes.c.at).desc(), freezes.c.nkp_hash)
        .limit(limit)
    )
    at = {row.nkp_hash: row.at for row in tx.connection.execute(active)}
    hashes = dict.fromkeys([*incomplete(tx, limit), *at])
    return [_participant(tx, each, at.get(each)) for each in list(hashes)[:limit]]


def incomplete(tx: Transaction, limit: int) -> list[bytes]:
    """Hashes of NKPs of whom a freeze or the count is missing. Bindings without a count are not
    looked for: `smsgw audit verify` finds them."""
    marks = select(func.count()).where(freezes.c.nkp_hash == freeze_counts.c.nkp_hash)
    fewer = select(freeze_counts.c.nkp_hash).where(
        COUNTED, freeze_counts.c.freezes != marks.scalar_subquery()
    )
    uncounted = [
        select(each.c.nkp_hash).where(~exists().where(freeze_counts.c.nkp_hash == each.c.nkp_hash))
        for each in (codes, freezes)
    ]
    return list(tx.connection.execute(fewer.union(*uncounted).limit(limit)).scalars())


def _participant(tx: Transaction, nkp_hash: bytes, at: datetime | None) -> BlockedParticipant:
    sent = select(codes).where(codes.c.nkp_hash == nkp_hash).order_by(codes.c.id.desc())
    row = tx.connection.execute(sent.limit(1)).first()
    if row is None:
        return BlockedParticipant(nkp_hash.hex(), at, None, None)
    nkp = tx.opened(row.nkp, Ciphertext.CLAIMED_NKP, row.id, row.code_hash)
    on_file = tx.opened(row.on_file, Ciphertext.CLAIMED_ON_FILE, row.id, row.code_hash)
    return BlockedParticipant(nkp_hash.hex(), at, nkp, on_file)


def _lasts(tx: Transaction, row: Row[Any], *, for_a_day_too: bool) -> bool:
    if not tx.is_ours(row_macs.FREEZE, row.mac, row.id, row._mapping):
        return True
    if row.ended_at is not None:
        return False
    return row.until is None or (for_a_day_too and bool(row.until > tx.now))


def _is_missing(tx: Transaction, nkp_hash: bytes) -> bool:
    rows = tx.connection.execute(select(freezes).where(freezes.c.nkp_hash == nkp_hash)).all()
    counted = select(freeze_counts).where(freeze_counts.c.nkp_hash == nkp_hash)
    return not _are_all(tx, nkp_hash, rows, tx.connection.execute(counted).first())


def _are_all(
    tx: Transaction, nkp_hash: bytes, rows: Collection[Row[Any]], count: Row[Any] | None
) -> bool:
    """Tells whether none of a participant's freezes is missing."""
    if count is None:
        are_all = not rows and not _is_known(tx, nkp_hash)
    else:
        if not tx.is_ours(row_macs.FREEZE_COUNT, count.mac, nkp_hash, count._mapping):
            return False
        are_all = count.freezes == len(rows)
    if not are_all:
        tx.note_failure("freezes", row_macs.shown(nkp_hash), "missing")
    return are_all


def _is_known(tx: Transaction, nkp_hash: bytes) -> bool:
    """Tells whether a participant had a code or a binding."""
    had = [select(each.c.id).where(each.c.nkp_hash == nkp_hash) for each in (codes, bindings)]
    return tx.connection.execute(had[0].union(had[1]).limit(1)).first() is not None


def _count(tx: Transaction, nkp_hash: bytes) -> None:
    own = select(func.count()).where(freezes.c.nkp_hash == nkp_hash)
    row = {"nkp_hash": nkp_hash, "freezes": tx.connection.execute(own).scalar_one()}
    row["mac"] = row_macs.FREEZE_COUNT.make(tx.vault, row)
    which = freeze_counts.c.nkp_hash == nkp_hash
    if tx.connection.execute(update(freeze_counts).where(which).values(row)).rowcount == 0:
        tx.connection.execute(insert(freeze_counts).values(row))
