"""Reads what is known of a phone: bindings, open question, guesses, last message.

Every message of a phone counts its version up. Who read a phone and finds another version when it
writes has been overtaken, and starts again from what is true now; so fifty messages at one instant
are judged one after the other.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypedDict

from sqlalchemy import Row, bindparam, case, select

from handlers import disclosure
from handlers.question import Caller
from smsgw.registry import (
    cases,
    held_bindings,
    lockout,
    open_questions,
    registration_codes,
    reply_pages,
    subscriptions,
)
from smsgw.registry.named import NOBODY, NOTHING_NAMED, Former, NamedIdentities
from smsgw.registry.phones import LastMessage, add_all, last_message_rows, opened_number
from smsgw.storage.bulk import BulkSelect, write_all
from smsgw.storage.joined_selects import SelectWithIds
from smsgw.storage.monthly_ids import month_begins
from smsgw.storage.tables.messages import (
    MessageState,
    Priority,
    ReplyState,
    messages,
    replies,
)
from smsgw.storage.tables.phones import bindings, past_bindings, phones
from smsgw.storage.tables.phones import pages as _pages
from smsgw.storage.tables.phones import questions as _questions
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.tables.types import Instant
from smsgw.storage.transaction import Transaction


class Previous(NamedTuple):
    """Holds the message before, to recognise a repeat."""

    carrier: str
    carrier_ref: str
    text_hash: bytes
    received_at: datetime
    is_deferred: bool  # its true answer waits for the ledger
    reply_state: str | None


class PhoneState(NamedTuple):
    """Holds a phone as one read saw it. Its id is 0 until it is stored."""

    phone_id: int
    version: int
    caller: Caller
    binding_ids: dict[str, int]  # by NKP
    previous: Previous | None
    last_reply: str | None = None  # which it may send back to us
    language: str = "id"
    has_pages: bool = False  # that LANJUT shows, or might have shown


_last_message = messages.alias("last_message")
_its_reply = replies.alias("its_reply")
_its_binding = bindings.alias("its_binding")
# Where a reply is, also before the clock has written that it is no longer queued or being sent.
_is_queued = _its_reply.c.state == ReplyState.QUEUED
_is_sending = _its_reply.c.state == ReplyState.SENDING
_now = bindparam("now", type_=Instant)
_reply_state = case(
    (_is_queued & _its_binding.c.ended_at.is_not(None), ReplyState.REFUSED),
    (_is_queued & (_its_reply.c.expires_at <= _now), ReplyState.EXPIRED),
    (_is_sending & (_its_reply.c.lease_until <= _now), ReplyState.UNKNOWN),
    else_=_its_reply.c.state,
).label("reply_state")
_last_reply = replies.alias("last_reply")
_guessed = lockout.count_of(phones.c.id).scalar_subquery()
_known = (
    select(
        phones.c.id,
        phones.c.hash,
        phones.c.version,
        phones.c.language,
        _questions.c.kind,
        _questions.c.asked,
        _questions.c.asked_at,
        _questions.c.expires_at,
        _questions.c.repeats,
        _last_message.c.carrier,
        _last_message.c.carrier_ref,
        _last_message.c.text_hash,
        _last_message.c.received_at,
        _last_message.c.state.label("message_state"),
        _reply_state,
        _last_reply.c.id.label("last_reply_id"),
        _last_reply.c.text.label("last_text"),
        _last_reply.c.message_id.label("answers"),
        _last_reply.c.binding_id.label("last_binding_id"),
        _pages.c.texts.label("pages"),
        _pages.c.expires_at.label("pages_expire_at"),
        _guessed.label("guessed"),
        *held_bindings.COLUMNS,
    )
    .select_from(phones)
    .outerjoin(bindings, (bindings.c.phone_id == phones.c.id) & held_bindings.IS_IN_USE)
    .outerjoin(_questions, _questions.c.phone_id == phones.c.id)
    .outerjoin(_pages, _pages.c.phone_id == phones.c.id)
    .outerjoin(_last_message, _last_message.c.id == phones.c.last_message_id)
    .outerjoin(
        _its_reply,
        (_its_reply.c.message_id == _last_message.c.id)
        & (_its_reply.c.id >= month_begins(_last_message.c.id))
        & (_its_reply.c.phone_id == phones.c.id)
        & (_its_reply.c.priority < Priority.SCHEDULED)
        & _its_reply.c.wording.is_distinct_from(disclosure.unavailable().wording),
    )
    .outerjoin(_its_binding, _its_binding.c.id == _its_reply.c.binding_id)
    .outerjoin(_last_reply, _last_reply.c.id == phones.c.last_reply_id)
)
_phone = BulkSelect(_known.where, phones.c.hash)
_phone_and_ids = SelectWithIds(_phone, messages, replies, phones)


class PhoneQuery(NamedTuple):
    """Names a phone to read, with the identities in its message. `received_at` is given for a
    message whose answer had to wait."""

    number: str
    named: NamedIdentities = NOTHING_NAMED
    received_at: datetime | None = None


class _Before(TypedDict):
    """Holds what is known of a number, whether or not its phone is known."""

    former: Former
    asked_codes: tuple[str, ...]
    rejections: int


def read(
    tx: Transaction,
    number: str,
    *,
    named: NamedIdentities = NOTHING_NAMED,
    received_at: datetime | None = None,
) -> PhoneState:
    """Reads what is known of a phone. Only what the message names is looked up. `received_at`: of
    a message whose answer had to wait."""
    (known,) = read_all(tx, [PhoneQuery(number, named, received_at)])
    return known


def read_all(tx: Transaction, wanted: Sequence[PhoneQuery]) -> list[PhoneState]:
    """Reads what is known of phones, in one statement."""
    hashes = {each.number: tx.vault.hash(each.number, "phone") for each in wanted}
    return _states(tx, wanted, hashes, _phone.run(tx.connection, [*hashes.values()], **_times(tx)))


def read_with_ids(
    tx: Transaction, wanted: Sequence[PhoneQuery], count: int
) -> tuple[list[PhoneState], list[tuple[int, ...]]]:
    """Reads what is known of phones, and takes in the same trip `count` times an id for a message,
    one for its reply, and one for its phone if that is new. Only PostgreSQL can; elsewhere nothing
    stands in their place."""
    if tx.connection.dialect.name != "postgresql":
        return read_all(tx, wanted), [()] * count
    hashes = {each.number: tx.vault.hash(each.number, "phone") for each in wanted}
    keys = [*hashes.values()]
    found, ids = _phone_and_ids.run(tx.connection, _times(tx), keys, count, tx.now)
    return _states(tx, wanted, hashes, found), ids


def _times(tx: Transaction) -> dict[str, datetime]:
    return {
        "now": tx.now,
        "guessed_since": tx.now - lockout.GUESSES_COUNT_FOR,
        "used_since": tx.now - held_bindings.UNUSED_FOR,
    }


def _states(
    tx: Transaction,
    wanted: Sequence[PhoneQuery],
    hashes: Mapping[str, bytes],
    found: Iterable[Row[*tuple[Any, ...]]],
) -> list[PhoneState]:
    rows: dict[bytes, list[Row[*tuple[Any, ...]]]] = defaultdict(list)  # one for each binding
    for row in found:
        rows[row.hash].append(row)
    return [_state(tx, each, rows[hashes[each.number]]) for each in wanted]


def _state(
    tx: Transaction, wanted: PhoneQuery, rows: Sequence[Row[*tuple[Any, ...]]]
) -> PhoneState:
    named, number = wanted.named, wanted.number
    former = (
        registration_codes.disowned_nkps(tx, number) | past_nkps(tx, number)
        if named.identity
        else NOBODY
    )
    asked_codes = registration_codes.sent_here(tx, number) if named.asked_codes else {}
    before = _Before(
        former=Former(tx.vault, former),
        asked_codes=tuple(asked_codes),
        rejections=max(asked_codes.values(), default=0),
    )
    if not rows:
        return PhoneState(0, 0, Caller(phone=number, **before), {}, None)
    return _known_state(tx, rows, before, wanted)


def _known_state(
    tx: Transaction,
    rows: Sequence[Row[*tuple[Any, ...]]],
    before: _Before,
    wanted: PhoneQuery,
) -> PhoneState:
    named, row = wanted.named, rows[0]
    by_binding = {each.binding_id: each for each in rows if each.binding_id is not None}
    held = held_bindings.opened(tx, [by_binding[each] for each in sorted(by_binding)], row.hash)
    ids = {bound.nkp: binding_id for binding_id, bound in held.items()}
    asked, question = open_questions.still_open(tx, row, wanted.received_at)
    about = next((nkp for nkp, id_ in ids.items() if id_ == row.last_binding_id), None)
    told = _last_told(tx, row)
    verified = registration_codes.verify(tx, row.id, named.code) if named.code else None
    is_repeatable = about is not None or row.last_binding_id is None
    caller = Caller(
        phone=wanted.number,
        **before,
        bound=tuple(held.values()),
        open=question,
        asked=asked,
        repeats=row.repeats or 0,
        locked=row.guessed >= lockout.GUESSES_ALLOWED,
        last_answer=told if is_repeatable else None,
        last_about=about,
        next_page=next(iter(reply_pages.read(tx, row)), None),
        verified_code=verified,
        awaits_code=bool(verified or (named.code and registration_codes.is_awaited(tx, row.id))),
        has_tried_codes=bool(named.code)
        and registration_codes.wrong_in_a_day(tx, row.id) >= registration_codes.WRONG_CODES_A_DAY,
        case=cases.find(tx, row.id, named.case) if named.case else None,
        notified=subscriptions.kinds_of(tx, row.id, row.hash) if named.notified else frozenset(),
        has_stopped=named.notified and subscriptions.has_stopped(tx, row.id),
    )
    has_pages = row.pages is not None
    return PhoneState(
        row.id, row.version, caller, ids, _previous(row), told, row.language, has_pages
    )


def _last_told(tx: Transaction, row: Row[*tuple[Any, ...]]) -> str | None:
    """Returns what the phone was told last; None where it is destroyed, or not what we told it."""
    named_by = (row.hash, row.answers, row.last_binding_id)
    return tx.opened(row.last_text, Ciphertext.REPLY, row.last_reply_id, *named_by)


def lock(tx: Transaction, phone_id: int) -> PhoneState | None:
    """Locks a phone, so that its own messages wait until this transaction ends. Returns None if it
    is deleted."""
    number = opened_number(tx, select(phones).where(phones.c.id == phone_id).with_for_update())
    return bump_version(tx, read(tx, number)) if number is not None else None


def callers(tx: Transaction, phone_ids: Collection[int]) -> dict[int, tuple[Caller, str]]:
    """Returns many phones at once, each with its language, as if they had said nothing before.
    Deleted phones are left out."""
    whose = select(phones.c.id, phones.c.hash, phones.c.number, phones.c.language).where(
        phones.c.id.in_(phone_ids), phones.c.number.is_not(None)
    )
    opened = (
        (row, tx.opened(row.number, Ciphertext.PHONE, row.id, row.hash))
        for row in tx.connection.execute(whose)
    )
    whole = [(row, number) for row, number in opened if number is not None]
    known = {row.id: (row.language, number) for row, number in whole}
    held = held_bindings.of_phones(tx, {row.id: row.hash for row, _ in whole})
    guessed = lockout.counts(tx, known)
    return {
        phone_id: (
            Caller(
                phone=number,
                bound=tuple(held.get(phone_id, ())),
                locked=guessed.get(phone_id, 0) >= lockout.GUESSES_ALLOWED,
            ),
            language,
        )
        for phone_id, (language, number) in known.items()
    }


def bump_version(tx: Transaction, known: PhoneState) -> PhoneState:
    """Counts the phone's version up, storing a new phone. Raises Conflict."""
    if known.phone_id == 0:
        return known._replace(phone_id=add_all(tx, [known.caller.phone])[0], version=1)
    write_all(tx.connection, [last_message_rows([LastMessage(known.phone_id, known.version)])])
    return known._replace(version=known.version + 1)


def _previous(row: Row[*tuple[Any, ...]]) -> Previous | None:
    if row.text_hash is None:
        return None
    is_deferred = row.message_state == MessageState.RECEIVED
    name = row.carrier, row.carrier_ref
    return Previous(*name, row.text_hash, row.received_at, is_deferred, row.reply_state)


def past_nkps(tx: Transaction, number: str) -> frozenset[bytes]:
    held = select(past_bindings.c.nkp_hash).where(
        past_bindings.c.phone_hash == tx.vault.hash(number, "past")
    )
    return frozenset(tx.connection.execute(held).scalars())
