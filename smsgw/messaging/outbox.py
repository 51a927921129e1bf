"""Replies on their way out. A row a reply, a row an attempt; the database is the truth.

    queued ─claim─▶ sending ─▶ sent ─report─▶ delivered | undelivered
     │ ▲               ├─────▶ refused
     │ └──── retry ────┼─────▶ unknown ─report─▶ sent | delivered | undelivered
     ▼                 lease ran out   └─ see unknowns
    expired

A claim commits the reply's lease and its attempt before anything is posted, so that a process that
dies leaves *unknown* behind, never a second SMS. Reports arrive late, twice and out of order: they
move a reply to a higher rank or not at all. How an attempt ended is written once; what is learned
of it later is how it was settled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import SystemRandom
from typing import Any

from sqlalchemy import (
    Case,
    ColumnElement,
    Row,
    bindparam,
    case,
    func,
    insert,
    select,
    true,
    update,
)

from smsgw import gsm7, logs, phone
from smsgw.carriers.carrier import Ending, OutgoingSms, SendError
from smsgw.storage.crypto import Unreadable
from smsgw.storage.tables.messages import (
    NO_PHONE,
    QUEUED,
    UNREADABLE,
    AttemptEnd,
    Priority,
    ReplyState,
    Settled,
    attempts,
    messages,
    replies,
)
from smsgw.storage.tables.phones import bindings, phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

LEASE = timedelta(seconds=45)  # above a carrier's limits and the tries to record it, together
LONGEST_PAUSE = timedelta(minutes=5)
LONGEST_CODE = 20  # characters of `replies.code` and `attempts.code`
SET_ASIDE_AT_ONCE = 100  # batches of which no reply can be opened
# A report mostly tells by then, and what is on its way to the carrier's own books has got there.
ASK_AFTER = timedelta(seconds=20)
CHANCE = SystemRandom()

log = logs.get(__name__)

RANK = {state: rank for rank, state in enumerate(ReplyState)}
# Where not from every lower rank: what nobody was sure of stays with who looks into it.
FROM = {
    ReplyState.QUEUED: [ReplyState.SENDING, ReplyState.UNKNOWN],
    ReplyState.UNKNOWN: [ReplyState.SENDING],
    ReplyState.REFUSED: [ReplyState.QUEUED, ReplyState.SENDING, ReplyState.UNKNOWN],
}

# Since when a person waits; for what was not asked for, since it was made.
SINCE = case(
    (replies.c.priority == Priority.SCHEDULED, replies.c.made_at), else_=messages.c.received_at
).label("since")


@dataclass(frozen=True, slots=True)
class Draft:
    """A reply about to be added."""

    message_id: int
    phone_id: int
    number: str  # of that phone
    binding_id: int | None
    carrier: str
    lane: str
    text: str
    lasts: timedelta  # how long it is of use
    priority: Priority = Priority.ASKED
    wording: str | None = None  # what it was made of
    delay: timedelta = timedelta()  # before it leaves


@dataclass(frozen=True, slots=True)
class Binding:
    """What a reply that tells of a participant hangs on."""

    nkp: str
    on_file: str | None  # the number on file when the phone was bound


@dataclass(frozen=True, slots=True)
class Claim:
    reply_id: int
    attempts: int
    since: datetime  # when the wait for it began
    sms: OutgoingSms
    age: timedelta  # since it was made
    binding: Binding | None


@dataclass(frozen=True, slots=True)
class Sent:
    """How a claim ended: with the carrier's id of the message, or with an error."""

    claim: Claim
    carrier_ref: str | None = None
    error: SendError | None = None


def add(tx: Transaction, draft: Draft) -> int:
    counted, whose = gsm7.count(draft.text), tx.vault.hash(draft.number, "phone")
    named_by = (whose, draft.message_id, draft.binding_id)
    row = {
        "message_id": draft.message_id,
        "phone_id": draft.phone_id,
        "binding_id": draft.binding_id,
        "carrier": draft.carrier,
        "lane": draft.lane,
        "text": tx.vault.encrypt(draft.text, Ciphertext.REPLY, *named_by),
        "wording": draft.wording,
        "encoding": counted.encoding,
        "segments": counted.segments,
        "state": ReplyState.QUEUED,
        "priority": draft.priority,
        "made_at": tx.now,
        "expires_at": tx.now + draft.lasts,
        "due_at": tx.now + draft.delay,
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


def lanes_waiting(tx: Transaction, *, may_expire: bool = True) -> list[tuple[str, str]]:
    """(carrier, lane) of every reply that is due."""
    due = select(replies.c.carrier, replies.c.lane).where(
        QUEUED, replies.c.due_at <= tx.now, _is_of_use(tx, may_expire)
    )
    return [(row.carrier, row.lane) for row in tx.connection.execute(due.distinct())]


def claim(
    tx: Transaction, carrier: str, lane: str, limit: int, *, may_expire: bool = True
) -> list[Claim]:
    """Up to `limit` due replies, leased to the caller, each with its attempt: those that people
    asked for and wait for first, and of these the oldest. Those that cannot be opened are set
    aside. Where nothing may expire, those that seem past their use are of as much use as at first.
    """
    claims: list[Claim] = []
    for _ in range(SET_ASIDE_AT_ONCE):
        taken = _take(tx, carrier, lane, limit, may_expire)
        opened = (_claimed(tx, lane, row) for row in taken)
        claims = [each for each in opened if each is not None]
        if claims or len(taken) < limit:
            break
    return claims


def _take(
    tx: Transaction, carrier: str, lane: str, limit: int, may_expire: bool
) -> list[Row[*tuple[Any, ...]]]:
    pick = (
        select(replies.c.id)
        .outerjoin(bindings, bindings.c.id == replies.c.binding_id)
        .where(
            QUEUED,
            replies.c.carrier == carrier,
            replies.c.lane == lane,
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
            *(replies.c.priority, replies.c.id, replies.c.text),
            *(replies.c.attempts, replies.c.expires_at, replies.c.made_at),
            replies.c.message_id,
        )
    ).all()
    return sorted(taken)


def record(tx: Transaction, results: Sequence[Sent]) -> None:
    """Writes how claims ended, in one go. A report that overtook the answer stays."""
    for result in results:
        ending, state, code = _ended(result)
        news: dict[str, object] = {"state": state, "lease_until": None, "code": code}
        if state is ReplyState.QUEUED:
            news["due_at"] = tx.now + pause(result.claim.attempts)
        if state is ReplyState.UNKNOWN:
            news["due_at"] = tx.now + ASK_AFTER
        if state is ReplyState.SENT:
            news |= accepted(tx, result.carrier_ref, result.claim.since)
        move(tx, result.claim.reply_id, news, result.claim.attempts)
        _end_attempt(tx, result.claim.sms.attempt_id, ending, result.carrier_ref, code)
        if result.error is not None and result.error.is_opted_out:
            opt_out(tx, result.claim.reply_id)


def _is_of_use(tx: Transaction, may_expire: bool) -> ColumnElement[bool]:
    return replies.c.expires_at > tx.now if may_expire else true()


def pause(attempts_made: int) -> timedelta:
    """How long before the next attempt: 2, 4, 8 … seconds, half of it left to chance."""
    seconds = min(2.0 ** min(attempts_made, 20), LONGEST_PAUSE.total_seconds())
    return timedelta(seconds=seconds * CHANCE.uniform(0.5, 1.0))


_concerned = (
    select(phones.c.number, phones.c.hash, replies.c.phone_id, replies.c.binding_id, SINCE)
    .add_columns(bindings.c.nkp, bindings.c.nkp_hash, bindings.c.on_file, bindings.c.on_file_hash)
    .join_from(replies, phones, phones.c.id == replies.c.phone_id)
    .join(messages, messages.c.id == replies.c.message_id)
    .outerjoin(bindings, bindings.c.id == replies.c.binding_id)
    .where(replies.c.id == bindparam("reply_id"))
)


def _claimed(tx: Transaction, lane: str, row: Row[*tuple[Any, ...]]) -> Claim | None:
    """None where something it needs cannot be opened: that reply is refused; where many cannot, it
    waits, and may be sent once they can."""
    begun = tx.connection.execute(
        insert(attempts).values(reply_id=row.id, started_at=tx.now).returning(attempts.c.id)
    )
    concerned = tx.connection.execute(_concerned, {"reply_id": row.id}).one()
    attempt_id = begun.scalar_one()
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
    if not phone.is_e164(recipient):
        log.error("a recipient is no phone", reply=row.id)
        _refuse(tx, row, attempt_id, NO_PHONE)
        return None
    lasts = row.expires_at - (tx.now if row.expires_at > tx.now else row.made_at)
    sms = OutgoingSms(attempt_id, recipient, lane, text, lasts)
    age = tx.now - row.made_at
    return Claim(row.id, row.attempts, concerned.since, sms, age, binding)


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


def _binding(tx: Transaction, row: Row[*tuple[Any, ...]]) -> Binding | None:
    """Raises Unreadable."""
    if row.binding_id is None:
        return None
    nkp = tx.opened(row.nkp, Ciphertext.NKP, row.binding_id, row.nkp_hash)
    on_file = tx.opened(row.on_file, Ciphertext.ON_FILE, row.binding_id, row.on_file_hash)
    if nkp is None or (on_file is None and row.on_file is not None):
        raise Unreadable("bindings")
    return Binding(nkp, on_file)


def _end_attempt(
    tx: Transaction, attempt_id: int, ending: AttemptEnd, ref: str | None, code: str | None
) -> None:
    """An attempt whose lease ran out ended *unknown*; what is known after all settles it."""
    learned = {AttemptEnd.RETRY: Settled.ABSENT, AttemptEnd.UNKNOWN: None}
    tx.connection.execute(
        update(attempts)
        .where(attempts.c.id == attempt_id)
        .values(
            ending=func.coalesce(attempts.c.ending, ending),
            ended_at=func.coalesce(attempts.c.ended_at, tx.now, type_=attempts.c.ended_at.type),
            carrier_ref=func.coalesce(attempts.c.carrier_ref, ref),
            code=case((attempts.c.ending.is_(None), code), else_=attempts.c.code),
            settled=func.coalesce(
                attempts.c.settled, settled_if_unknown(learned.get(ending, Settled.REPORT))
            ),
        )
    )


def settled_if_unknown(how: Settled | None) -> Case[str | None]:
    return case((attempts.c.ending == AttemptEnd.UNKNOWN, how), else_=None)


def accepted(tx: Transaction, ref: str | None, since: datetime) -> dict[str, object]:
    return {
        "carrier_ref": func.coalesce(replies.c.carrier_ref, ref),
        "waited": func.coalesce(replies.c.waited, (tx.now - since).total_seconds()),
    }


def cut(code: str | None) -> str | None:
    """As much as the column holds: what a carrier says of itself may be of any length."""
    return code and code.replace("\0", "")[:LONGEST_CODE]


def opt_out(tx: Transaction, reply_id: int) -> None:
    """The phone said STOP to the carrier, which refuses us from then on."""
    whose = select(replies.c.phone_id).where(replies.c.id == reply_id).scalar_subquery()
    tx.connection.execute(
        update(phones)
        .where(phones.c.id == whose, phones.c.stopped_at.is_(None))
        .values(stopped_at=tx.now)
    )


def _ended(result: Sent) -> tuple[AttemptEnd, ReplyState, str | None]:
    if result.error is None:
        return AttemptEnd.SENT, ReplyState.SENT, None
    ending, state = {
        Ending.REFUSED: (AttemptEnd.REFUSED, ReplyState.REFUSED),
        Ending.RETRY: (AttemptEnd.RETRY, ReplyState.QUEUED),
        Ending.UNKNOWN: (AttemptEnd.UNKNOWN, ReplyState.UNKNOWN),
    }[result.error.ending]
    return ending, state, cut(result.error.code)


def move(
    tx: Transaction, reply_id: int, news: dict[str, object], attempt: int | None = None
) -> bool:
    """To a higher rank only; what surely was not sent goes back, whatever its lease said. Unless
    it was sent, the end of an attempt counts only while no later one has begun."""
    state = ReplyState(str(news["state"]))
    below = [each for each in RANK if RANK[each] < RANK[state]]
    lower = FROM.get(state, below)
    is_free = attempt is None or state is ReplyState.SENT
    is_last = true() if is_free else replies.c.attempts == attempt
    moved = tx.connection.execute(
        update(replies)
        .where(replies.c.id == reply_id, replies.c.state.in_(lower), is_last)
        .values(news)
    )
    return moved.rowcount == 1
