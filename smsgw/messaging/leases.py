"""Claims replies to be sent: each has a lease, and an attempt for each try."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Row,
    String,
    case,
    func,
    or_,
    select,
    update,
)

from smsgw import logs, phone
from smsgw.carriers.carrier import Ending, OutgoingSms, SendError
from smsgw.messaging import expiry_notices
from smsgw.messaging.outbox import (
    ASK_AFTER,
    CHANCE,
    LEASE,
    SINCE,
    _is_of_use,
    accepted,
    cut,
    lower,
    move,
    opt_out,
    seconds_waited,
    settled_if_unknown,
)
from smsgw.storage.bulk import BulkInsert, BulkSelect, BulkUpdate
from smsgw.storage.crypto import Unreadable
from smsgw.storage.tables.messages import (
    NO_PHONE,
    NOT_NEEDED,
    QUEUED,
    UNREADABLE,
    AttemptEnd,
    ReplyState,
    Settled,
    attempts,
    messages,
    replies,
)
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.tables.types import Id
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

SET_ASIDE_AT_ONCE = 100  # batches of which no reply can be opened


@dataclass(frozen=True, slots=True)
class ReplyBinding:
    """Holds the binding that a reply about a participant depends on."""

    nkp: str
    on_file: str | None  # the number on file when the phone was bound


@dataclass(frozen=True, slots=True)
class Lease:
    reply_id: int
    attempts: int
    since: datetime  # when the wait for it began
    sms: OutgoingSms
    age: timedelta  # since it was made
    binding: ReplyBinding | None


def claim(
    tx: Transaction, carrier: str, sender_id: str, limit: int, *, may_expire: bool = True
) -> list[Lease]:
    """Leases up to `limit` due replies to the caller, each with its attempt: first those that
    people asked for and wait for, and of these the oldest. Sets aside those that cannot be opened.
    Where nothing may expire, those that seem past their use are of as much use as at first.
    """
    leases: list[Lease] = []
    for _ in range(SET_ASIDE_AT_ONCE):
        taken = _take(tx, carrier, sender_id, limit, may_expire)
        leases = _leased(tx, sender_id, taken)
        if leases or len(taken) < limit:
            break
    return leases


def _take(
    tx: Transaction, carrier: str, sender_id: str, limit: int, may_expire: bool
) -> list[Row[*tuple[Any, ...]]]:
    pick = (
        select(replies.c.id)
        .outerjoin(bindings, bindings.c.id == replies.c.binding_id)
        .where(
            QUEUED,
            replies.c.carrier == carrier,
            replies.c.sender_id == sender_id,
            replies.c.due_at <= tx.now,
            _is_of_use(tx, may_expire),
            bindings.c.ended_at.is_(None),
        )
        .order_by(replies.c.priority, replies.c.id)
        .limit(limit)
        .with_for_update(of=replies, skip_locked=True)  # PostgreSQL; SQLite has one writer anyway
        .cte("pick")  # as a subquery PostgreSQL may run it again for each row, past its limit
    )
    taken = tx.connection.execute(
        update(replies)
        .where(replies.c.id.in_(select(pick.c.id)), QUEUED)
        .values(
            state=ReplyState.SENDING, lease_until=tx.now + LEASE, attempts=replies.c.attempts + 1
        )
        .returning(
            replies.c.priority,
            replies.c.id,
            replies.c.text,
            replies.c.attempts,
            replies.c.expires_at,
            replies.c.made_at,
            replies.c.message_id,
        )
    ).all()
    return sorted(taken)


_concerned = BulkSelect(
    select(replies.c.id, phones.c.number, phones.c.hash)
    .add_columns(replies.c.phone_id, replies.c.binding_id, SINCE)
    .add_columns(expiry_notices.is_not_needed(replies).label("is_not_needed"))
    .add_columns(bindings.c.nkp, bindings.c.nkp_hash, bindings.c.on_file, bindings.c.on_file_hash)
    .join_from(replies, phones, phones.c.id == replies.c.phone_id)
    .join(messages, messages.c.id == replies.c.message_id)
    .outerjoin(bindings, bindings.c.id == replies.c.binding_id)
    .where,
    replies.c.id,
)
_begin = BulkInsert(attempts, "reply_id", "started_at")


def _leased(tx: Transaction, sender_id: str, taken: Sequence[Row[*tuple[Any, ...]]]) -> list[Lease]:
    if not taken:
        return []
    started = [{"reply_id": row.id, "started_at": tx.now} for row in taken]
    begun = _begin.run(tx.connection, started)
    found = _concerned.run(tx.connection, [row.id for row in taken])
    concerned = {row.id: row for row in found}
    leased = (
        _lease(tx, sender_id, row, attempt_id, concerned[row.id])
        for row, attempt_id in zip(taken, begun, strict=True)
    )
    return [each for each in leased if each is not None]


def _lease(
    tx: Transaction,
    sender_id: str,
    row: Row[*tuple[Any, ...]],
    attempt_id: int,
    concerned: Row[*tuple[Any, ...]],
) -> Lease | None:
    """Returns None if something that the reply needs cannot be opened. That reply is refused; where
    many cannot be opened, it waits, and may be sent once they can."""
    whose = (concerned.phone_id, concerned.hash)
    recipient = tx.opened(concerned.number, Ciphertext.PHONE, *whose)
    named_by = (concerned.hash, row.message_id, concerned.binding_id)
    text = tx.opened(row.text, Ciphertext.REPLY, row.id, *named_by)
    try:
        binding = _binding(tx, concerned)
    except Unreadable:
        binding, text = None, None
    if recipient is None or text is None:
        _set_aside(tx, row, attempt_id)
        return None
    if concerned.is_not_needed:
        _refuse(tx, row, attempt_id, NOT_NEEDED)
        return None
    if not phone.is_e164(recipient):
        log.error("the recipient is not a phone number", reply=row.id)
        _refuse(tx, row, attempt_id, NO_PHONE)
        return None
    lasts = row.expires_at - (tx.now if row.expires_at > tx.now else row.made_at)
    sms = OutgoingSms(attempt_id, recipient, sender_id, text, lasts)
    age = tx.now - row.made_at
    return Lease(row.id, row.attempts, concerned.since, sms, age, binding)


def _set_aside(tx: Transaction, row: Row[*tuple[Any, ...]], attempt_id: int) -> None:
    if tx.may_end_what_failed():
        _refuse(tx, row, attempt_id, UNREADABLE)
        return
    news = {"state": ReplyState.QUEUED, "lease_until": None, "code": UNREADABLE}
    move(tx, row.id, news | {"due_at": tx.now + LONGEST_PAUSE}, row.attempts)
    _end_attempt(tx, attempt_id, AttemptEnd.RETRY, None, UNREADABLE)


def _refuse(tx: Transaction, row: Row[*tuple[Any, ...]], attempt_id: int, code: str) -> None:
    news: dict[str, object] = {"state": ReplyState.REFUSED, "lease_until": None, "code": code}
    move(tx, row.id, news, row.attempts)
    _end_attempt(tx, attempt_id, AttemptEnd.REFUSED, None, code)


def _binding(tx: Transaction, row: Row[*tuple[Any, ...]]) -> ReplyBinding | None:
    """Raises Unreadable."""
    if row.binding_id is None:
        return None
    nkp = tx.opened(row.nkp, Ciphertext.NKP, row.binding_id, row.nkp_hash)
    on_file = tx.opened(row.on_file, Ciphertext.ON_FILE, row.binding_id, row.on_file_hash)
    if nkp is None or (on_file is None and row.on_file is not None):
        raise Unreadable("bindings")
    return ReplyBinding(nkp, on_file)


LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SendResult:
    """Says how a lease ended: with the carrier's id of the message, or with an error."""

    lease: Lease
    carrier_ref: str | None = None
    error: SendError | None = None


def record(tx: Transaction, results: Sequence[SendResult]) -> None:
    """Writes how leases ended, in one go. A report that overtook the answer stays."""
    _record_sent(tx, [each for each in results if each.error is None])
    for result in results:
        if result.error is not None:
            _record_error(tx, result, result.error)


def _record_sent(tx: Transaction, results: Sequence[SendResult]) -> None:
    """Takes two statements, however many results there are. Rows are in the order of their ids, so
    that two workers do not wait for each other."""
    rows = [
        {
            "reply": each.lease.reply_id,
            "attempt": each.lease.sms.attempt_id,
            "ref": each.carrier_ref,
            "seconds": seconds_waited(tx, each.lease.since),
            "at": tx.now,
        }
        for each in sorted(results, key=lambda each: each.lease.reply_id)
    ]
    _sent.run(tx.connection, rows)
    _sent_attempt.run(tx.connection, rows)


def _record_error(tx: Transaction, result: SendResult, error: SendError) -> None:
    ending, state = {
        Ending.REFUSED: (AttemptEnd.REFUSED, ReplyState.REFUSED),
        Ending.RETRY: (AttemptEnd.RETRY, ReplyState.QUEUED),
        Ending.UNKNOWN: (AttemptEnd.UNKNOWN, ReplyState.UNKNOWN),
    }[error.ending]
    code = cut(error.code)
    news: dict[str, object] = {"state": state, "lease_until": None, "code": code}
    if state is ReplyState.QUEUED:
        news["due_at"] = tx.now + pause(result.lease.attempts)
    if state is ReplyState.UNKNOWN:
        news["due_at"] = tx.now + ASK_AFTER
    move(tx, result.lease.reply_id, news, result.lease.attempts)
    _end_attempt(tx, result.lease.sms.attempt_id, ending, result.carrier_ref, code)
    if error.is_opted_out:
        opt_out(tx, result.lease.reply_id)


def pause(attempts_made: int) -> timedelta:
    """Returns how long before the next attempt: 2, 4, 8 … seconds, half of it left to chance."""
    seconds = min(2.0 ** min(attempts_made, 20), LONGEST_PAUSE.total_seconds())
    return timedelta(seconds=seconds * CHANCE.uniform(0.5, 1.0))


def _end_attempt(
    tx: Transaction, attempt_id: int, ending: AttemptEnd, ref: str | None, code: str | None
) -> None:
    ended = update(attempts).where(attempts.c.id == attempt_id)
    tx.connection.execute(ended.values(_attempt_end(ending, ref, code, tx.now)))


def _attempt_end(
    ending: AttemptEnd, ref: object, code: str | None, at: object
) -> dict[str, ColumnElement[Any]]:
    """Builds the end of an attempt. One whose lease ran out ended *unknown*; later knowledge
    settles it."""
    learned = {AttemptEnd.RETRY: Settled.ABSENT, AttemptEnd.UNKNOWN: None}
    return {
        "ending": func.coalesce(attempts.c.ending, ending),
        "ended_at": func.coalesce(attempts.c.ended_at, at, type_=attempts.c.ended_at.type),
        "carrier_ref": func.coalesce(attempts.c.carrier_ref, ref),
        "code": case((attempts.c.ending.is_(None), code), else_=attempts.c.code),
        "settled": func.coalesce(
            attempts.c.settled, settled_if_unknown(learned.get(ending, Settled.REPORT))
        ),
    }


_sent = BulkUpdate(
    {"reply": Id, "ref": String(), "seconds": Float()},
    lambda row: (
        update(replies)
        .where(replies.c.id == row["reply"])
        # Not IN, which takes no rows of parameters.
        .where(or_(*(replies.c.state == each for each in lower(ReplyState.SENT))))
        .values(
            state=ReplyState.SENT,
            lease_until=None,
            code=None,
            **accepted(row["ref"], row["seconds"]),
        )
    ),
)
_sent_attempt = BulkUpdate(
    {"attempt": Id, "ref": String(), "at": attempts.c.ended_at.type},
    lambda row: (
        update(attempts)
        .where(attempts.c.id == row["attempt"])
        .values(_attempt_end(AttemptEnd.SENT, row["ref"], None, row["at"]))
    ),
)
