"""Keeps the keys of a service database: made once, wrapped by the secret, changed while in use.

The newest data key seals; a retired one can still be read with for a day, for whoever was asleep
meanwhile. The key of the hashes stays: what was stored is found by it.
"""

import os
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from smsgw import logs
from smsgw.settings import SHORTEST_SECRET, Settings
from smsgw.storage import engines
from smsgw.storage.crypto import (
    FIRST_KEY,
    LAST_KEY,
    Keys,
    NoHashing,
    Unreadable,
    Wrapper,
    derived,
    new_key,
)
from smsgw.storage.tables.security import KeyPurpose, data_keys
from smsgw.variables import SettingsError

KNOWN_WITHIN = 2.0  # seconds: every process asks for new keys as often as that
READABLE_FOR = timedelta(days=1)  # a retired key
HASHING = 0  # the id of the key of the hashes
ID_OCTETS = 4  # of the name of a secret
COPIES = (1, 2)  # rows of each key: without one key all is lost, and a row may be damaged

log = logs.get(__name__)


class NoRoom(Exception):
    """Says why no further key can be made."""


def load(engine: Engine, wrapper: Wrapper, now: Callable[[], datetime]) -> Keys:
    """Returns those of the database, made if it has none. Raises Unreadable, SQLAlchemyError."""
    with engines.reading(engine).connect() as connection:
        rows = _rows(connection)
    if not rows:
        _make(engine, wrapper, now())
        with engines.reading(engine).connect() as connection:
            rows = _rows(connection)
    opened = _opened(rows, wrapper)
    data = {row.id: opened[row.id] for row in rows if row.purpose == KeyPurpose.DATA}
    hashing = next(opened[row.id] for row in rows if row.purpose == KeyPurpose.HASH)
    return Keys(data, max(data), hashing)


def damaged(connection: Connection, wrapper: Wrapper) -> list[tuple[int, int]]:
    """Returns (id, copy) of the rows that cannot be opened."""
    return [(row.id, row.copy) for row in _rows(connection) if _unwrapped(wrapper, row) is None]


def add(connection: Connection, wrapper: Wrapper, now: datetime) -> int:
    """Adds a data key and returns its id; from then on all keys are wrapped by the secrets of
    `wrapper`, and no others. Raises NoRoom, IntegrityError if another process adds one at this
    instant."""
    rows = _rows(connection)
    key_id: int = max(row.id for row in rows) + 1
    if key_id > LAST_KEY:
        raise NoRoom(f"there have been {LAST_KEY} keys, and an id is one octet")
    opened = _opened(rows, wrapper)
    for row in rows:
        same = (data_keys.c.id == row.id) & (data_keys.c.copy == row.copy)
        wrapped = wrapper.wrap(opened[row.id], _name(row.id))
        connection.execute(update(data_keys).where(same).values(wrapped=wrapped))
    _store(connection, wrapper, key_id, KeyPurpose.DATA, new_key(), now)
    return key_id


def retire(connection: Connection, active: int, now: datetime) -> None:
    """Retires all keys older than `active`. What was retired before has seen a whole rotation find
    no value of its own."""
    old = (data_keys.c.purpose == KeyPurpose.DATA) & (data_keys.c.id < active)
    connection.execute(delete(data_keys).where(old, data_keys.c.retired_at < now - READABLE_FOR))
    retired = update(data_keys).where(old, data_keys.c.retired_at.is_(None))
    connection.execute(retired.values(retired_at=now))


def _rows(connection: Connection) -> Sequence[Row[Any]]:
    return connection.execute(select(data_keys).order_by(data_keys.c.id, data_keys.c.copy)).all()


def _opened(rows: Sequence[Row[Any]], wrapper: Wrapper) -> dict[int, bytes]:
    """Returns each key by its id. Raises Unreadable, or NoHashing, if no copy of one can be
    decrypted."""
    copies = [(row, _unwrapped(wrapper, row)) for row in rows]
    opened = {row.id: octets for row, octets in copies if octets is not None}
    for row, octets in copies:
        if octets is None and opened:
            _tell(row.id, row.copy)
    missing = {row.id for row in rows} - opened.keys()
    if missing == {HASHING} and opened:
        raise NoHashing(
            "the key by which this database finds phones is damaged, or of an earlier version of "
            "smsgw, whose databases this one cannot use; restore a backup, or make a new database"
        )
    if missing:
        raise Unreadable("the keys of this database are under another SMSGW_SECRET_KEY")
    return opened


@cache
def _tell(key: int, copy: int) -> None:
    """Logs once a process: keys are loaded every other second."""
    log.error("a copy of a key is damaged; run smsgw keys rotate", key=key, copy=copy)


def _unwrapped(wrapper: Wrapper, row: Row[Any]) -> bytes | None:
    try:
        return wrapper.unwrap(row.wrapped, _name(row.id))
    except Unreadable:
        return None


def _make(engine: Engine, wrapper: Wrapper, now: datetime) -> None:
    try:
        with engine.begin() as connection:
            _store(connection, wrapper, HASHING, KeyPurpose.HASH, new_key(), now)
            _store(connection, wrapper, FIRST_KEY, KeyPurpose.DATA, new_key(), now)
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
    row = {"id": key_id, "purpose": purpose, "made_at": now}
    copies = [{"copy": each, "wrapped": wrapper.wrap(octets, _name(key_id))} for each in COPIES]
    connection.execute(insert(data_keys), [row | copy for copy in copies])


def _name(key_id: int) -> str:
    return f"key {key_id}" if key_id != HASHING else "key of BLAKE2b"  # once it was of another hash


def key_wrapper(settings: Settings) -> Wrapper:
    """Returns the wrapper of the keys in the database."""
    old = settings.old_secret_key
    return Wrapper([secret_key(settings), *([old.get_secret_value()] if old else [])])


def secret_id(settings: Settings) -> str:
    """Names SMSGW_SECRET_KEY without telling it, to see which one a backup needs."""
    return derived(secret_key(settings), b"id of the secret")[:ID_OCTETS].hex()


def secret_key(settings: Settings) -> str:
    """Returns SMSGW_SECRET_KEY; an embedded installation without one makes and keeps its own.
    Raises SettingsError."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    file = settings.instance / "secret_key"
    try:
        return _stored_secret(file) or _new_secret(settings, file)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be used ({error})") from None


def _stored_secret(file: Path) -> str | None:
    if not file.exists():
        return None
    secret = file.read_text("utf-8").strip()
    if len(secret) < SHORTEST_SECRET:
        problem = f"holds {len(secret)} characters, {SHORTEST_SECRET} at least"
        raise SettingsError(f"{file}: {problem}; restore it from its backup")
    return secret


def _new_secret(settings: Settings, file: Path) -> str:
    """Writes the secret to disk before it is used: nothing else decrypts what it encrypts."""
    if settings.database_file.exists():
        raise SettingsError(
            f"{file}: is missing, and {settings.database_file.name} opens with it alone; restore it"
        )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f"secret_key.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secrets.token_urlsafe(48))
        opened.flush()
        os.fsync(opened.fileno())
    try:
        file.hardlink_to(fresh)  # fails where another process was first, whose key then counts
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return file.read_text("utf-8")
