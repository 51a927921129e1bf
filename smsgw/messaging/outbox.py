"""Keeps the replies on their way out: a row for each reply, and one for each attempt.

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

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from secrets import SystemRandom
from typing import Any, NamedTuple

from sqlalchemy import (
    Case,
    ColumnElement,
    FromClause,
    Label,
    case,
    exists,
    func,
    select,
    true,
    update,
)

from smsgw import gsm7, logs
from smsgw.registry import phones, subscriptions
from smsgw.storage.bulk import BulkInsert, Write
from smsgw.storage.tables.messages import (
    QUEUED,
    UNFINISHED,
    AttemptEnd,
    Priority,
    ReplyState,
    Settled,
    attempts,
    messages,
    replies,
)
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

LEASE = timedelta(seconds=45)  # above a carrier's limits and the tries to record it, together
LONGEST_CODE = 20  # characters of `replies.code` and `attempts.code`
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


def waits_since(taken: FromClause) -> Label[Any]:
    """Returns since when a person waits for a reply; for what was not asked for, since it was
    made. The statement also selects from `messages`, where the message may be gone."""
    asked_at = case((taken.c.priority != Priority.SCHEDULED, messages.c.received_at))
    return func.coalesce(asked_at, taken.c.made_at).label("since")


SINCE = waits_since(replies)


class NewReply(NamedTuple):
    message_id: int
    phone_id: int
    number: str  # of that phone
    binding_id: int | None
    carrier: str
    sender_id: str
    text: str
    lasts: timedelta  # how long it is of use
    priority: Priority = Priority.ASKED
    wording: str | None = None  # what it was made of
    delay: timedelta = timedelta()  # before it leaves


_COLUMNS = (
    *("message_id", "phone_id", "binding_id", "carrier", "sender_id", "text", "wording"),
    *("encoding", "segments", "state", "priority", "made_at", "expires_at", "due_at", "attempts"),
)
_insert = BulkInsert(replies, *_COLUMNS)
_insert_with_id = BulkInsert(replies, "id", *_COLUMNS)


def add(tx: Transaction, new: NewReply) -> int:
    return add_all(tx, [new])[0]


def add_all(tx: Transaction, new: Sequence[NewReply]) -> list[int]:
    """Adds replies and returns their ids."""
    return _insert.run(tx.connection, [_row(tx, each) for each in new])


def reply_rows(tx: Transaction, new: Mapping[int, NewReply]) -> Write:
    """Returns the rows of replies by their ids, to be written with the messages they answer."""
    rows = [{"id": reply_id, **_row(tx, each)} for reply_id, each in new.items()]
    return Write(_insert_with_id, rows)


def _row(tx: Transaction, new: NewReply) -> dict[str, object]:
    counted, whose = gsm7.count(new.text), tx.vault.hash(new.number, "phone")
    named_by = (whose, new.message_id, new.binding_id)
    return {
        "message_id": new.message_id,
        "phone_id": new.phone_id,
        "binding_id": new.binding_id,
        "carrier": new.carrier,
        "sender_id": new.sender_id,
        "text": tx.vault.encrypt(new.text, Ciphertext.REPLY, *named_by),
        "wording": new.wording,
        "encoding": counted.encoding,
        "segments": counted.segments,
        "state": ReplyState.QUEUED,
        "priority": new.priority,
        "made_at": tx.now,
        "expires_at": tx.now + new.lasts,
        "due_at": tx.now + new.delay,
        "attempts": 0,
    }


def state_of(tx: Transaction, message_id: int) -> ReplyState | None:
    """Returns where the reply to a message is; None where it has none."""
    found = tx.connection.execute(
        select(replies.c.state).where(replies.c.message_id == message_id).order_by(replies.c.id)
    )
    state = found.scalars().first()
    return ReplyState(state) if state else None


def attempts_of(tx: Transaction, message_id: int, carrier: str) -> list[int]:
    """Returns the attempts to send the replies to a message by `carrier`."""
    made = (
        select(attempts.c.id)
        .join(replies, replies.c.id == attempts.c.reply_id)
        .where(replies.c.message_id == message_id, replies.c.carrier == carrier)
    )
    return list(tx.connection.execute(made).scalars())


def sender_ids_waiting(tx: Transaction, *, may_expire: bool = True) -> list[tuple[str, str]]:
    """Returns the (carrier, sender ID) pairs that due replies wait for."""
    due = select(replies.c.carrier, replies.c.sender_id).where(
        QUEUED, replies.c.due_at <= tx.now, _is_of_use(tx, may_expire)
    )
    return [(row.carrier, row.sender_id) for row in tx.connection.execute(due.distinct())]


def _is_of_use(tx: Transaction, may_expire: bool) -> ColumnElement[bool]:
    return replies.c.expires_at > tx.now if may_expire else true()


def settled_if_unknown(how: Settled | None) -> Case[str | None]:
    return case((attempts.c.ending == AttemptEnd.UNKNOWN, how), else_=None)


def seconds_waited(tx: Transaction, since: datetime) -> float:
    """Returns the seconds that have passed; none if the clock was set back meanwhile."""
    return max(0.0, (tx.now - since).total_seconds())


def accepted(ref: object, waited: object) -> dict[str, ColumnElement[Any]]:
    """Returns what changes in a reply when a carrier accepts it. `waited` is in seconds, from the
    receipt until now."""
    return {
        "carrier_ref": func.coalesce(replies.c.carrier_ref, ref),
        "waited": func.coalesce(replies.c.waited, waited),
    }


def cut(code: str | None) -> str | None:
    """Cuts a text to the column's width: a carrier's text may have any length."""
    return code and code.replace("\0", "")[:LONGEST_CODE]


def opt_out(tx: Transaction, reply_id: int) -> None:
    """Records that the phone said STOP to the carrier, which refuses us from then on."""
    whose = select(replies.c.phone_id).where(replies.c.id == reply_id)
    phone_id = tx.connection.execute(whose).scalar_one()
    phones.opt_out(tx, phone_id)
    subscriptions.end(tx, [phone_id])


def refuse_waiting(tx: Transaction, phone_id: int, code: str) -> None:
    """Refuses everything that waits to be sent to a phone."""
    waiting = update(replies).where(replies.c.phone_id == phone_id, QUEUED)
    tx.connection.execute(waiting.values(state=ReplyState.REFUSED, code=code))


def mark_sent(tx: Transaction, message_id: int) -> None:
    """Marks what waits to be sent for a message as sent, where nothing is sent really."""
    waiting = update(replies).where(replies.c.message_id == message_id, QUEUED)
    tx.connection.execute(waiting.values(state=ReplyState.SENT))


def destroy_texts(tx: Transaction, which: ColumnElement[bool]) -> None:
    """Destroys what replies said, and of whom they told; the rows stay, so that counts do."""
    tx.connection.execute(update(replies).where(which).values(text=None, binding_id=None))


def is_in_use(tx: Transaction, ids: range) -> bool:
    """Tells whether one of these replies is not done with."""
    within = (replies.c.id >= ids.start, replies.c.id < ids.stop)
    return bool(tx.connection.execute(select(exists().where(UNFINISHED, *within))).scalar_one())


def lower(state: ReplyState) -> list[ReplyState]:
    """Returns the states that a reply may leave for this one."""
    return FROM.get(state, [each for each in RANK if RANK[each] < RANK[state]])


def move(
    tx: Transaction, reply_id: int, news: Mapping[str, object], attempt: int | None = None
) -> bool:
    """Moves a reply to a higher rank only. What surely was not sent goes back to the queue,
    whatever its lease said. Unless it was sent, the end of an attempt counts only while no later
    one has begun."""
    state = ReplyState(str(news["state"]))
    is_free = attempt is None or state is ReplyState.SENT
    is_last = true() if is_free else replies.c.attempts == attempt
    moved = tx.connection.execute(
        update(replies)
        .where(replies.c.id == reply_id, replies.c.state.in_(lower(state)), is_last)
        .values(news)
    )
    return moved.rowcount == 1
