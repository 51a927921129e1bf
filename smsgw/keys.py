"""The keys of a service database: made once, wrapped by the secret, changed while it is in use.

A rotation makes a data key, waits until every process seals with it, writes anew what older keys
had sealed, and retires those. A retired key can still be read with for a day, for whoever was
asleep meanwhile. The key of the hashes stays: what was stored is found by it.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Row,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from smsgw.crypto import FIRST_KEY, LAST_KEY, Keys, Vault, Wrapper, new_key
from smsgw.models import Ciphertext, KeyPurpose, data_keys, phones, service

KNOWN_WITHIN = 2.0  # seconds: every process asks for new keys as often as that
BATCH = 500  # rows written anew in one transaction
PASSES, BETWEEN_PASSES = 20, 0.5  # seconds; a row that is locked is left to the next pass
READABLE_FOR = timedelta(days=1)  # a retired key


class NotRotated(Exception):
    """The rotation could not come to its end; running it again goes on."""


def load(engine: Engine, wrapper: Wrapper, now: Callable[[], datetime]) -> Keys:
    """Those of the database, made if it has none. Raises Unreadable, SQLAlchemyError."""
    with engine.connect().execution_options(read_only=True) as connection:
        held = _held(connection)
    if not held:
        _make(engine, wrapper, now())
        with engine.connect().execution_options(read_only=True) as connection:
            held = _held(connection)
    opened = {row.id: (row, wrapper.unwrap(row.wrapped, _name(row.id))) for row in held}
    data = {key: octets for key, (row, octets) in opened.items() if row.purpose == KeyPurpose.DATA}
    (hashing,) = (octets for row, octets in opened.values() if row.purpose == KeyPurpose.HASH)
    return Keys(data, max(data), hashing)


def rotate(
    engine: Engine,
    wrapper: Wrapper,
    vault: Vault,
    now: Callable[[], datetime],
    tell: Callable[[str], None],
) -> int:
    """Seals everything anew with another key; returns how many values that were. The newest secret
    wraps all keys from then on. Raises NotRotated.
    """
    with engine.begin() as connection:
        made = _add(connection, wrapper, now())
    tell(f"key {made} is made; in {2 * KNOWN_WITHIN:g} s every process seals with it")
    time.sleep(2 * KNOWN_WITHIN)
    vault.reload()
    written = 0
    for column in Ciphertext:
        count = _write_anew(engine, vault, column)
        written += count
        tell(f"{column}: {count} values")
    with engine.begin() as connection:
        _retire(connection, made, now())
    return written


def sealed_columns() -> list[tuple[Table, Column[bytes]]]:
    """Every column of ciphertext."""
    named = (column.split(".") for column in Ciphertext)
    return [(service.tables[table], service.tables[table].c[name]) for table, name in named]


def _held(connection: Connection) -> Sequence[Row[Any]]:
    return connection.execute(select(data_keys).order_by(data_keys.c.id)).all()


def _make(engine: Engine, wrapper: Wrapper, now: datetime) -> None:
    """Of an empty database new ones; one that an earlier version filled keeps what it derived."""
    try:
        with engine.begin() as connection:
            is_filled = connection.execute(select(phones.c.id).limit(1)).first() is not None
            first = Keys({FIRST_KEY: new_key()}, FIRST_KEY, new_key())
            keys = wrapper.derived() if is_filled else first
            _store(connection, wrapper, 0, KeyPurpose.HASH, keys.hashing, now)
            _store(connection, wrapper, FIRST_KEY, KeyPurpose.DATA, keys.data[FIRST_KEY], now)
    except IntegrityError:
        return  # another process was first


def _store(
    connection: Connection,
    wrapper: Wrapper,
    key_id: int,
    purpose: KeyPurpose,
    octets: bytes,
    now: datetime,
) -> None:
    wrapped = wrapper.wrap(octets, _name(key_id))
    row = {"id": key_id, "purpose": purpose, "wrapped": wrapped, "made_at": now}
    connection.execute(insert(data_keys).values(row))


def _add(connection: Connection, wrapper: Wrapper, now: datetime) -> int:
    held = _held(connection)
    made: int = max(row.id for row in held) + 1
    if made > LAST_KEY:
        raise NotRotated(f"there have been {LAST_KEY} keys, and an id is one octet")
    for row in held:
        octets = wrapper.unwrap(row.wrapped, _name(row.id))
        wrapped = wrapper.wrap(octets, _name(row.id))
        connection.execute(
            update(data_keys).where(data_keys.c.id == row.id).values(wrapped=wrapped)
        )
    _store(connection, wrapper, made, KeyPurpose.DATA, new_key(), now)
    return made


def _write_anew(engine: Engine, vault: Vault, name: Ciphertext) -> int:
    table, column = next(each for each in sealed_columns() if f"{each[0]}.{each[1].key}" == name)
    written = 0
    for _ in range(PASSES):
        written += _one_pass(engine, vault, name, table, column)
        if not _is_left(engine, vault, column):
            return written
        time.sleep(BETWEEN_PASSES)
    raise NotRotated(f"{name} holds values that are in use all the time; run it again")


def _one_pass(
    engine: Engine, vault: Vault, name: Ciphertext, table: Table, column: Column[bytes]
) -> int:
    (key,) = table.primary_key.columns
    written, last = 0, -1
    while True:
        with engine.begin() as connection:
            found = connection.execute(
                select(key.label("key"), column.label("sealed"))
                .where(key > last, _is_old(vault, column))
                .order_by(key)
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            ).all()
            anew = [
                {"at": row.key, "sealed": vault.encrypt(vault.decrypt(row.sealed, name), name)}
                for row in found
            ]
            if anew:
                put: dict[str, Any] = {column.key: bindparam("sealed")}
                connection.execute(update(table).where(key == bindparam("at")).values(put), anew)
        written += len(found)
        if len(found) < BATCH:
            return written
        last = found[-1].key


def _is_old(vault: Vault, column: Column[bytes]) -> Any:
    return func.substr(column, 1, 1) != bytes([vault.active])


def _is_left(engine: Engine, vault: Vault, column: Column[bytes]) -> bool:
    with engine.connect().execution_options(read_only=True) as connection:
        return bool(connection.execute(select(column).where(_is_old(vault, column)).limit(1)).all())


def _retire(connection: Connection, active: int, now: datetime) -> None:
    """What was retired before has seen a whole rotation find nothing of its own."""
    old = (data_keys.c.purpose == KeyPurpose.DATA) & (data_keys.c.id < active)
    connection.execute(delete(data_keys).where(old, data_keys.c.retired_at < now - READABLE_FOR))
    retired = update(data_keys).where(old, data_keys.c.retired_at.is_(None))
    connection.execute(retired.values(retired_at=now))


def _name(key_id: int) -> str:
    return f"key {key_id}"
