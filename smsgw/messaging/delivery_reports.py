"""Follows a send to its end: delivery reports, expired leases, replies that are too late to
send."""

from sqlalchemy import ColumnElement, case, delete, exists, func, select, true, update

from smsgw.carriers.carrier import Delivery, Report
from smsgw.messaging import hourly_counts
from smsgw.messaging.outbox import (
    ASK_AFTER,
    LEASE,
    SINCE,
    accepted,
    cut,
    move,
    opt_out,
    seconds_waited,
    settled_if_unknown,
)
from smsgw.storage.tables.messages import (
    OPEN,
    QUEUED,
    UNBOUND,
    UNFINISHED,
    WAITING,
    AttemptEnd,
    Priority,
    ReplyState,
    Settled,
    attempts,
    messages,
    replies,
)
from smsgw.storage.tables.phones import bindings
from smsgw.storage.transaction import Transaction

EXPIRED_AT_ONCE = 5_000


def apply_report(tx: Transaction, report: Report, how: Settled = Settled.REPORT) -> bool:
    """Moves the reply that `report` speaks of. Returns False if it is news of nothing we know: no
    attempt of that carrier, or one that the carrier knows by another id."""
    attempt = tx.connection.execute(
        select(attempts.c.reply_id, SINCE, messages.c.received_at)
        .add_columns(attempts.c.ending, replies.c.waited)
        .join_from(attempts, replies, replies.c.id == attempts.c.reply_id)
        .outerjoin(messages, messages.c.id == replies.c.message_id)
        .where(
            attempts.c.id == report.attempt_id,
            replies.c.carrier == report.carrier,
            _is_named(report.carrier_ref),
        )
        .with_for_update(of=replies)  # the reply before its attempts, as everywhere: no deadlock
    ).first()
    if attempt is None:
        return False
    tx.connection.execute(
        update(attempts)
        .where(attempts.c.id == report.attempt_id)
        .values(  # whoever sent it may have died before it could write how that ended
            ending=func.coalesce(attempts.c.ending, AttemptEnd.SENT),
            ended_at=func.coalesce(attempts.c.ended_at, tx.now, type_=attempts.c.ended_at.type),
            carrier_ref=func.coalesce(attempts.c.carrier_ref, report.carrier_ref),
            settled=func.coalesce(attempts.c.settled, settled_if_unknown(how)),
        )
    )
    news = {
        "state": REPORTED[report.delivery],
        "lease_until": None,
        "code": cut(report.code),
        **accepted(report.carrier_ref, seconds_waited(tx, attempt.since)),
    }
    is_counted = attempt.ending == AttemptEnd.SENT and attempt.waited is not None
    if report.delivery is Delivery.UNDELIVERED or not is_counted:
        hourly_counts.changed(tx, attempt.received_at)
    if report.is_opted_out:
        opt_out(tx, attempt.reply_id)
    return move(tx, attempt.reply_id, news)


def expire_leases(tx: Transaction) -> list[int]:
    """Marks as unknown the replies whose worker died: the attempt had begun, so nobody knows
    whether it went out. Returns their ids."""
    ran_out = tx.connection.execute(
        update(replies)
        .where(UNFINISHED, replies.c.state == ReplyState.SENDING, replies.c.lease_until < tx.now)
        .values(state=ReplyState.UNKNOWN, lease_until=None, due_at=tx.now + ASK_AFTER)
        .returning(replies.c.id)
    )
    ids = [row.id for row in ran_out]
    tx.connection.execute(
        update(attempts)
        .where(attempts.c.reply_id.in_(ids), attempts.c.ending.is_(None))
        .values(ending=AttemptEnd.UNKNOWN, ended_at=tx.now)
    )
    # A report, or a later attempt, told how these replies ended before their senders could.
    told = tx.connection.execute(
        update(attempts)
        .where(OPEN, attempts.c.started_at < tx.now - LEASE)
        .values(ending=AttemptEnd.UNKNOWN, ended_at=tx.now, settled=Settled.REPORT)
        .returning(attempts.c.reply_id)
    )
    hourly_counts.replies_changed(tx, [*ids, *told.scalars()])
    return ids


def drop_stale(
    tx: Transaction, *, may_expire: bool = True, limit: int = EXPIRED_AT_ONCE
) -> list[int]:
    """Ends what waits and may no longer leave: it hangs on a binding that ended while it was on its
    way, or is past its time, up to `limit` of these. Returns the ids of those, but for
    notifications: these may be sent on another day."""
    ended = exists().where(bindings.c.id == replies.c.binding_id, bindings.c.ended_at.is_not(None))
    tx.connection.execute(
        update(replies).where(QUEUED, ended).values(state=ReplyState.REFUSED, code=UNBOUND)
    )
    if not may_expire:
        return []
    late = (
        select(replies.c.id)
        .where(QUEUED, replies.c.expires_at <= tx.now)
        .order_by(replies.c.carrier, replies.c.sender_id, replies.c.priority, replies.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("late")
    )
    due_at = case((replies.c.priority < Priority.SCHEDULED, tx.now), else_=None)
    expired = tx.connection.execute(
        update(replies)
        .where(replies.c.id.in_(select(late.c.id)), QUEUED)
        .values(state=ReplyState.EXPIRED, due_at=due_at)
        .returning(replies.c.id, replies.c.priority)
    )
    ids = [row.id for row in expired if row.priority < Priority.NOTIFICATION]
    hourly_counts.replies_changed(tx, ids)
    return ids


def delete_old(tx: Transaction, before: int, limit: int) -> int:
    """Deletes replies that are done with, and attempts, with lower ids; returns how many."""
    done = select(replies.c.id).where(replies.c.id < before, replies.c.state.not_in(WAITING))
    made = select(attempts.c.id).where(attempts.c.id < before)
    done, made = done.order_by(replies.c.id).limit(limit), made.order_by(attempts.c.id).limit(limit)
    rows = tx.connection.execute(delete(replies).where(replies.c.id.in_(done))).rowcount
    return rows + tx.connection.execute(delete(attempts).where(attempts.c.id.in_(made))).rowcount


REPORTED = {
    Delivery.SENT: ReplyState.SENT,
    Delivery.DELIVERED: ReplyState.DELIVERED,
    Delivery.UNDELIVERED: ReplyState.UNDELIVERED,
}


def _is_named(ref: str | None) -> ColumnElement[bool]:
    """Tells whether the carrier may mean this attempt by its id `ref`."""
    if ref is None:
        return true()
    return attempts.c.carrier_ref.is_(None) | (attempts.c.carrier_ref == ref)
