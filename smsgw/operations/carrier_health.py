"""Tells from the newest attempts whether carriers accept what is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from smsgw.storage.tables.messages import (
    UNBOUND,
    UNFINISHED,
    UNREADABLE,
    AttemptEnd,
    ReplyState,
    attempts,
    replies,
)
from smsgw.storage.transaction import Transaction

HEALTH = 1000  # of the newest attempts tell how carriers are
NEWEST = 100  # of them tell whether one refuses
HEALTH_FOR = timedelta(minutes=15)

LATE = timedelta(seconds=15)  # that a reply waits while its carrier is well
DOUBTED_FOR = timedelta(minutes=15)  # then what nobody knows of is for an officer
REFUSALS = 5  # one after the other, and none accepted


@dataclass(frozen=True, slots=True)
class Health:
    carrier: str
    endings: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.endings.values())

    @property
    def is_well(self) -> bool:
        return self.endings.get("sent", 0) * 10 >= self.total * 9


@dataclass(frozen=True, slots=True)
class Trouble:
    """Names a carrier that sends nothing, or refuses everything."""

    carrier: str
    count: int
    since: datetime
    is_refusing: bool


def troubles(tx: Transaction) -> list[Trouble]:
    """Returns what nobody should have to look for, by carrier."""
    found = {each.carrier: each for each in (*_refusing(tx), *_stuck(tx))}
    return [found[carrier] for carrier in sorted(found)]


def states(tx: Transaction) -> dict[str, bool]:
    """Tells whether carriers take what is sent: those that were sent something lately, or have
    late replies."""
    found = {each.carrier: True for each in _health(tx)}
    return found | {each.carrier: False for each in troubles(tx)}


def _health(tx: Transaction) -> Iterator[Health]:
    found = tx.connection.execute(
        select(replies.c.carrier, attempts.c.ending, func.count())
        .join_from(attempts, replies, replies.c.id == attempts.c.reply_id)
        .where(_is_among(HEALTH), attempts.c.started_at > tx.now - HEALTH_FOR)
        .where(attempts.c.ending.is_not(None))
        .group_by(replies.c.carrier, attempts.c.ending)
    )
    by_carrier: dict[str, dict[str, int]] = {}
    for carrier, ending, count in found:
        by_carrier.setdefault(carrier, {})[ending] = count
    for carrier, endings in sorted(by_carrier.items()):
        yield Health(carrier, endings)


def _is_among(count: int) -> ColumnElement[bool]:
    """Tells of an attempt whether it is among so many newest ones. Ids of two months are far
    apart."""
    newest = select(attempts.c.id).order_by(attempts.c.id.desc()).limit(count).subquery()
    return attempts.c.id >= select(func.min(newest.c.id)).scalar_subquery()


def _stuck(tx: Transaction) -> Iterator[Trouble]:
    """Yields carriers with replies that are due and late, if no later one was accepted
    meanwhile."""
    late = tx.now - LATE
    was_tried = (replies.c.attempts > 0) & (replies.c.made_at < late)
    is_queued = (replies.c.state == ReplyState.QUEUED) & (was_tried | (replies.c.due_at < late))
    is_sending = (replies.c.state == ReplyState.SENDING) & (replies.c.made_at < late)
    tried = select(attempts.c.id).where(
        attempts.c.reply_id == replies.c.id, attempts.c.started_at > tx.now - DOUBTED_FOR
    )
    is_unknown = (replies.c.state == ReplyState.UNKNOWN) & was_tried & tried.exists()
    waiting = (
        select(replies.c.carrier, func.count(), func.min(replies.c.made_at))
        .where(UNFINISHED, is_queued | is_sending | is_unknown)
        .group_by(replies.c.carrier)
    )
    for carrier, count, since in tx.connection.execute(waiting).all():
        if not _has_accepted(tx, carrier, since):
            yield Trouble(carrier, count, since, is_refusing=False)


def _has_accepted(tx: Transaction, carrier: str, since: datetime) -> bool:
    """Looks at the newest attempts: a carrier is alive if one of its sender IDs works."""
    accepted = (
        select(attempts.c.id)
        .join_from(attempts, replies, replies.c.id == attempts.c.reply_id)
        .where(_is_among(HEALTH), attempts.c.started_at > since)
        .where(attempts.c.ending == AttemptEnd.SENT, replies.c.carrier == carrier)
    )
    return tx.connection.execute(accepted.limit(1)).first() is not None


def _refusing(tx: Transaction) -> Iterator[Trouble]:
    """Counts refusals by the carrier itself, not those of ours after a binding ended."""
    ended = (
        select(replies.c.carrier, attempts.c.ending, attempts.c.code, attempts.c.started_at)
        .join_from(attempts, replies, replies.c.id == attempts.c.reply_id)
        .where(_is_among(NEWEST), attempts.c.started_at > tx.now - DOUBTED_FOR)
        .where(attempts.c.ending.is_not(None))
        .order_by(attempts.c.id.desc())
    )
    by_carrier: dict[str, list[Row[*tuple[Any, ...]]]] = {}
    for row in tx.connection.execute(ended):
        if row.code not in {UNBOUND, UNREADABLE}:
            by_carrier.setdefault(row.carrier, []).append(row)
    for carrier, rows in by_carrier.items():
        refused = list(takewhile(lambda row: row.ending == AttemptEnd.REFUSED, rows))
        if len(refused) >= REFUSALS:
            yield Trouble(carrier, len(refused), refused[-1].started_at, is_refusing=True)
