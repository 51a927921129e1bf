"""Checks that every row that grants a right, denies one or is encrypted is as we wrote it.

Answering checks a row when it needs it; `smsgw audit verify` reads all of them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Row, Select, and_, exists, func, or_, select
from sqlalchemy.exc import OperationalError

from smsgw.registry import freezes
from smsgw.storage import keys, partitions, row_macs
from smsgw.storage.audit import Act
from smsgw.storage.crypto import Unreadable, Wrapper
from smsgw.storage.monthly_ids import first_id, is_monthly
from smsgw.storage.row_macs import Proof
from smsgw.storage.tables import sealed
from smsgw.storage.tables.cases import case_exports
from smsgw.storage.tables.messages import attempts, messages, replies
from smsgw.storage.tables.notifications import (
    notification_kinds,
    notification_runs,
    subscriptions,
)
from smsgw.storage.tables.operators import configurations, operators, planned_changes, sessions
from smsgw.storage.tables.phones import bindings, freeze_counts, phones
from smsgw.storage.tables.phones import freezes as _freezes
from smsgw.storage.tables.security import Ciphertext, audit
from smsgw.storage.transaction import Transaction

AT_ONCE = 1000  # rows that are fetched in one piece
MISSING = 1000  # participants without a freeze or count that are told
CANNOT_BE_READ = (TypeError, ValueError, OperationalError)  # SQLite takes any kind anywhere
_ALIVE = bindings.c.ended_at.is_(None)
_PROVEN: tuple[tuple[Proof, Select[*tuple[Any, ...]]], ...] = (
    (
        row_macs.BINDING,
        select(bindings, phones.c.hash.label("phone")).join_from(bindings, phones).where(_ALIVE),
    ),
    (row_macs.OPERATOR, select(operators)),
    (row_macs.SESSION, select(sessions)),
    (row_macs.CONFIGURATION, select(configurations)),
    (row_macs.PLANNED_CHANGE, select(planned_changes)),
    (row_macs.FREEZE, select(_freezes)),
    (row_macs.FREEZE_COUNT, select(freeze_counts)),
    (row_macs.CASE_EXPORT, select(case_exports)),
    (
        row_macs.SUBSCRIPTION,
        select(subscriptions, phones.c.hash.label("phone"))
        .join_from(subscriptions, phones)
        .where(subscriptions.c.ended_at.is_(None)),
    ),
    (row_macs.NOTIFICATION_KIND, select(notification_kinds)),
    (row_macs.NOTIFICATION_RUN, select(notification_runs)),
)

# What messages, replies and attempts name, without foreign keys.
_NAMED = (
    (messages.c.phone_id, phones.c.id),
    (replies.c.message_id, messages.c.id),
    (replies.c.phone_id, phones.c.id),
    (replies.c.binding_id, bindings.c.id),
    (attempts.c.reply_id, replies.c.id),
)


def findings(tx: Transaction, wrapper: Wrapper, rows_since: datetime) -> Iterator[str]:
    """Finds rows that fail a check, and records each among the failed checks. `wrapper` is that of
    the keys in the database. Messages and replies from before `rows_since` may be deleted."""
    for key, copy in keys.damaged(tx.connection, wrapper):
        yield f"data_keys: copy {copy} of key {key} cannot be opened"
    for proof, rows in _PROVEN:
        yield from _not_ours(tx, proof, rows)
    yield from _without_a_record(tx)
    whole_since = partitions.rows_since(tx.connection, rows_since)
    for naming, named in _NAMED:
        yield from _naming_nothing(tx, naming, named, whole_since)
    for nkp_hash in freezes.incomplete(tx, MISSING):
        name = row_macs.shown(nkp_hash)
        tx.note_failure("freezes", name, "missing")
        yield f"freezes of participant {name} are missing, or their count is"
    for column in Ciphertext:
        yield from _unreadable(tx, column)


def _not_ours(tx: Transaction, proof: Proof, rows: Select[*tuple[Any, ...]]) -> Iterator[str]:
    try:
        for row in _fetched(tx, rows):
            if not proof.holds(tx.vault, row.mac, row._mapping):
                name = row_macs.shown(getattr(row, proof.key))
                tx.note_failure(proof.table, name, "not ours")
                yield f"{proof.table}: row {name} was changed, or not written by us"
    except CANNOT_BE_READ as error:
        yield f"{proof.table}: a row cannot be read ({type(error).__name__})"


def _unreadable(tx: Transaction, column: Ciphertext) -> Iterator[str]:
    _, column_name = sealed.place(column)
    try:
        for row in _fetched(tx, sealed.values(column).where(column_name.is_not(None))):
            try:
                tx.vault.decrypt(row.sealed, column, *row[2:])
            except Unreadable:
                table = column.partition(".")[0]
                tx.note_failure(table, row.key, "unreadable")
                yield f"{column}: row {row.key} cannot be opened"
    except CANNOT_BE_READ as error:
        yield f"{column}: a row cannot be read ({type(error).__name__})"


def _without_a_record(tx: Transaction) -> Iterator[str]:
    """Yields bindings that the audit does not tell of: one that ended and was put back as it had
    been passes its own check."""
    last = (
        select(func.max(audit.c.id).label("id"))
        .where(audit.c.act.in_([Act.BOUND, Act.UNBOUND]))
        .group_by(audit.c.subject)
        .subquery()
    )
    same = and_(audit.c.subject == bindings.c.nkp_hash, audit.c.phone_id == bindings.c.phone_id)
    recorded = exists().where(audit.c.id == last.c.id, same, audit.c.act == Act.BOUND)
    uncounted = ~exists().where(freeze_counts.c.nkp_hash == bindings.c.nkp_hash)
    found = select(bindings.c.id, uncounted.label("is_uncounted")).where(
        _ALIVE, or_(~recorded, uncounted)
    )
    for row in _fetched(tx, found):
        why = "has no count of freezes" if row.is_uncounted else "is not in the audit"
        tx.note_failure("bindings", row.id, "missing")
        yield f"bindings: row {row.id} {why}"


def _naming_nothing(
    tx: Transaction, naming: Column[Any], named: Column[Any], rows_since: datetime
) -> Iterator[str]:
    """Yields messages, replies and attempts whose phone, message, binding or reply is not there,
    although it is kept."""
    table = naming.table
    is_kept = naming >= first_id(rows_since) if is_monthly(named.table) else naming.is_not(None)
    found = select(table.c.id).where(is_kept, ~exists().where(named == naming))
    for row in _fetched(tx, found):
        tx.note_failure(table.name, row.id, "missing")
        yield f"{table.name}: row {row.id} names a row of {named.table.name} that is missing"


def _fetched(tx: Transaction, rows: Select[*tuple[Any, ...]]) -> Iterator[Row[Any]]:
    return iter(tx.connection.execute(rows, execution_options={"yield_per": AT_ONCE}))
