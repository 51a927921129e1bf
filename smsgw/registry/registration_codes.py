"""Stores codes, which go to the number on file and come back from the phone that wants to be bound.

A keyed hash of each is kept. It is good for ten minutes, three tries, one phone and one time; at
most two a day are sent for a participant. Who decides about a participant's codes and bindings
holds them: two at one instant decide one after the other.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from handlers.question import VerifiedCode
from smsgw import logs
from smsgw.registry import freezes
from smsgw.storage.tables.phones import MadeBy, bindings, codes, phones, rejections, wrong_codes
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

CODE_LASTS = timedelta(minutes=10)
CODE_TRIES = 3
CODES_A_DAY = 2
DISOWNED_FOR = timedelta(days=30)  # how far back BUKAN SAYA reaches
CODE_LETTERS, CODE_LENGTH = "BCDFGHJKLMNPQRSTVWXZ", 7  # consonants: digits look like an OTP
WRONG_CODES_COUNT_FOR = timedelta(days=1)
WRONG_CODES_A_DAY = 5  # of one phone; after that it is told nothing of any
MANY_WRONG_CODES = 50  # of all phones in a day: somebody tries codes from several
REJECTED_FOR = timedelta(hours=24)
REJECTIONS_COUNT_FOR = timedelta(days=30)

log = logs.get(__name__)


def lock(tx: Transaction, nkp_hash: bytes) -> None:
    """Keeps other transactions from deciding about this participant until this one ends. SQLite has
    one writer anyway."""
    if tx.connection.dialect.name == "postgresql":
        key = int.from_bytes(nkp_hash[:8], signed=True)
        tx.connection.execute(select(func.pg_advisory_xact_lock(key)))


def make(tx: Transaction, phone_id: int, nkp: str, on_file: str) -> str | None:
    """Makes a code for the number on file; None if it had its share or said BUKAN SAYA or TOLAK."""
    nkp_hash = tx.vault.hash(nkp, "nkp")
    lock(tx, nkp_hash)
    sent_today = select(func.count()).where(
        codes.c.nkp_hash == nkp_hash, codes.c.made_at > tx.now - timedelta(days=1)
    )
    if tx.connection.execute(sent_today).scalar_one() >= CODES_A_DAY:
        return None
    if freezes.is_blocked(tx, nkp):
        return None
    freezes.begin_count(tx, nkp_hash)
    spend(tx, phone_id, nkp)
    code = "".join(tx.random.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    code_hash = _code_hash(tx, phone_id, code)
    row = {
        "phone_id": phone_id,
        "nkp_hash": nkp_hash,
        "nkp": tx.vault.encrypt(nkp, Ciphertext.CLAIMED_NKP, code_hash),
        "on_file_hash": tx.vault.hash(on_file, "phone"),
        "on_file": tx.vault.encrypt(on_file, Ciphertext.CLAIMED_ON_FILE, code_hash),
        "code_hash": code_hash,
        "wrong_tries": 0,
        "made_at": tx.now,
    }
    tx.connection.execute(insert(codes).values(row))
    return code


def disowned_nkps(tx: Transaction, number: str) -> frozenset[bytes]:
    """Hashes of the NKPs that are frozen until an officer ends it and whose codes went to this
    number, or whose bindings to other phones were told to it."""
    here = tx.vault.hash(number, "phone")
    sent = select(codes.c.nkp_hash).where(codes.c.on_file_hash == here)
    bound = select(bindings.c.nkp_hash).where(bindings.c.on_file_hash == here)
    theirs = tx.connection.execute(sent.union(bound)).scalars().all()
    return freezes.among(tx, theirs, for_a_day_too=False)


def verify(tx: Transaction, phone_id: int, code: str) -> VerifiedCode | None:
    """Returns what `code`, typed on this phone, opens."""
    row = tx.connection.execute(
        select(codes).where(
            codes.c.phone_id == phone_id,
            codes.c.code_hash == _code_hash(tx, phone_id, code),
            *_still_good(tx),
        )
    ).first()
    if row is None:
        return None
    nkp = tx.opened(row.nkp, Ciphertext.CLAIMED_NKP, row.id, row.code_hash)
    on_file = tx.opened(row.on_file, Ciphertext.CLAIMED_ON_FILE, row.id, row.code_hash)
    if nkp is None or on_file is None or freezes.is_blocked(tx, nkp):
        return None
    return VerifiedCode(nkp, on_file, row.id)


def use(tx: Transaction, code_id: int) -> bool:
    """Spends a code. False where it is good no more: it was used, or is void since it was read."""
    good = update(codes).where(codes.c.id == code_id, *_still_good(tx))
    return tx.connection.execute(good.values(ended_at=tx.now)).rowcount == 1


def sent_here(tx: Transaction, number: str) -> dict[str, int]:
    """Returns the NKPs for which codes were sent to this number and are still valid, each with how
    often such codes were rejected in the last month."""
    here = codes.c.on_file_hash == tx.vault.hash(number, "phone")
    found = {}
    for row in tx.connection.execute(select(codes).where(here, *_still_good(tx))):
        nkp = tx.opened(row.nkp, Ciphertext.CLAIMED_NKP, row.id, row.code_hash)
        if nkp is not None:
            found[nkp] = _rejections(tx, row.nkp_hash)
    return found


def _rejections(tx: Transaction, nkp_hash: bytes) -> int:
    since = tx.now - REJECTIONS_COUNT_FOR
    recent = select(func.count()).where(rejections.c.nkp_hash == nkp_hash, rejections.c.at > since)
    return int(tx.connection.execute(recent).scalar_one())


def reject(tx: Transaction, number: str, *, until_officer: bool) -> None:
    """Ends the codes that were sent to a number, and sends none for these participants for a day;
    or until an officer has looked at it."""
    here = codes.c.on_file_hash == tx.vault.hash(number, "phone")
    asked = select(codes.c.nkp_hash).where(here, *_still_good(tx)).distinct()
    hashes = sorted(tx.connection.execute(asked).scalars())
    for nkp_hash in hashes:
        lock(tx, nkp_hash)
        tx.connection.execute(insert(rejections).values(nkp_hash=nkp_hash, at=tx.now))
        freezes.add(tx, nkp_hash, None if until_officer else tx.now + REJECTED_FOR)
    _end(tx, here & codes.c.nkp_hash.in_(hashes))


def is_awaited(tx: Transaction, phone_id: int) -> bool:
    """Tells whether a code for this phone is still good."""
    waiting = select(func.count()).where(codes.c.phone_id == phone_id, *_still_good(tx))
    return bool(tx.connection.execute(waiting).scalar_one())


def count_wrong(tx: Transaction, phone_id: int) -> None:
    """Counts a try at every code that this phone waits for, and towards the limit of a day."""
    tx.connection.execute(
        update(codes)
        .where(codes.c.phone_id == phone_id, codes.c.ended_at.is_(None))
        .values(wrong_tries=codes.c.wrong_tries + 1)
    )
    tx.connection.execute(insert(wrong_codes).values(phone_id=phone_id, at=tx.now))
    count = wrong_in_a_day(tx)
    if count >= MANY_WRONG_CODES:
        log.warning("many wrong codes", codes=count, phone_id=phone_id)


def wrong_in_a_day(tx: Transaction, phone_id: int | None = None) -> int:
    """Counts wrong codes of one phone, or of all."""
    since = tx.now - WRONG_CODES_COUNT_FOR
    wrong = select(func.count()).where(wrong_codes.c.at > since)
    if phone_id is not None:
        wrong = wrong.where(wrong_codes.c.phone_id == phone_id)
    return int(tx.connection.execute(wrong).scalar_one())


def spend(tx: Transaction, phone_id: int, nkp: str) -> None:
    """Ends the codes that this phone waits for to be bound to `nkp`."""
    _end(tx, (codes.c.nkp_hash == tx.vault.hash(nkp, "nkp")) & (codes.c.phone_id == phone_id))


def void(tx: Transaction, on_file: str) -> list[tuple[int, bytes]]:
    """Ends the codes that were sent to a number, and sends it no more for these participants.

    Returns (phone that wanted it or got it, hash of the NKP) of each.
    """
    here, since = tx.vault.hash(on_file, "phone"), tx.now - DISOWNED_FOR
    sent = select(codes.c.phone_id, codes.c.nkp_hash).where(
        codes.c.on_file_hash == here, codes.c.made_at > since
    )
    bound = select(bindings.c.phone_id, bindings.c.nkp_hash).where(
        bindings.c.on_file_hash == here,
        bindings.c.made_by == MadeBy.OFFICER,
        bindings.c.bound_at > since,
    )
    found = tx.connection.execute(sent.union(bound)).all()
    for nkp_hash in sorted({row.nkp_hash for row in found}):
        lock(tx, nkp_hash)
        freezes.add(tx, nkp_hash, None)
    _end(tx, codes.c.on_file_hash == here)
    return [(row.phone_id, row.nkp_hash) for row in found]


def erase(tx: Transaction, phone_id: int) -> None:
    """Destroys the codes that a phone asked for or was sent by others, and its wrong ones."""
    number = select(phones.c.hash).where(phones.c.id == phone_id).scalar_subquery()
    for which in (
        delete(codes).where(codes.c.phone_id == phone_id),
        delete(wrong_codes).where(wrong_codes.c.phone_id == phone_id),
        delete(codes).where(codes.c.on_file_hash == number),
    ):
        tx.connection.execute(which)


def forget(tx: Transaction, phone_ids: Collection[int], since: datetime) -> None:
    """Destroys what these phones asked for before `since` and what no longer counts."""
    made, at = min(since, tx.now - DISOWNED_FOR), tx.now - 2 * WRONG_CODES_COUNT_FOR
    for which in (
        delete(codes).where(codes.c.phone_id.in_(phone_ids), codes.c.made_at < made),
        delete(wrong_codes).where(wrong_codes.c.phone_id.in_(phone_ids), wrong_codes.c.at < at),
        delete(rejections).where(rejections.c.at < tx.now - 2 * REJECTIONS_COUNT_FOR),
    ):
        tx.connection.execute(which)


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
    """Hashes the code with the phone, so that it works on one phone only."""
    return tx.vault.hash(f"{phone_id} {code}", "code")
