"""Finds messages for operators: the newest, those of a kind or of some days, one phone's.

Pages go by id, newest first, each from one index, whatever a planner believes to be seldom:

    all, or days           id; of days from their first message to their last
    a keyword              (keyword, id); likewise an outcome, a carrier, a phone
    two or more of these   the rarest one's, LOOKS_AT messages at a time: two kinds that never come
                           together would otherwise be looked for among all messages there are

The newest month is read first, and the one before it where rows still lack: a statement over the
partitions of several months would be sorted, and go through all of a kind to find the newest.

Numbers are masked here, and a text is opened for who has said why.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, TypeVarTuple

from sqlalchemy import Column, FromClause, Row, Select, bindparam, func, select, tuple_

from smsgw import phone
from smsgw.messaging import inbox
from smsgw.runtime import Runtime
from smsgw.storage import monthly_ids
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.messages import replies as _replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

PAGE = 50
BATCH = 1000  # of what is exported, in one short read
LOOKS_AT = 5000
NEIGHBOURS = 1000  # ids are given nearly in the order of time: among so many it may differ

LISTED = (
    *("id", "received_at", "carrier", "sender_id", "phone_id"),
    *("keyword", "outcome", "reason", "state", "configuration"),
)

Kind = tuple[Column[Any], int | str]  # what a message is in one respect
Chosen = TypeVarTuple("Chosen")


@dataclass(frozen=True, slots=True)
class MessageFilters:
    phone_id: int | None = None
    keyword: str | None = None
    outcome: str | None = None
    carrier: str | None = None
    since: datetime | None = None
    until: datetime | None = None  # and no message of that instant

    def is_within(self, at: datetime) -> bool:
        is_since = self.since is None or at >= self.since
        return is_since and (self.until is None or at < self.until)

    @property
    def kinds(self) -> list[Kind]:
        each = (
            (messages.c.phone_id, self.phone_id),
            (messages.c.keyword, self.keyword),
            (messages.c.outcome, self.outcome),
            (messages.c.carrier, self.carrier),
        )
        return [(column, value) for column, value in each if value is not None]


@dataclass(frozen=True, slots=True)
class SentReply:
    """Holds a reply, or a notice to another phone, without its text."""

    id: int
    phone_id: int
    wording: str | None
    state: str
    code: str | None
    encoding: str
    segments: int


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """Holds a message without its text."""

    id: int
    received_at: datetime
    carrier: str
    sender_id: str
    phone_id: int | None
    number: str | None  # masked; none where no phone sent it, or it is forgotten
    keyword: str | None
    outcome: str
    reason: str | None
    state: str
    configuration: int | None
    replies: Sequence[SentReply] = ()

    @property
    def reference(self) -> str:
        return inbox.reference(self.id)


@dataclass(frozen=True, slots=True)
class LogPage:
    messages: Sequence[LoggedMessage]
    before: int | None  # where the next page goes on; none where there is no more
    reaches: datetime | None = None  # so far back was looked, where that is not to the end


def phone_id(tx: Transaction, written: str) -> int | None:
    """Returns the id of the phone with a number, however it is written."""
    number = phone.e164(written)
    if number is None:
        return None
    is_it = phones.c.hash == tx.vault.hash(number, "phone")
    found: int | None = tx.connection.execute(select(phones.c.id).where(is_it)).scalar()
    return found


def message_id(tx: Transaction, reference: str) -> int | None:
    """Returns the id of the newest message with that reference."""
    first = inbox.sequence(reference)
    if first is None:
        return None
    oldest = int(tx.connection.execute(select(func.min(messages.c.id))).scalar() or 0)
    newest = _newest(tx)
    named = range(first, monthly_ids.sequence_of(newest) + 1, inbox.REFERENCES)
    months = monthly_ids.months_between(oldest, newest)
    ids = [month * monthly_ids.MONTH + each for month in months for each in named]
    found: int | None = tx.connection.execute(
        select(func.max(messages.c.id)).where(messages.c.id.in_(ids))
    ).scalar()
    return found


def page(
    tx: Transaction,
    filters: MessageFilters,
    before: int | None = None,
    limit: int = PAGE,
    looks_at: int = LOOKS_AT,
) -> LogPage:
    """Looks at `looks_at` messages of the rarest kind at most, where there are several."""
    first, end = span(tx, filters, before)
    rows: list[Row[*tuple[Any, ...]]] = []
    low: int | None = None  # of what is not looked at any more
    for ids in _months(tx, first, end):
        kinds, looked, lowest = _rarest_first(tx, filters.kinds, ids, looks_at)
        rows += tx.connection.execute(_list(kinds, ids, limit + 1 - len(rows), looks_at))
        looks_at -= looked
        if looks_at <= 0:
            low = lowest
        if len(rows) > limit or looks_at <= 0:
            break
    within = [_entry(tx, row) for row in rows[:limit] if filters.is_within(row.received_at)]
    entries = _with_replies(tx, within)
    if len(rows) > limit:
        return LogPage(entries, rows[limit - 1].id)
    if low is not None and low > first:
        return LogPage(entries, low, _arrival(tx, low))
    return LogPage(entries, None)


def walk(rt: Runtime, filters: MessageFilters) -> Iterator[Sequence[LoggedMessage]]:
    """Yields all messages, newest first, in batches: each is a short read of its own."""
    before = None
    while True:
        with rt.reading() as tx:
            found = page(tx, filters, before, BATCH)
        yield found.messages
        before = found.before
        if before is None:
            return


def span(tx: Transaction, filters: MessageFilters, before: int | None = None) -> tuple[int, int]:
    """Returns the range of ids, the second one excluded, that holds all messages of the filters'
    days."""
    at, id_ = messages.c.received_at, messages.c.id
    newest = _newest(tx)
    first, last = 0, newest
    if filters.since is not None:
        earliest = select(id_).where(at >= filters.since).order_by(at, id_).limit(NEIGHBOURS)
        found = tx.connection.execute(select(func.min(earliest.subquery().c.id))).scalar()
        first = newest + 1 if found is None else found
    if filters.until is not None:
        latest = select(id_).where(at < filters.until).order_by(at.desc(), id_.desc())
        within = latest.limit(NEIGHBOURS).subquery()
        last = tx.connection.execute(select(func.max(within.c.id))).scalar() or 0
    return first, last + 1 if before is None else min(before, last + 1)


def one(tx: Transaction, message_id: int) -> LoggedMessage | None:
    return next(iter(some(tx, [message_id])), None)


def some(tx: Transaction, message_ids: Sequence[int]) -> Sequence[LoggedMessage]:
    """Returns these messages, newest first."""
    rows = tx.connection.execute(_select_entries(messages).where(messages.c.id.in_(message_ids)))
    entries = [_entry(tx, row) for row in rows]
    return _with_replies(tx, sorted(entries, key=lambda each: each.id, reverse=True))


def _months(tx: Transaction, first: int, end: int) -> Iterator[range]:
    """Yields the ids of each month that has messages from `first` until before `end`, the newest
    one first."""
    below = select(func.max(messages.c.id)).where(messages.c.id < bindparam("end"))
    last = tx.connection.execute(below, {"end": end}).scalar()
    while last is not None and last >= first:
        month = monthly_ids.ids_of_month(last)
        yield range(max(first, month.start), min(end, month.stop))
        last = tx.connection.execute(below, {"end": month.start}).scalar()


def _rarest_first(
    tx: Transaction, kinds: Sequence[Kind], ids: range, looks_at: int
) -> tuple[Sequence[Kind], int, int | None]:
    """Orders kinds by how far back they reach. Also returns of the first one how many messages are
    looked at, and the lowest id of these; no number where there are no several."""
    if len(kinds) < 2:
        return kinds, 0, None
    reach = {kind: _reach(tx, kind, ids, looks_at) for kind in kinds}
    rarest, *others = sorted(kinds, key=lambda kind: reach[kind])
    looked, lowest = reach[rarest]
    return [rarest, *others], looked, lowest or None


def _reach(tx: Transaction, kind: Kind, ids: range, looks_at: int) -> tuple[int, int]:
    """Returns how many messages of a kind there are, up to `looks_at`, and the lowest id of these:
    of two kinds with so many, that of the rarer one is lower."""
    looked = _of_kind(select(messages.c.id), kind, ids).limit(looks_at).subquery()
    numbers = select(func.count(), func.coalesce(func.min(looked.c.id), 0)).select_from(looked)
    count, lowest = tx.connection.execute(numbers).one()
    return count, lowest


def _list(kinds: Sequence[Kind], ids: range, limit: int, looks_at: int) -> Select[*tuple[Any, ...]]:
    """Selects messages of all these kinds. The first one is read from the index, the others are
    filtered."""
    if len(kinds) < 2:
        table: FromClause = messages
        found = _select_entries(table)
        found = _of_kind(found, kinds[0], ids) if kinds else _among(found, ids)
    else:
        table = _of_kind(select(messages), kinds[0], ids).limit(looks_at).subquery()
        of_others = (table.c[column.key] == value for column, value in kinds[1:])
        first = table.c[kinds[0][0].key]
        found = _select_entries(table).where(*of_others).order_by(first.desc(), table.c.id.desc())
    return found.limit(limit)


def _select_entries(table: FromClause) -> Select[*tuple[Any, ...]]:
    columns = (table.c[name] for name in LISTED)
    joined = table.outerjoin(phones, phones.c.id == table.c.phone_id)
    return select(*columns, phones.c.number, phones.c.hash).select_from(joined)


def _of_kind(found: Select[*Chosen], kind: Kind, ids: range) -> Select[*Chosen]:
    """Adds a kind to a statement, compared and ordered as the index is: both ends are those of a
    range of the index, or PostgreSQL would go through all of the kind."""
    (column, value), id_ = kind, messages.c.id
    is_from = tuple_(column, id_) >= tuple_(value, ids.start)
    is_before = tuple_(column, id_) < tuple_(value, ids.stop)
    # Of a month, and not of the range: PostgreSQL would take its few ids from the primary key.
    month = monthly_ids.ids_of_month(ids.start)
    found = found.where(is_from, is_before, id_ >= month.start, id_ < month.stop)
    return found.order_by(column.desc(), id_.desc())


def _among(found: Select[*Chosen], ids: range) -> Select[*Chosen]:
    id_ = messages.c.id
    return found.where(id_ >= ids.start, id_ < ids.stop).order_by(id_.desc())


def _newest(tx: Transaction) -> int:
    return int(tx.connection.execute(select(func.max(messages.c.id))).scalar() or 0)


def _arrival(tx: Transaction, id_: int) -> datetime | None:
    """Returns when the first message from that id on came."""
    behind = select(messages.c.received_at).where(messages.c.id >= id_).order_by(messages.c.id)
    found: datetime | None = tx.connection.execute(behind.limit(1)).scalar()
    return found


def _entry(tx: Transaction, row: Row[*tuple[Any, ...]]) -> LoggedMessage:
    values = row._asdict()
    number = opened_number(tx, values.pop("number"), row.phone_id, values.pop("hash"))
    return LoggedMessage(**values, number=phone.mask(number) if number else None)


def opened_number(
    tx: Transaction, sealed: bytes | None, row: int | None, hash_: bytes | None
) -> str | None:
    return tx.opened(sealed, Ciphertext.PHONE, row, hash_)


def _with_replies(tx: Transaction, entries: Sequence[LoggedMessage]) -> Sequence[LoggedMessage]:
    replies_of = _replies_of(tx, [each.id for each in entries])
    return [replace(each, replies=replies_of.get(each.id, ())) for each in entries]


def _replies_of(tx: Transaction, message_ids: Iterable[int]) -> Mapping[int, Sequence[SentReply]]:
    """Returns the replies of each message."""
    each = (
        _replies.c.id,
        _replies.c.phone_id,
        _replies.c.wording,
        _replies.c.state,
        _replies.c.code,
        _replies.c.encoding,
        _replies.c.segments,
    )
    of_these = _replies.c.message_id.in_(message_ids)
    rows = tx.connection.execute(select(_replies.c.message_id, *each).where(of_these)).all()
    by_message: defaultdict[int, list[SentReply]] = defaultdict(list)
    for message, *sent in sorted(rows, key=itemgetter(1)):
        by_message[message].append(SentReply(*sent))
    return by_message
