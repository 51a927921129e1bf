"""Keeps how many segments of notifications are used, by day."""

from datetime import date

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from smsgw.storage.tables.notifications import notification_days
from smsgw.storage.transaction import Conflict, Transaction


def take(tx: Transaction, day: date, wanted: int, budget: int) -> int:
    """Takes segments of a day's budget, and returns how many there were left. It is locked until
    the transaction ends."""
    is_day = notification_days.c.day == day
    of_day = select(notification_days.c.segments).where(is_day).with_for_update()
    spent = tx.connection.execute(of_day).scalar_one_or_none()
    if spent is None:
        try:
            tx.connection.execute(insert(notification_days).values(day=day, segments=0))
        except IntegrityError:  # another process began the day at this instant
            raise Conflict from None
    taken = max(0, min(wanted, budget - (spent or 0)))
    changed = update(notification_days).where(is_day)
    tx.connection.execute(changed.values(segments=notification_days.c.segments + taken))
    return taken


def used(tx: Transaction, day: date) -> int:
    """Returns how many segments of a day are used."""
    found = select(notification_days.c.segments).where(notification_days.c.day == day)
    return int(tx.connection.execute(found).scalar_one_or_none() or 0)


def forget(tx: Transaction, since: date) -> None:
    tx.connection.execute(delete(notification_days).where(notification_days.c.day < since))
