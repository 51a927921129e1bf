"""Seals everything anew with another key, while every process goes on.

A data key is made; once every process seals with it, what older keys had sealed is written anew, a
batch at a time, and those keys are retired.
"""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError

from smsgw.runtime import Runtime
from smsgw.storage import audit, keys
from smsgw.storage.audit import Act
from smsgw.storage.tables import sealed
from smsgw.storage.tables.security import Ciphertext

BATCH = 500  # rows written anew in one transaction
PASSES, BETWEEN_PASSES = 20, 0.5  # seconds; a row that is locked is left to the next pass


class NotRotated(Exception):
    """Says why the rotation could not come to its end; running it again goes on."""


def rotate(
    rt: Runtime,
    actor: str,
    tell: Callable[[str], None],
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Returns how many values were sealed anew. From then on keys lie under the secrets of these
    settings; while the old one is among them, a process that has no other goes on. `wait` takes
    seconds. Raises NotRotated.
    """
    if not rt.clock_check.is_right():  # keys that were just retired would be destroyed
        raise NotRotated("this machine's clock is not the database's; set it, then try again")
    new_key = _begin(rt, actor)
    known_within = 2 * keys.KNOWN_WITHIN
    tell(f"key {new_key} is made; in {known_within:g} s every process seals with it")
    wait(known_within)
    rt.vault.reload()
    written = 0
    for name in Ciphertext:
        count = _write_anew(rt, name)
        written += count
        tell(f"{name}: {count} values")
    with rt.writing() as tx:
        keys.retire(tx.connection, new_key, tx.now)
        audit.note(tx, Act.KEYS_ROTATED, actor, detail=f"key {new_key}, {written} values")
    return written


def _begin(rt: Runtime, actor: str) -> int:
    try:
        with rt.writing() as tx:
            new_key = keys.add(tx.connection, keys.key_wrapper(rt.settings), tx.now)
            audit.note(tx, Act.KEY_MADE, actor, detail=f"key {new_key}")
    except keys.NoRoom as error:
        raise NotRotated(str(error)) from None
    except IntegrityError:
        raise NotRotated("another rotation began at this instant; let that one end") from None
    return new_key


def _write_anew(rt: Runtime, name: Ciphertext) -> int:
    written = 0
    for _ in range(PASSES):
        count, damaged = _one_pass(rt, name)
        written += count
        if _left(rt, name) <= damaged:
            return written
        time.sleep(BETWEEN_PASSES)
    raise NotRotated(f"{name} holds values that are in use all the time; run it again")


def _one_pass(rt: Runtime, name: Ciphertext) -> tuple[int, int]:
    """Returns how many values were sealed anew, and how many cannot be opened and stay as they
    are."""
    table, column = sealed.place(name)
    (key,) = table.primary_key.columns
    put: dict[str, Any] = {column.key: bindparam("sealed")}
    anew = update(table).where(key == bindparam("at")).values(put)
    written, damaged, last = 0, 0, -1
    while True:
        with rt.writing() as tx:
            found = tx.connection.execute(
                sealed.values(name)
                .where(key > last, _is_old(rt, column))
                .order_by(key)
                .limit(BATCH)
                .with_for_update(of=table, skip_locked=True)
            ).all()
            rows = [
                {"at": at, "sealed": tx.vault.encrypt(text, name, *named_by)}
                for at, ciphertext, *named_by in found
                if (text := tx.opened(ciphertext, name, at, *named_by)) is not None
            ]
            if rows:
                tx.connection.execute(anew, rows)
        written += len(rows)
        damaged += len(found) - len(rows)
        if len(found) < BATCH:
            return written, damaged
        last = found[-1].key


def _is_old(rt: Runtime, column: Column[bytes]) -> Any:
    return func.substr(column, 1, 1) != bytes([rt.vault.active])


def _left(rt: Runtime, name: Ciphertext) -> int:
    table, column = sealed.place(name)
    with rt.reading() as tx:
        left = select(func.count()).select_from(table).where(_is_old(rt, column))
        return int(tx.connection.execute(left).scalar_one())
