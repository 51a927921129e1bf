"""Claims replies to be sent: each has a lease, and an attempt for each try."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Row,
    String,
    Update,
    case,
    func,
    or_,
    update,
)
from sqlalchemy.types import TypeEngine

from smsgw import logs, phone
from smsgw.carriers.carrier import Ending, OutgoingSms, SendError
from smsgw.messaging import due_replies, hourly_counts
from smsgw.messaging.notification_replies import LONG_AGO
from smsgw.messaging.outbox import (
    ASK_AFTER,
    CHANCE,
    accepted,
    cut,
    lower,
    move,
    opt_out,
    seconds_waited,
    settled_if_unknown,
)
from smsgw.storage.bulk import BulkUpdate, Columns
from smsgw.storage.crypto import Unreadable
from smsgw.storage.tables.messages import (
    NO_PHONE,
    NOT_NEEDED,
    UNREADABLE,
    AttemptEnd,
    Priority,
    ReplyState,
    Settled,
    attempts,
    replies,
)
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
    received_at: datetime | None  # its message, unless that is dropped
    sms: OutgoingSms
    age: timedelta  # since it was made
    binding: ReplyBinding | None
    is_notification: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """Holds the replies that were taken: those to be sent, and those that cannot be."""

    leases: list[Lease]
    unfit: list["Unfit"]


@dataclass(frozen=True, slots=True)
class Unfit:
    """A reply that was taken and cannot be sent, with its code."""

    reply_id: int
    attempts: int
    attempt_id: int
    code: str
    received_at: datetime | None


def claim(
    tx: Transaction, carrier: str, sender_id: str, limit: int, *, may_expire: bool = True
) -> list[Lease]:
    """Leases up to `limit` due replies to the caller, and sets aside those that cannot be sent."""
    for _ in range(SET_ASIDE_AT_ONCE):
        taken = take(tx, carrier, sender_id, limit, may_expire=may_expire)
        set_aside(tx, taken.unfit)
        if taken.leases or not taken.unfit:
            return taken.leases
    return []


def take(
    tx: Transaction, carrier: str, sender_id: str, limit: int, *, may_expire: bool = True
) -> Taken:
    """Takes up to `limit` due replies, each with its lease and its attempt: first those that people
    asked for and wait for, and of these the oldest. Where nothing may expire, those that seem past
    their use are of as much use as at first. On PostgreSQL this is one statement."""
    rows = due_replies.take(tx, carrier, sender_id, limit, tx.now if may_expire else LONG_AGO)
    each = [_opened(tx, sender_id, row) for row in rows]
    return Taken(
        [lease for lease in each if isinstance(lease, Lease)],
        [unfit for unfit in each if isinstance(unfit, Unfit)],
    )


def _opened(tx: Transaction, sender_id: str, row: Row[*tuple[Any, ...]]) -> Lease | Unfit:
    whose = (row.phone_id, row.hash)
    recipient = tx.opened(row.number, Ciphertext.PHONE, *whose)
    named_by = (row.hash, row.message_id, row.binding_id)
    text = tx.opened(row.text, Ciphertext.REPLY, row.id, *named_by)
    try:
        binding = _binding(tx, row)
    except Unreadable:
        binding, text = None, None
    code = None
    if recipient is None or text is None:
        code = UNREADABLE
    elif row.is_not_needed:
        code = NOT_NEEDED
    elif not phone.is_e164(recipient):
        log.error("the recipient is not a phone number", reply=row.id)
        code = NO_PHONE
    if recipient is None or text is None or code is not None:
        unfit = (row.id, row.attempts, row.attempt_id, code or UNREADABLE)
        return Unfit(*unfit, row.received_at)
    lasts = row.expires_at - (tx.now if row.expires_at > tx.now else row.made_at)
    sms = OutgoingSms(row.attempt_id, recipient, sender_id, text, lasts)
    age = tx.now - row.made_at
    is_notification = row.priority == Priority.NOTIFICATION
    waits = (row.since, row.received_at)
    return Lease(row.id, row.attempts, *waits, sms, age, binding, is_notification)


def set_aside(tx: Transaction, unfit: Sequence[Unfit]) -> None:
    """Refuses what cannot be sent. Where many replies cannot be opened, these wait, and may be sent
    once they can."""
    hourly_counts.changed(tx, *(each.received_at for each in unfit))
    for each in unfit:
        if each.code != UNREADABLE or tx.may_end_what_failed():
            news: dict[str, object] = {"state": ReplyState.REFUSED}
            ending = AttemptEnd.REFUSED
        else:
            news = {"state": ReplyState.QUEUED, "due_at": tx.now + LONGEST_PAUSE}
            ending = AttemptEnd.RETRY
        move(tx, each.reply_id, news | {"lease_until": None, "code": each.code}, each.attempts)
        _end_attempt(tx, each.attempt_id, ending, None, each.code)


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
    hourly_counts.changed(tx, *(each.lease.received_at for each in results))
    record_sent(tx, [each for each in results if each.error is None])
    for result in results:
        if result.error is not None:
            _record_error(tx, result, result.error)


def record_sent(tx: Transaction, results: Sequence[SendResult]) -> None:
    """Writes what was sent. PostgreSQL takes one statement, however many results there are. Rows
    are in the order of their ids, so that two workers do not wait for each other."""
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
    if tx.connection.dialect.name == "postgresql":
        _all_sent.run(tx.connection, rows)
        return
    _sent_replies.run(tx.connection, rows)
    _sent_attempts.run(tx.connection, rows)


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


def _sent_reply(row: Columns) -> Update:
    return (
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
    )


def _sent_attempt(row: Columns) -> Update:
    return (
        update(attempts)
        .where(attempts.c.id == row["attempt"])
        .values(_attempt_end(AttemptEnd.SENT, row["ref"], None, row["at"]))
    )


def _sent_both(row: Columns) -> Update:
    """Builds both, for PostgreSQL: it updates attempts after their replies, as everywhere, so that
    there is no deadlock."""
    return _sent_reply(row).add_cte(_sent_attempt(row).cte("sent_attempts"))


_OF_REPLY: Mapping[str, TypeEngine[Any]] = {"reply": Id, "ref": String(), "seconds": Float()}
_OF_ATTEMPT: Mapping[str, TypeEngine[Any]] = {
    "attempt": Id,
    "ref": String(),
    "at": attempts.c.ended_at.type,
}
_sent_replies = BulkUpdate(_OF_REPLY, _sent_reply)
_sent_attempts = BulkUpdate(_OF_ATTEMPT, _sent_attempt)
_all_sent = BulkUpdate({**_OF_REPLY, **_OF_ATTEMPT}, _sent_both)
