"""Keeps the runs: each looks at the subscribers of a kind, once, and then sends what it found."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, exists, insert, select, update

from handlers.changes import NotificationKind
from smsgw.storage import row_macs
from smsgw.storage.tables.notifications import (
    UNDER_WAY,
    Audience,
    NotificationState,
    RunState,
    notification_lists,
    notification_runs,
    notifications,
)
from smsgw.storage.transaction import Conflict, Transaction

OPEN = (NotificationState.PLANNED, NotificationState.QUEUED)


@dataclass(frozen=True, slots=True)
class Announcement:
    """Holds what subscribers of a kind are told once, and which of them."""

    text_id: str
    text_en: str
    audience: Audience
    audience_of: str | None
    expires_at: datetime

    def text(self, language: str) -> str:
        return self.text_en if language == "en" else self.text_id


@dataclass(frozen=True, slots=True)
class Run:
    id: int
    kind: NotificationKind
    state: RunState
    is_dry: bool
    started_by: str
    started_at: datetime
    cursor: int
    looked_at: int
    found: int
    samples: tuple[int, ...]  # bindings that a dry run found
    approved_by: str | None
    ended_at: datetime | None
    announcement: Announcement | None = None

    @property
    def period(self) -> str | None:
        """Returns the period of an announcement: it is told once."""
        return f"announcement {self.id}" if self.announcement else None


def start(
    tx: Transaction,
    kind: NotificationKind,
    actor: str,
    *,
    is_dry: bool = False,
    announcement: Announcement | None = None,
) -> Run:
    row: dict[str, Any] = {
        "kind": kind,
        "is_dry": is_dry,
        "started_by": actor,
        "started_at": tx.now,
        "audience": announcement.audience if announcement else None,
        "audience_of": announcement.audience_of if announcement else None,
        "text_id": announcement.text_id if announcement else None,
        "text_en": announcement.text_en if announcement else None,
        "expires_at": announcement.expires_at if announcement else None,
        "approved_by": None,
        "approved_at": None,
    }
    counts = {"state": RunState.LOOKING, "cursor": 0, "looked_at": 0, "found": 0}
    row |= counts | {"mac": row_macs.NOTIFICATION_RUN.make(tx.vault, row)}
    made = insert(notification_runs).values(row).returning(notification_runs)
    return _run(tx.connection.execute(made).one())


def set_list(tx: Transaction, run: Run, nkps: Collection[str]) -> None:
    """Says whom an announcement is for."""
    hashes = sorted({tx.vault.hash(nkp, "nkp") for nkp in nkps})
    rows = [{"run_id": run.id, "nkp_hash": each} for each in hashes]
    tx.connection.execute(insert(notification_lists), rows)


def list_of(tx: Transaction, run: Run) -> set[bytes]:
    """Returns the hashes of the NKPs of an announcement's list, while it is kept."""
    found = select(notification_lists.c.nkp_hash).where(notification_lists.c.run_id == run.id)
    return set(tx.connection.execute(found).scalars())


def one(tx: Transaction, run_id: int, *, locks: bool = False) -> Run | None:
    """Returns None where there is none, or its row is not ours."""
    found = select(notification_runs).where(notification_runs.c.id == run_id)
    row = tx.connection.execute(found.with_for_update(read=True) if locks else found).first()
    return _proven(tx, row) if row else None


def under_way(tx: Transaction) -> list[Run]:
    found = select(notification_runs).where(UNDER_WAY).order_by(notification_runs.c.id)
    read = (_proven(tx, row) for row in tx.connection.execute(found).all())
    return [each for each in read if each is not None]


def waiting_count(tx: Transaction) -> int:
    """Counts the runs that wait for a second person."""
    return sum(each.state is RunState.WAITING for each in under_way(tx))


def latest(
    tx: Transaction,
    kind: NotificationKind | None = None,
    limit: int = 20,
    before: int | None = None,
    *,
    is_dry: bool | None = None,
) -> list[Run]:
    """Returns the newest first, behind the run `before`. `is_dry`: only those that count, or only
    the others."""
    found = select(notification_runs).order_by(notification_runs.c.id.desc()).limit(limit)
    if kind is not None:
        found = found.where(notification_runs.c.kind == kind)
    if before is not None:
        found = found.where(notification_runs.c.id < before)
    if is_dry is not None:
        found = found.where(notification_runs.c.is_dry == is_dry)
    read = (_proven(tx, row) for row in tx.connection.execute(found).all())
    return [each for each in read if each is not None]


def advance(
    tx: Transaction, run: Run, cursor: int, looked_at: int, found: int, samples: Collection[int]
) -> Run:
    """Notes that a slice was looked at. Raises Conflict where another process was first."""
    sampled = ",".join(map(str, samples)) or None
    moved = (
        update(notification_runs)
        .where(
            notification_runs.c.id == run.id,
            notification_runs.c.cursor == run.cursor,
            notification_runs.c.looked_at == run.looked_at,
            notification_runs.c.state == RunState.LOOKING,
        )
        .values(
            cursor=cursor,
            looked_at=run.looked_at + looked_at,
            found=run.found + found,
            samples=sampled,
        )
        .returning(notification_runs)
    )
    row = tx.connection.execute(moved).first()
    if row is None:
        raise Conflict
    return _run(row)


def move(tx: Transaction, run: Run, state: RunState) -> bool:
    """Returns False if it is not where it was any more."""
    is_over = state in {RunState.DONE, RunState.STOPPED}
    changed = (
        update(notification_runs)
        .where(notification_runs.c.id == run.id, notification_runs.c.state == run.state, UNDER_WAY)
        .values(state=state, **({"ended_at": tx.now} if is_over else {}))
    )
    moved = tx.connection.execute(changed).rowcount == 1
    if moved and is_over:
        _forget_list(tx, run.id)
    return moved


def approve(tx: Transaction, run: Run, actor: str) -> bool:
    """Records the second person. Returns False if it does not wait any more."""
    found = select(notification_runs).where(
        notification_runs.c.id == run.id, notification_runs.c.state == RunState.WAITING
    )
    row = tx.connection.execute(found.with_for_update()).first()
    if row is None:
        return False
    values = {**row._mapping, "approved_by": actor, "approved_at": tx.now}
    mac = row_macs.NOTIFICATION_RUN.make(tx.vault, values)
    changed = update(notification_runs).where(notification_runs.c.id == run.id)
    new = {"approved_by": actor, "approved_at": tx.now, "mac": mac, "state": RunState.SENDING}
    tx.connection.execute(changed.values(new))
    return True


def drop(tx: Transaction, run: Run) -> None:
    """Deletes a run that found nobody."""
    _forget_list(tx, run.id)
    tx.connection.execute(delete(notification_runs).where(notification_runs.c.id == run.id))


def finish(tx: Transaction) -> int:
    """Ends the runs of which nothing is left to send; returns how many."""
    left = exists().where(
        notifications.c.run_id == notification_runs.c.id, notifications.c.state.in_(OPEN)
    )
    is_sent = (notification_runs.c.state == RunState.SENDING) & ~left
    ended = tx.connection.execute(
        update(notification_runs)
        .where(UNDER_WAY, is_sent)
        .values(state=RunState.DONE, ended_at=tx.now)
        .returning(notification_runs.c.id)
    )
    ids = list(ended.scalars())
    for run_id in ids:
        _forget_list(tx, run_id)
    return len(ids)


def forget(tx: Transaction, since: datetime) -> None:
    """Deletes what ended before, and of which no notification is left."""
    left = exists().where(notifications.c.run_id == notification_runs.c.id)
    old = (notification_runs.c.ended_at < since) & ~left
    tx.connection.execute(delete(notification_runs).where(old))


def _forget_list(tx: Transaction, run_id: int) -> None:
    of_run = notification_lists.c.run_id == run_id
    tx.connection.execute(delete(notification_lists).where(of_run))


def _proven(tx: Transaction, row: Row[Any]) -> Run | None:
    is_ours = tx.is_ours(row_macs.NOTIFICATION_RUN, row.mac, row.id, row._mapping)
    return _run(row) if is_ours else None


def _run(row: Row[Any]) -> Run:
    announcement = None
    if row.audience is not None:
        texts = (row.text_id, row.text_en)
        announcement = Announcement(*texts, Audience(row.audience), row.audience_of, row.expires_at)
    return Run(
        id=row.id,
        kind=NotificationKind(row.kind),
        state=RunState(row.state),
        is_dry=row.is_dry,
        started_by=row.started_by,
        started_at=row.started_at,
        cursor=row.cursor,
        looked_at=row.looked_at,
        found=row.found,
        samples=tuple(int(each) for each in (row.samples or "").split(",") if each),
        approved_by=row.approved_by,
        ended_at=row.ended_at,
        announcement=announcement,
    )
