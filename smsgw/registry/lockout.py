"""Counts identities that a phone named and that are not linked to it: what locks it, and what
raises an alarm."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    true,
)

from handlers.changes import FailedIdentification, WrongNkp
from smsgw import logs
from smsgw.storage.tables.phones import DECOY_NAMED, decoys, guesses, named, phones
from smsgw.storage.transaction import Transaction

GUESSES_ALLOWED = 3
GUESSES_COUNT_FOR = timedelta(hours=24)
MANY_PHONES = 3  # that name one identity within a day: somebody tries it from several
# Decoys that one phone names within a day, and phones that name any: more than slips of typing do.
DECOYS_OF_A_PHONE, DECOY_PHONES = 2, 10
NO_HASH = b""  # of no NKP

log = logs.get(__name__)


def count_of(phone_id: ColumnElement[int] | int) -> Select[int]:
    """Selects how often a phone guessed since `guessed_since`."""
    lately = guesses.c.at > bindparam("guessed_since", type_=guesses.c.at.type)
    return select(func.count()).where(guesses.c.phone_id == phone_id, lately)


def count(tx: Transaction, phone_id: int) -> int:
    """Counts the guesses of the last day."""
    since = {"guessed_since": tx.now - GUESSES_COUNT_FOR}
    return int(tx.connection.execute(count_of(phone_id), since).scalar_one())


def counts(tx: Transaction, phone_ids: Collection[int]) -> dict[int, int]:
    """Counts the guesses of the last day by phone; leaves out phones without any."""
    recent = (
        select(guesses.c.phone_id, func.count().label("made"))
        .where(guesses.c.phone_id.in_(phone_ids), guesses.c.at > tx.now - GUESSES_COUNT_FOR)
        .group_by(guesses.c.phone_id)
    )
    return {row.phone_id: row.made for row in tx.connection.execute(recent)}


def locked_phones(tx: Transaction, after: int | None, limit: int) -> Sequence[Row[Any]]:
    """Returns phones behind the id `after` that guessed too often: the number (sealed) of each, how
    often, and when last."""
    since = tx.now - GUESSES_COUNT_FOR
    guess_count = func.count().label("guesses")
    return tx.connection.execute(
        select(phones.c.id, phones.c.number, phones.c.hash, guess_count)
        .add_columns(func.max(guesses.c.at).label("last"))
        .join_from(guesses, phones)
        .where(guesses.c.at > since, guesses.c.phone_id > (after or 0))
        .group_by(phones.c.id, phones.c.number, phones.c.hash)
        .having(func.count() >= GUESSES_ALLOWED)
        .order_by(phones.c.id)
        .limit(limit)
    ).all()


def locked_count(tx: Transaction) -> int:
    since = tx.now - GUESSES_COUNT_FOR
    # SQLite would read all of the table, in the order of what it is grouped by, were that a column.
    phone_id = guesses.c.phone_id + 0
    each = select(phone_id).where(guesses.c.at > since).group_by(phone_id)
    locks = each.having(func.count() >= GUESSES_ALLOWED).subquery()
    return int(tx.connection.execute(select(func.count()).select_from(locks)).scalar_one())


def unlock(tx: Transaction, phone_id: int) -> bool:
    """Forgets what was guessed. False where it was not locked."""
    if count(tx, phone_id) < GUESSES_ALLOWED:
        return False
    tx.connection.execute(delete(guesses).where(guesses.c.phone_id == phone_id))
    return True


def add(tx: Transaction, phone_id: int, guess: FailedIdentification) -> None:
    """Counts each combination once."""
    row = {
        "phone_id": phone_id,
        "identity_hash": tx.vault.hash(guess.combination, "identity"),
        "at": tx.now,
    }
    _put(tx, guesses, row)
    for identity in guess.parts:
        is_nkp = guess.wrong is not None and guess.wrong.nkp == identity
        _watch(tx, phone_id, identity, guess.wrong if is_nkp else None)
    if guess.wrong is not None:
        _warn_about_decoys(tx, phone_id, guess.wrong)


def forget(tx: Transaction, phone_ids: Collection[int]) -> None:
    """Destroys what no longer counts."""
    counted = tx.now - 2 * GUESSES_COUNT_FOR
    for table in (guesses, named):
        old = table.c.phone_id.in_(phone_ids) & (table.c.at < counted)
        tx.connection.execute(delete(table).where(old))


def add_wrong(tx: Transaction, phone_id: int, wrong: WrongNkp) -> None:
    """Records a wrong number that is no try if it is a decoy. Runs the same statements if it is
    not."""
    decoy, name = _decoy(tx, wrong), tx.vault.hash(wrong.nkp, "named")
    same = (named.c.phone_id == phone_id) & (named.c.identity_hash == name)
    tx.connection.execute(delete(named).where(same, exists(decoy)))
    values = {named.c.phone_id: phone_id, named.c.identity_hash: name, named.c.at: tx.now}
    row = [literal(value, column.type) for column, value in values.items()]
    recorded = decoy.with_only_columns(*row, true())
    tx.connection.execute(insert(named).from_select([*values, named.c.is_decoy], recorded))
    _warn_about_decoys(tx, phone_id, wrong)


def count_decoys(tx: Transaction) -> tuple[int, int]:
    """Returns the most decoys that one phone named within a day, and how many phones named any."""
    each = _select_decoys(tx, func.count().label("numbers")).group_by(named.c.phone_id).subquery()
    most = select(func.coalesce(func.max(each.c.numbers), 0), func.count()).select_from(each)
    numbers, phones_ = tx.connection.execute(most).one()
    return int(numbers), int(phones_)


def _put(tx: Transaction, table: Table, row: dict[str, object]) -> None:
    same = (table.c.phone_id == row["phone_id"]) & (table.c.identity_hash == row["identity_hash"])
    tx.connection.execute(delete(table).where(same))
    tx.connection.execute(insert(table).values(row))


def _watch(tx: Transaction, phone_id: int, identity: str, wrong: WrongNkp | None) -> None:
    """Counts who names one identity, over all phones, and tells of what looks like a search."""
    since = tx.now - GUESSES_COUNT_FOR
    row: dict[str, object] = {
        "phone_id": phone_id,
        "identity_hash": tx.vault.hash(identity, "named"),
        "at": tx.now,
        "is_decoy": exists(_decoy(tx, wrong)),
    }
    _put(tx, named, row)
    by = select(func.count()).where(
        named.c.identity_hash == row["identity_hash"], named.c.at > since
    )
    count = tx.connection.execute(by).scalar_one()
    if count >= MANY_PHONES:
        log.warning("many phones try one identity", phones=count, phone_id=phone_id)
    beside = [tx.vault.hash(number, "named") for number in _neighbours(identity)]
    run = select(func.count()).where(
        named.c.phone_id == phone_id, named.c.identity_hash.in_(beside), named.c.at > since
    )
    if tx.connection.execute(run).scalar_one():
        log.warning("a phone tries consecutive numbers", phone_id=phone_id)


def _warn_about_decoys(tx: Transaction, phone_id: int, wrong: WrongNkp) -> None:
    """Raises the alarm for decoys; a single one is a slip of typing."""
    own = named.c.phone_id == phone_id
    is_this = and_(own, named.c.identity_hash == tx.vault.hash(wrong.nkp, "named"))
    numbers, phones_, is_decoy = tx.connection.execute(
        _select_decoys(
            tx,
            func.count(case((own, 1))),
            func.count(named.c.phone_id.distinct()),
            func.count(case((is_this, 1))),
        )
    ).one()
    if is_decoy and numbers >= DECOYS_OF_A_PHONE:
        event = "a phone names numbers that were never issued"
        log.warning(event, numbers=numbers, phone_id=phone_id)
    if is_decoy and phones_ >= DECOY_PHONES:
        event = "many phones name numbers that were never issued"
        log.warning(event, phones=phones_, phone_id=phone_id)


def _select_decoys(tx: Transaction, *figures: ColumnElement[int]) -> Select[*tuple[Any, ...]]:
    return select(*figures).where(DECOY_NAMED, named.c.at > tx.now - GUESSES_COUNT_FOR)


def _decoy(tx: Transaction, wrong: WrongNkp | None) -> Select[tuple[bytes]]:
    """Selects the decoy's row. An issued number, which has none, gets the same statement."""
    nkp_hash = NO_HASH if wrong is None or wrong.is_issued else tx.vault.hash(wrong.nkp, "nkp")
    return select(decoys.c.nkp_hash).where(decoys.c.nkp_hash == nkp_hash)


def _neighbours(identity: str) -> list[str]:
    if not identity.isdigit():
        return []
    return [str(int(identity) + step).zfill(len(identity)) for step in (-1, 1)]
