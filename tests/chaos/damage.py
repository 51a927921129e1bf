"""Overwrites one row in each table with nonsense, as a failing disk or a careless hand does, and
checks what becomes of the rest."""

import string
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    LargeBinary,
    Row,
    String,
    Table,
    func,
    select,
    update,
)

from smsgw.storage.tables.messages import attempts, messages, replies
from smsgw.storage.tables.phones import bindings, freeze_counts, phones
from smsgw.storage.tables.security import data_keys
from smsgw.storage.tables.types import Instant, service

POINTERS = {messages.c.phone_id, replies.c.message_id, replies.c.phone_id, replies.c.binding_id}
LONGEST = 60  # of texts without a limit


@dataclass
class Damage:
    tables: list[str] = field(default_factory=list)
    phone_ids: set[int] = field(default_factory=set)  # of whoever had to do with such a row
    carrier_refs: set[str] = field(default_factory=set)  # of messages


def overwrite(engine: Engine, chance: Random, damage: Damage) -> None:
    """Overwrites all columns except those that name a row, point to another one or hold one of a
    few words."""
    for table in service.sorted_tables:
        columns = [column for column in table.columns if _is_free(table, column)]
        with engine.begin() as connection:
            row = _any(connection, table, chance)
            is_last_copy = table is data_keys and table.name in damage.tables
            if row is None or not columns or is_last_copy:
                continue
            damage.phone_ids |= _phone_ids(connection, table, row)
            if table is messages:
                damage.carrier_refs.add(row.carrier_ref)
            same = [column == getattr(row, column.key) for column in table.primary_key]
            nothing = {column: _nonsense(column, chance) for column in columns}
            connection.execute(update(table).where(*same).values(nothing))
            damage.tables.append(table.name)


def _any(connection: Connection, table: Table, chance: Random) -> Row[Any] | None:
    number = connection.execute(select(func.count()).select_from(table)).scalar_one()
    if not number:
        return None
    which = select(table).order_by(*table.primary_key).offset(chance.randrange(number))
    return connection.execute(which.limit(1)).first()


def _is_free(table: Table, column: Column[Any]) -> bool:
    checks = [str(c.sqltext) for c in table.constraints if isinstance(c, CheckConstraint)]
    is_word = any(check.startswith(f"{column.key} IN ") for check in checks)
    is_pointer = bool(column.foreign_keys) or column in POINTERS
    return not (column.primary_key or is_pointer or is_word)


def _nonsense(column: Column[Any], chance: Random) -> object:
    kind = column.type
    if isinstance(kind, LargeBinary):
        return chance.randbytes(kind.length or LONGEST)
    if isinstance(kind, String):
        letters = chance.choices(string.ascii_letters, k=min(kind.length or LONGEST, LONGEST))
        return "".join(letters)
    if isinstance(kind, Boolean):
        return chance.random() < 0.5
    if isinstance(kind, Instant):
        return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=chance.uniform(0, 10_000))
    return chance.randrange(30_000)


def _phone_ids(connection: Connection, table: Table, row: Row[Any]) -> set[int]:
    if table is phones:
        return {row.id}
    if table is attempts:
        whose = select(replies.c.phone_id).where(replies.c.id == row.reply_id)
    elif table is freeze_counts:
        whose = select(bindings.c.phone_id).where(bindings.c.nkp_hash == row.nkp_hash)
    elif "phone_id" in table.columns:
        return {row.phone_id} - {None}
    else:
        return set()
    return set(connection.execute(whose).scalars())
