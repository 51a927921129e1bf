"""Keeps the notifications: one row for each participant, kind and period, so that none is told
twice, whatever is killed or begun again.

    planned ─queue─▶ queued ─sent─▶ sent ─report─▶ delivered | failed
     │  ▲              │ └────────▶ failed | ended
     │  └── not today ─┘
     └─▶ expired | ended | moot | stopped
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, case, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from handlers.changes import NotificationKind
from smsgw.messaging import notification_replies
from smsgw.storage.bulk import BulkInsert, BulkSelect
from smsgw.storage.tables.notifications import (
    PLANNED,
    UNSETTLED,
    NotificationState,
    RunState,
    notification_runs,
    notifications,
    subscriptions,
)
from smsgw.storage.transaction import Conflict, Transaction

AT_ONCE = 1000  # rows
REPORTED_WITHIN = timedelta(days=7)  # later no report is waited for
SAYS_STOP_EVERY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Holds what is planned for one participant."""

    period: str
    nkp_hash: bytes
    phone_id: int
    binding_id: int
    about: bytes | None
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    run_id: int
    kind: NotificationKind
    nkp_hash: bytes
    phone_id: int
    binding_id: int
    about: bytes | None
    expires_at: datetime


_insert = BulkInsert(
    notifications,
    *("run_id", "kind", "period", "nkp_hash", "phone_id", "binding_id", "about", "state"),
    *("made_at", "due_at", "expires_at", "says_stop"),
)


def periods(
    tx: Transaction, kind: NotificationKind, nkp_hashes: Collection[bytes]
) -> set[tuple[bytes, str]]:
    """Returns for which periods these participants have a notification of a kind."""
    if not nkp_hashes:
        return set()
    found = select(notifications.c.nkp_hash, notifications.c.period)
    of_kind = notifications.c.kind == kind
    rows = BulkSelect(lambda among: found.where(among, of_kind), notifications.c.nkp_hash).run(
        tx.connection, list(nkp_hashes)
    )
    return {(row.nkp_hash, row.period) for row in rows}


def planned_since(
    tx: Transaction, kind: NotificationKind, nkp_hashes: Collection[bytes], since: datetime
) -> set[bytes]:
    """Returns which of these participants have a notification of a kind that was planned since
    then, announcements aside."""
    if not nkp_hashes:
        return set()
    is_new = (notifications.c.kind == kind) & (notifications.c.made_at > since)
    is_new &= notifications.c.period.not_like("announcement%")
    found = select(notifications.c.nkp_hash)
    some = BulkSelect(lambda among: found.where(among, is_new), notifications.c.nkp_hash)
    return set(some.run(tx.connection, list(nkp_hashes)).scalars())


def add(tx: Transaction, run_id: int, kind: NotificationKind, new: Sequence[NewEvent]) -> None:
    """Raises Conflict where one of these periods has a notification."""
    if not new:
        return
    rows = [
        {
            "run_id": run_id,
            "kind": kind,
            "period": each.period,
            "nkp_hash": each.nkp_hash,
            "phone_id": each.phone_id,
            "binding_id": each.binding_id,
            "about": each.about,
            "state": NotificationState.PLANNED,
            "made_at": tx.now,
            "due_at": each.due_at,
            "expires_at": each.expires_at,
            "says_stop": False,
        }
        for each in new
    ]
    try:
        _insert.count(tx.connection, rows)
    except IntegrityError:
        raise Conflict from None


def due(tx: Transaction, kinds: Collection[NotificationKind], limit: int) -> list[Event]:
    """Returns what may be queued now, the longest due first."""
    found = (
        select(notifications)
        .join(notification_runs, notification_runs.c.id == notifications.c.run_id)
        .where(PLANNED, notifications.c.due_at <= tx.now, notifications.c.expires_at > tx.now)
        .where(notifications.c.kind.in_(kinds), notification_runs.c.state == RunState.SENDING)
        .order_by(notifications.c.due_at, notifications.c.id)
        .limit(limit)
    )
    return [_event(row) for row in tx.connection.execute(found)]


def queue(tx: Transaction, reply_ids: Mapping[int, int], says_stop: Collection[int]) -> None:
    """Notes the replies of notifications, by their ids. Raises Conflict where another process
    queued one of them."""
    if not reply_ids:
        return
    changed = tx.connection.execute(
        update(notifications)
        .where(notifications.c.id.in_(reply_ids), PLANNED)
        .values(
            state=NotificationState.QUEUED,
            queued_at=tx.now,
            reply_id=case(reply_ids, value=notifications.c.id),
            says_stop=notifications.c.id.in_(says_stop),
        )
    )
    if changed.rowcount != len(reply_ids):
        raise Conflict


def end(tx: Transaction, ids: Collection[int], state: NotificationState) -> None:
    """Ends what is planned."""
    changed = update(notifications).where(notifications.c.id.in_(ids), PLANNED)
    tx.connection.execute(changed.values(state=state))


def postpone(tx: Transaction, until: Mapping[int, datetime]) -> None:
    by_time = defaultdict[datetime, list[int]](list)
    for id_, at in until.items():
        by_time[at].append(id_)
    for at, ids in by_time.items():
        later = update(notifications).where(notifications.c.id.in_(ids), PLANNED)
        tx.connection.execute(later.values(due_at=at))


def expire(tx: Transaction) -> int:
    """Drops what was not sent in its time; returns how many."""
    late = select(notifications.c.id).where(PLANNED, notifications.c.expires_at <= tx.now)
    ids = tx.connection.execute(late.limit(AT_ONCE)).scalars().all()
    end(tx, ids, NotificationState.EXPIRED)
    return len(ids)


def said_stop(tx: Transaction, phone_ids: Collection[int]) -> set[int]:
    """Returns the phones that were told of late how to end notifications."""
    found = select(notifications.c.phone_id).where(
        notifications.c.phone_id.in_(phone_ids),
        notifications.c.says_stop,
        notifications.c.queued_at > tx.now - SAYS_STOP_EVERY,
    )
    return set(tx.connection.execute(found).scalars())


def stop(tx: Transaction, which: ColumnElement[bool]) -> int:
    """Drops what is planned for good, also what is in the outbox; returns how many that were."""
    stopped = update(notifications).where(PLANNED, which)
    number = tx.connection.execute(stopped.values(state=NotificationState.STOPPED)).rowcount
    # Behind the update, which waits for whoever is queueing some of them.
    in_outbox = queued(tx, which)
    notification_replies.withdraw(tx, in_outbox)
    return number + len(in_outbox)


def queued(tx: Transaction, which: ColumnElement[bool]) -> list[int]:
    """Returns the replies of what is in the outbox."""
    in_outbox = UNSETTLED & (notifications.c.state == NotificationState.QUEUED)
    found = select(notifications.c.reply_id).where(in_outbox, which)
    return [each for each in tx.connection.execute(found).scalars() if each is not None]


def counts(tx: Transaction, run_ids: Collection[int]) -> dict[int, dict[NotificationState, int]]:
    """Counts the notifications of runs by their states."""
    counted = (
        select(notifications.c.run_id, notifications.c.state, func.count())
        .where(notifications.c.run_id.in_(run_ids))
        .group_by(notifications.c.run_id, notifications.c.state)
    )
    found = defaultdict[int, dict[NotificationState, int]](dict)
    for run_id, state, number in tx.connection.execute(counted):
        found[run_id][NotificationState(state)] = number
    return dict(found)


def counts_by_kind(
    tx: Transaction, since: datetime
) -> dict[NotificationKind, dict[NotificationState, int]]:
    """Counts the notifications that were planned since then."""
    counted = (
        select(notifications.c.kind, notifications.c.state, func.count())
        .where(notifications.c.made_at > since)
        .group_by(notifications.c.kind, notifications.c.state)
    )
    found = defaultdict[NotificationKind, dict[NotificationState, int]](dict)
    for kind, state, number in tx.connection.execute(counted):
        found[NotificationKind(kind)][NotificationState(state)] = number
    return dict(found)


def opted_out(tx: Transaction, which: ColumnElement[bool]) -> int:
    """Counts the phones that ended a kind after one of these notifications."""
    ended = (
        select(func.count(notifications.c.phone_id.distinct()))
        .join(
            subscriptions,
            (subscriptions.c.phone_id == notifications.c.phone_id)
            & (subscriptions.c.kind == notifications.c.kind),
        )
        .where(which, subscriptions.c.ended_at > notifications.c.queued_at)
    )
    return int(tx.connection.execute(ended).scalar_one())


def settle(tx: Transaction, ids: Collection[int], state: NotificationState) -> None:
    """Writes what became of what was in the outbox."""
    again = {"reply_id": None} if state is NotificationState.PLANNED else {}
    changed = update(notifications).where(notifications.c.id.in_(ids), UNSETTLED)
    tx.connection.execute(changed.values(state=state, **again))


def forget(tx: Transaction, since: datetime, limit: int) -> int:
    """Deletes notifications that were made before; returns how many."""
    old = select(notifications.c.id).where(notifications.c.made_at < since)
    old = old.order_by(notifications.c.made_at).limit(limit)
    gone = delete(notifications).where(notifications.c.id.in_(old))
    return tx.connection.execute(gone).rowcount


def erase(tx: Transaction, phone_id: int) -> None:
    tx.connection.execute(delete(notifications).where(notifications.c.phone_id == phone_id))


def _event(row: Row[Any]) -> Event:
    return Event(
        id=row.id,
        run_id=row.run_id,
        kind=NotificationKind(row.kind),
        nkp_hash=row.nkp_hash,
        phone_id=row.phone_id,
        binding_id=row.binding_id,
        about=row.about,
        expires_at=row.expires_at,
    )
