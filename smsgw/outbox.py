"""Replies on their way out. A row a reply, a row an attempt; the database is the truth.

    queued ─claim─▶ sending ─▶ sent ─report─▶ delivered | undelivered
       ▲               ├─────▶ refused
       └──── retry ────┼─────▶ unknown ─report─▶ sent | delivered | undelivered
                       lease ran out

A claim commits the reply's lease and its attempt before anything is posted, so that a process that
dies leaves *unknown* behind, never a second SMS. Reports arrive late, twice and out of order: they
move a reply to a higher rank or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import SystemRandom
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from smsgw import gsm7
from smsgw.carriers.base import Delivery, Ending, OutgoingSms, Report, SendError
from smsgw.models import AttemptEnd, Ciphertext, ReplyState, attempts, phones, replies
from smsgw.runtime import Transaction

LEASE = timedelta(seconds=60)  # well above a carrier's connect and read limits together
LONGEST_PAUSE = timedelta(minutes=5)
CHANCE = SystemRandom()

RANK = {state: rank for rank, state in enumerate(ReplyState)}
REPORTED = {
    Delivery.SENT: ReplyState.SENT,
    Delivery.DELIVERED: ReplyState.DELIVERED,
    Delivery.UNDELIVERED: ReplyState.UNDELIVERED,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A reply about to be added."""

    message_id: int
    phone_id: int
    binding_id: int | None
    carrier: str
    lane: str
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    reply_id: int
    attempts: int
    sms: OutgoingSms


@dataclass(frozen=True, slots=True)
class Sent:
    """How a claim ended: with the carrier's id of the message, or with an error."""

    claim: Claim
    carrier_ref: str | None = None
    error: SendError | None = None


def add(tx: Transaction, draft: Draft) -> int:
    counted = gsm7.count(draft.text)
    row = {
        "message_id": draft.message_id,
        "phone_id": draft.phone_id,
        "binding_id": draft.binding_id,
        "carrier": draft.carrier,
        "lane": draft.lane,
        "text": tx.vault.encrypt(draft.text, Ciphertext.REPLY),
        "encoding": counted.encoding,
        "segments": counted.segments,
        "state": ReplyState.QUEUED,
        "made_at": tx.now,
        "due_at": tx.now,
        "attempts": 0,
    }
    return int(
        tx.connection.execute(insert(replies).values(row).returning(replies.c.id)).scalar_one()
    )


def state_of(tx: Transaction, message_id: int) -> ReplyState | None:
    """Where the reply to a message is; None where it has none."""
    found = tx.connection.execute(
        select(replies.c.state).where(replies.c.message_id == message_id).order_by(replies.c.id)
    )
    state = found.scalars().first()
    return ReplyState(state) if state else None


def attempts_of(tx: Transaction, message_id: int, carrier: str) -> list[int]:
    """The attempts to send by `carrier` what was answered to a message."""
    made = (
        select(attempts.c.id)
        .join(replies, replies.c.id == attempts.c.reply_id)
        .where(replies.c.message_id == message_id, replies.c.carrier == carrier)
    )
    return list(tx.connection.execute(made).scalars())


def lanes_waiting(tx: Transaction) -> list[tuple[str, str]]:
    """(carrier, lane) of every reply that is due."""
    due = select(replies.c.carrier, replies.c.lane).where(
        replies.c.state == ReplyState.QUEUED, replies.c.due_at <= tx.now
    )
    return [(row.carrier, row.lane) for row in tx.connection.execute(due.distinct())]


def claim(tx: Transaction, carrier: str, lane: str, limit: int) -> list[Claim]:
    """Up to `limit` due replies, oldest first, leased to the caller, each with its attempt."""
    pick = (
        select(replies.c.id)
        .where(
            replies.c.state == ReplyState.QUEUED,
            replies.c.carrier == carrier,
            replies.c.lane == lane,
            replies.c.due_at <= tx.now,
        )
        .order_by(replies.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite has one writer anyway
        .cte("pick")  # as a subquery PostgreSQL may run it again for each row, past its limit
    )
    taken = tx.connection.execute(
        update(replies)
        .where(replies.c.id.in_(select(pick.c.id)), replies.c.state == ReplyState.QUEUED)
        .values(
            state=ReplyState.SENDING, lease_until=tx.now + LEASE, attempts=replies.c.attempts + 1
        )
        .returning(replies.c.id, replies.c.phone_id, replies.c.text, replies.c.attempts)
    ).all()
    return [_claimed(tx, lane, row) for row in sorted(taken)]


def record(tx: Transaction, results: Sequence[Sent]) -> None:
    """Writes how claims ended, in one go. A report that overtook the answer stays."""
    for result in results:
        ending, state, code = _ended(result)
        tx.connection.execute(
            update(attempts)
            .where(attempts.c.id == result.claim.sms.attempt_id)
            .values(ending=ending, ended_at=tx.now, carrier_ref=result.carrier_ref, code=code)
        )
        news: dict[str, object] = {"state": state, "lease_until": None, "code": code}
        if state is ReplyState.QUEUED:
            news["due_at"] = tx.now + pause(result.claim.attempts)
        if result.carrier_ref is not None:
            news["carrier_ref"] = result.carrier_ref
        _move(tx, result.claim.reply_id, news)


def apply_report(tx: Transaction, report: Report) -> bool:
    """Moves the reply that `report` speaks of. False where it is news of nothing we know."""
    attempt = tx.connection.execute(
        select(attempts.c.reply_id, attempts.c.ending).where(attempts.c.id == report.attempt_id)
    ).first()
    if attempt is None:
        return False
    if attempt.ending in {None, AttemptEnd.UNKNOWN}:
        tx.connection.execute(
            update(attempts)
            .where(attempts.c.id == report.attempt_id)
            .values(ending=AttemptEnd.SENT, ended_at=tx.now, carrier_ref=report.carrier_ref)
        )
    news: dict[str, object] = {
        "state": REPORTED[report.delivery],
        "lease_until": None,
        "code": report.code,
    }
    if report.carrier_ref is not None:
        news["carrier_ref"] = report.carrier_ref
    return _move(tx, attempt.reply_id, news)


def expire_leases(tx: Transaction) -> list[int]:
    """Replies whose sender died: the attempt had begun, so nobody knows whether it went out."""
    ran_out = tx.connection.execute(
        update(replies)
        .where(replies.c.state == ReplyState.SENDING, replies.c.lease_until < tx.now)
        .values(state=ReplyState.UNKNOWN, lease_until=None)
        .returning(replies.c.id)
    )
    ids = [row.id for row in ran_out]
    tx.connection.execute(
        update(attempts)
        .where(attempts.c.reply_id.in_(ids), attempts.c.ending.is_(None))
        .values(ending=AttemptEnd.UNKNOWN, ended_at=tx.now)
    )
    return ids


def pause(attempts_made: int) -> timedelta:
    """How long before the next attempt: 2, 4, 8 … seconds, half of it left to chance."""
    seconds = min(2.0 ** min(attempts_made, 20), LONGEST_PAUSE.total_seconds())
    return timedelta(seconds=seconds * CHANCE.uniform(0.5, 1.0))


_recipient = select(phones.c.number).where(phones.c.id == bindparam("phone_id"))


def _claimed(tx: Transaction, lane: str, row: Row[*tuple[Any, ...]]) -> Claim:
    begun = tx.connection.execute(
        insert(attempts).values(reply_id=row.id, started_at=tx.now).returning(attempts.c.id)
    )
    number = tx.connection.execute(_recipient, {"phone_id": row.phone_id}).scalar_one()
    sms = OutgoingSms(
        attempt_id=begun.scalar_one(),
        recipient=tx.vault.decrypt(number, Ciphertext.PHONE),
        lane=lane,
        text=tx.vault.decrypt(row.text, Ciphertext.REPLY),
    )
    return Claim(row.id, row.attempts, sms)


def _ended(result: Sent) -> tuple[AttemptEnd, ReplyState, str | None]:
    if result.error is None:
        return AttemptEnd.SENT, ReplyState.SENT, None
    ending, state = {
        Ending.REFUSED: (AttemptEnd.REFUSED, ReplyState.REFUSED),
        Ending.RETRY: (AttemptEnd.RETRY, ReplyState.QUEUED),
        Ending.UNKNOWN: (AttemptEnd.UNKNOWN, ReplyState.UNKNOWN),
    }[result.error.ending]
    return ending, state, result.error.code


def _move(tx: Transaction, reply_id: int, news: dict[str, object]) -> bool:
    """To a higher rank only; what surely was not sent goes back, whatever its lease said."""
    state = ReplyState(str(news["state"]))
    is_retry = state is ReplyState.QUEUED
    unsent = [ReplyState.SENDING, ReplyState.UNKNOWN]
    lower = unsent if is_retry else [s for s in RANK if RANK[s] < RANK[state]]
    moved = tx.connection.execute(
        update(replies).where(replies.c.id == reply_id, replies.c.state.in_(lower)).values(news)
    )
    return moved.rowcount == 1
