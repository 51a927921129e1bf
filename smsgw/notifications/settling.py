"""Learns from the outbox what became of notifications."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, literal, select, tuple_

from smsgw.messaging import notification_replies
from smsgw.notifications import events
from smsgw.storage.tables.messages import NOT_NEEDED, UNBOUND, WAITING, ReplyState, replies
from smsgw.storage.tables.notifications import (
    UNSETTLED,
    NotificationState,
    RunState,
    notification_runs,
    notifications,
)
from smsgw.storage.transaction import Transaction

AT_ONCE = 1000  # rows
REPORTED_WITHIN = timedelta(days=7)  # later no report is waited for

Place = tuple[datetime, int]  # of a notification: when it was made, and its id


def settle(tx: Transaction, after: Place | None) -> Place | None:
    """Learns what became of notifications behind the place `after`, some at a time. Returns where
    to go on; None at the end."""
    place = tuple_(notifications.c.made_at, notifications.c.id)
    made_at, id_ = after or (tx.now - REPORTED_WITHIN, 0)
    begins = tuple_(literal(made_at, notifications.c.made_at.type), id_)
    rows = tx.connection.execute(
        select(notifications.c.id, notifications.c.made_at, notifications.c.state)
        .add_columns(notifications.c.expires_at)
        .add_columns(replies.c.state.label("reply_state"), replies.c.code)
        .add_columns(notification_runs.c.state.label("run_state"))
        .join(replies, replies.c.id == notifications.c.reply_id)
        .outerjoin(notification_runs, notification_runs.c.id == notifications.c.run_id)
        .where(UNSETTLED, place > begins)
        .order_by(notifications.c.made_at, notifications.c.id)
        .limit(AT_ONCE)
    ).all()
    moved = defaultdict[NotificationState, list[int]](list)
    for row in rows:
        state = _settled(row, tx.now)
        if state is not None and state != row.state:
            moved[state].append(row.id)
    for state, ids in moved.items():
        events.settle(tx, ids, state)
    return (rows[-1].made_at, rows[-1].id) if len(rows) == AT_ONCE else None


REACHED = {
    ReplyState.SENT: NotificationState.SENT,
    ReplyState.DELIVERED: NotificationState.DELIVERED,
    ReplyState.UNDELIVERED: NotificationState.FAILED,
}


def _settled(row: Row[Any], now: datetime) -> NotificationState | None:
    """Returns where a notification is; None while its reply waits."""
    if row.reply_state in WAITING:
        return None
    if row.reply_state in REACHED:
        return REACHED[ReplyState(row.reply_state)]
    if row.reply_state == ReplyState.EXPIRED or row.code == notification_replies.WITHDRAWN:
        if row.run_state == RunState.STOPPED:
            return NotificationState.STOPPED
        # It could not leave before the quiet hours, or was paused: it may leave later.
        is_over = row.expires_at <= now
        return NotificationState.EXPIRED if is_over else NotificationState.PLANNED
    return (
        NotificationState.ENDED if row.code in {UNBOUND, NOT_NEEDED} else NotificationState.FAILED
    )
