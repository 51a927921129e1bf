"""Keeps which kinds of notification are sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from handlers.changes import NotificationKind
from smsgw.storage import row_macs
from smsgw.storage.tables.notifications import notification_kinds
from smsgw.storage.transaction import Conflict, Transaction

NOBODY = "nobody"  # has switched it


@dataclass(frozen=True, slots=True)
class KindState:
    kind: NotificationKind
    is_on: bool = False
    is_paused: bool = False
    changed_by: str = NOBODY
    changed_at: datetime | None = None
    dry_run_at: datetime | None = None
    looked_at: datetime | None = None
    changes_until: datetime | None = None

    @property
    def is_sent(self) -> bool:
        return self.is_on and not self.is_paused


def read(tx: Transaction, kind: NotificationKind, *, locks: bool = False) -> KindState:
    """Returns a kind's state; off where nobody switched it on, or the row is not ours. `locks`: it
    stays so until the transaction ends."""
    found = select(notification_kinds).where(notification_kinds.c.kind == kind)
    row = tx.connection.execute(found.with_for_update(read=True) if locks else found).first()
    return _state(tx, kind, row)


def lock(tx: Transaction, kind: NotificationKind) -> None:
    """Lets others who lock the kind wait until the transaction ends."""
    found = select(notification_kinds.c.kind).where(notification_kinds.c.kind == kind)
    tx.connection.execute(found.with_for_update())


def read_all(tx: Transaction) -> list[KindState]:
    found = tx.connection.execute(select(notification_kinds)).all()
    rows = {row.kind: row for row in found}
    return [_state(tx, kind, rows.get(kind)) for kind in NotificationKind]


def switch(
    tx: Transaction, kind: NotificationKind, actor: str, *, is_on: bool, is_paused: bool = False
) -> None:
    """Raises Conflict."""
    values = {"kind": kind, "is_on": is_on, "is_paused": is_paused, "changed_by": actor}
    mac = row_macs.NOTIFICATION_KIND.make(tx.vault, values)
    _write(tx, kind, {**values, "changed_at": tx.now, "mac": mac})


def note_dry_run(tx: Transaction, kind: NotificationKind, actor: str) -> None:
    """Raises Conflict."""
    if read(tx, kind).changed_at is None:
        switch(tx, kind, actor, is_on=False)
    _update(tx, kind, {"dry_run_at": tx.now})


def begin_look(tx: Transaction, state: KindState) -> None:
    """Notes that all subscribers are looked at from now on. Raises Conflict where another process
    was first."""
    before = notification_kinds.c.looked_at.is_not_distinct_from(state.looked_at)
    begun = update(notification_kinds).where(notification_kinds.c.kind == state.kind, before)
    if tx.connection.execute(begun.values(looked_at=tx.now)).rowcount != 1:
        raise Conflict


def note_changes(tx: Transaction, state: KindState, until: datetime) -> None:
    """Notes up to when the ledger was asked what has changed. Raises Conflict likewise."""
    before = notification_kinds.c.changes_until.is_not_distinct_from(state.changes_until)
    noted = update(notification_kinds).where(notification_kinds.c.kind == state.kind, before)
    if tx.connection.execute(noted.values(changes_until=until)).rowcount != 1:
        raise Conflict


def _state(tx: Transaction, kind: NotificationKind, row: Row[Any] | None) -> KindState:
    if row is None or not tx.is_ours(row_macs.NOTIFICATION_KIND, row.mac, kind, row._mapping):
        return KindState(kind)
    names = ("is_on", "is_paused", "changed_by", "changed_at")
    times = ("dry_run_at", "looked_at", "changes_until")
    return KindState(kind, **{name: getattr(row, name) for name in (*names, *times)})


def _write(tx: Transaction, kind: NotificationKind, values: dict[str, Any]) -> None:
    if _update(tx, kind, values):
        return
    try:
        tx.connection.execute(insert(notification_kinds).values(values))
    except IntegrityError:  # another switched it at this instant
        raise Conflict from None


def _update(tx: Transaction, kind: NotificationKind, values: dict[str, Any]) -> bool:
    changed = update(notification_kinds).where(notification_kinds.c.kind == kind)
    return tx.connection.execute(changed.values(values)).rowcount == 1
