"""Messages as operators look for them: the newest, those of a kind or of some days, one phone's.

Pages go by id, newest first, and whatever is asked for is one range of one index:

    all, or days           id; of days from their first message to their last
    a keyword              (keyword, id); likewise an outcome, a carrier, a phone
    two or more of these   the first one's, LOOKS_AT messages at a time: two kinds that never come
                           together would otherwise be looked for among all messages there are

Numbers are masked here, and a text is opened for who has said why.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, func, select, true, tuple_

from smsgw import phone, replies
from smsgw.models import Ciphertext, messages, phones
from smsgw.models import replies as _replies
from smsgw.runtime import Runtime, Transaction

PAGE = 50
BATCH = 1000  # of what is exported, in one short read
LOOKS_AT = 100_000
AFTER_ALL = 2**62  # no id is so high
# Who reads such a reply could bind another's number: it is nobody's but the person's.
SECRET = {"disclosure.code"}
CLOCKS_DIFFER = timedelta(minutes=5)  # of processes; by so much a later id may be of earlier


@dataclass(frozen=True, slots=True)
class Filters:
    phone_id: int | None = None
    keyword: str | None = None
    outcome: str | None = None
    carrier: str | None = None
    since: datetime | None = None
    until: datetime | None = None  # and no message of that instant

    @property
    def kinds(self) -> list[tuple[Column[Any], int | str]]:
        each = (
            (messages.c.phone_id, self.phone_id),
            (messages.c.keyword, self.keyword),
            (messages.c.outcome, self.outcome),
            (messages.c.carrier, self.carrier),
        )
        return [(column, value) for column, value in each if value is not None]


@dataclass(frozen=True, slots=True)
class Sent:
    """A reply, or a notice to another phone, without its text."""

    id: int
    phone_id: int
    wording: str | None
    state: str
    code: str | None
    encoding: str
    segments: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A message without its text."""

    id: int
    received_at: datetime
    carrier: str
    lane: str
    phone_id: int | None
    number: str | None  # masked; none where no phone sent it, or it is forgotten
    keyword: str | None
    outcome: str
    reason: str | None
    state: str
    configuration: int | None
    sent: Sequence[Sent] = ()

    @property
    def reference(self) -> str:
        return replies.reference(self.id)


@dataclass(frozen=True, slots=True)
class Page:
    messages: Sequence[Seen]
    before: int | None  # where the next page goes on; none where there is no more
    reaches: datetime | None = None  # so far back was looked, where that is not to the end


@dataclass(frozen=True, slots=True)
class Sms:
    """One of a conversation."""

    at: datetime
    is_ours: bool
    message_id: int
    state: str
    text: str | None  # none where it was not asked for, is destroyed, or secret
    is_gone: bool
    is_secret: bool = False
    keyword: str | None = None
    outcome: str | None = None
    segments: int | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    number: str | None  # none where it is forgotten
    sms: Sequence[Sms]  # oldest first
    before: tuple[int, int] | None  # where the page of earlier ones goes on


def phone_id(tx: Transaction, written: str) -> int | None:
    """Of the phone with a number, however it is written."""
    number = phone.e164(written)
    if number is None:
        return None
    is_it = phones.c.hash == tx.vault.hash(number, "phone")
    found: int | None = tx.connection.execute(select(phones.c.id).where(is_it)).scalar()
    return found


def message_id(tx: Transaction, reference: str) -> int | None:
    """Of the newest message that has that reference."""
    first = replies.sequence(reference)
    if first is None:
        return None
    named = range(first, _newest(tx) + 1, replies.REFERENCES)
    found: int | None = tx.connection.execute(
        select(func.max(messages.c.id)).where(messages.c.id.in_(named))
    ).scalar()
    return found


def page(
    tx: Transaction,
    filters: Filters,
    before: int | None = None,
    limit: int = PAGE,
    looks_at: int = LOOKS_AT,
) -> Page:
    first, end = span(tx, filters, before)
    low = first if _is_quick(filters) else max(first, end - looks_at)
    rows = tx.connection.execute(_list(filters, low, end, limit + 1)).all()
    seen = _with_replies(tx, [_seen(tx, row) for row in rows[:limit]])
    if len(rows) > limit:
        return Page(seen, seen[-1].id)
    if low > first:
        return Page(seen, low, _received(tx, low))
    return Page(seen, None)


def walk(rt: Runtime, filters: Filters) -> Iterator[Sequence[Seen]]:
    """All of them, newest first: some at a time, each by a short read of its own."""
    before = None
    while True:
        with rt.reading() as tx:
            found = page(tx, filters, before, BATCH)
        yield found.messages
        before = found.before
        if before is None:
            return


def span(tx: Transaction, filters: Filters, before: int | None = None) -> tuple[int, int]:
    """Ids, the second one excluded, of which all that is asked for is."""
    at, ids = messages.c.received_at, select(messages.c.id)
    first, last = 0, _newest(tx)
    if filters.since is not None:
        begins = ids.where(at >= filters.since - CLOCKS_DIFFER).order_by(at, messages.c.id)
        found = tx.connection.execute(begins.limit(1)).scalar()
        first = last + 1 if found is None else found
    if filters.until is not None:
        ends = ids.where(at < filters.until + CLOCKS_DIFFER)
        newest = ends.order_by(at.desc(), messages.c.id.desc()).limit(1)
        last = tx.connection.execute(newest).scalar() or 0
    return first, last + 1 if before is None else min(before, last + 1)


def within(filters: Filters) -> ColumnElement[bool]:
    at = messages.c.received_at
    since = at >= filters.since if filters.since else true()
    return since & (at < filters.until if filters.until else true())


def one(tx: Transaction, message_id: int) -> Seen | None:
    return next(iter(some(tx, [message_id])), None)


def some(tx: Transaction, message_ids: Sequence[int]) -> Sequence[Seen]:
    """Newest first."""
    rows = tx.connection.execute(_listed.where(messages.c.id.in_(message_ids)))
    seen = [_seen(tx, row) for row in rows]
    return _with_replies(tx, sorted(seen, key=lambda each: each.id, reverse=True))


def talk(
    tx: Transaction,
    phone_id: int,
    before: tuple[int, int] | None = None,
    *,
    with_texts: bool,
    limit: int = PAGE,
) -> Talk | None:
    """What a phone and we said to each other; notices are ours too. `before`: ids of a message and
    of a reply, from the page before. `with_texts`: and with the whole number."""
    row = tx.connection.execute(select(phones).where(phones.c.id == phone_id)).first()
    if row is None:
        return None
    ends = before or (AFTER_ALL, AFTER_ALL)
    said = _of_phone(tx, messages.c.phone_id, messages.c.id, phone_id, ends[0], limit)
    told = _of_phone(tx, _replies.c.phone_id, _replies.c.id, phone_id, ends[1], limit)
    both = merge(
        ((each.received_at, False, each) for each in said),
        ((each.made_at, True, each) for each in told),
        key=itemgetter(0, 1),
        reverse=True,
    )
    newest = list(islice(both, limit))
    rest = tuple(
        min((each.id for _, is_ours, each in newest if is_ours == which), default=ends[which])
        for which in (False, True)
    )
    is_more = len(said) + len(told) > limit
    shown = [_sms(tx, each, is_ours=ours, with_text=with_texts) for _, ours, each in newest]
    number = _number(tx, row.number)
    if number is not None and not with_texts:
        number = phone.mask(number)
    return Talk(number, shown[::-1], (rest[0], rest[1]) if is_more else None)


_listed = select(
    *(messages.c.id, messages.c.received_at, messages.c.carrier, messages.c.lane),
    *(messages.c.phone_id, messages.c.keyword, messages.c.outcome, messages.c.reason),
    *(messages.c.state, messages.c.configuration, phones.c.number),
).outerjoin_from(messages, phones, phones.c.id == messages.c.phone_id)


def _list(filters: Filters, low: int, end: int, limit: int) -> Select[*tuple[Any, ...]]:
    """Those with low <= id < end. Which index serves is not left to what a planner believes to be
    seldom: rows are compared as the index orders them, and further kinds cannot use another."""
    kinds = filters.kinds
    if kinds:
        (column, value), *others = kinds
        key = tuple_(column, messages.c.id)
        found = _listed.where(key >= tuple_(value, low), key < tuple_(value, end))
        found = found.where(*(func.coalesce(each, "") == wanted for each, wanted in others))
        ordered = found.order_by(column.desc(), messages.c.id.desc())
    else:
        found = _listed.where(messages.c.id >= low, messages.c.id < end)
        ordered = found.order_by(messages.c.id.desc())
    return ordered.where(within(filters)).limit(limit)


def _is_quick(filters: Filters) -> bool:
    """A phone has not so many messages that looking through them takes long."""
    return len(filters.kinds) < 2 or filters.phone_id is not None


def _newest(tx: Transaction) -> int:
    return int(tx.connection.execute(select(func.max(messages.c.id))).scalar() or 0)


def _received(tx: Transaction, id_: int) -> datetime | None:
    """When the first message from that id on came."""
    behind = select(messages.c.received_at).where(messages.c.id >= id_).order_by(messages.c.id)
    found: datetime | None = tx.connection.execute(behind.limit(1)).scalar()
    return found


def _seen(tx: Transaction, row: Row[*tuple[Any, ...]]) -> Seen:
    values = row._asdict()
    number = _number(tx, values.pop("number"))
    return Seen(**values, number=phone.mask(number) if number else None)


def _number(tx: Transaction, sealed: bytes | None) -> str | None:
    return tx.vault.decrypt(sealed, Ciphertext.PHONE) if sealed else None


def _with_replies(tx: Transaction, seen: Sequence[Seen]) -> Sequence[Seen]:
    held = _sent(tx, [each.id for each in seen])
    return [replace(each, sent=held.get(each.id, ())) for each in seen]


def _sent(tx: Transaction, message_ids: Iterable[int]) -> Mapping[int, Sequence[Sent]]:
    """By message."""
    each = (
        *(_replies.c.id, _replies.c.phone_id, _replies.c.wording, _replies.c.state),
        *(_replies.c.code, _replies.c.encoding, _replies.c.segments),
    )
    of_these = _replies.c.message_id.in_(message_ids)
    rows = tx.connection.execute(select(_replies.c.message_id, *each).where(of_these)).all()
    by_message: defaultdict[int, list[Sent]] = defaultdict(list)
    for message, *sent in sorted(rows, key=itemgetter(1)):
        by_message[message].append(Sent(*sent))
    return by_message


def _of_phone(
    tx: Transaction, column: Column[int], id_: Column[int], whose: int, end: int, limit: int
) -> Sequence[Row[Any]]:
    held = select(column.table).where(column == whose, id_ < end)
    return tx.connection.execute(held.order_by(id_.desc()).limit(limit + 1)).all()


def _sms(tx: Transaction, row: Row[Any], *, is_ours: bool, with_text: bool) -> Sms:
    if not is_ours:
        shown = _text(tx, row.text, Ciphertext.MESSAGE) if with_text else None
        told = {"keyword": row.keyword, "outcome": row.outcome}
        return Sms(row.received_at, False, row.id, row.state, shown, row.text is None, **told)
    is_secret = row.wording in SECRET
    shown = _text(tx, row.text, Ciphertext.REPLY) if with_text and not is_secret else None
    told = {"is_secret": is_secret, "segments": row.segments}
    return Sms(row.made_at, True, row.message_id, row.state, shown, row.text is None, **told)


def _text(tx: Transaction, sealed: bytes | None, name: Ciphertext) -> str | None:
    return None if sealed is None else tx.vault.decrypt(sealed, name)
