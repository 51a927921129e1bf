"""Deletes what is not kept: texts after a time, silent phones, and what a person asks to delete.

Rows stay, so that counts do; what they said and whom they concerned goes. The clock does a batch at
a time, so that nobody waits for it.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, ColumnElement, ScalarSelect, case, exists, func, literal, or_, select

from handlers.changes import CaseKind
from handlers.values import Verbatim
from smsgw import logs
from smsgw.messaging import inbox, outbox, parts, reconciliation
from smsgw.messaging.outbox import NewReply
from smsgw.notifications import events, subscribers
from smsgw.registry import (
    bindings,
    cases,
    lockout,
    open_questions,
    phones,
    registration_codes,
    registrations,
    reply_pages,
    subscriptions,
)
from smsgw.registry.held_bindings import UNUSED_FOR
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.monthly_ids import first_id_after
from smsgw.storage.tables.cases import cases as _cases
from smsgw.storage.tables.messages import Priority, ReplyState, messages, replies
from smsgw.storage.tables.phones import GIVEN
from smsgw.storage.tables.phones import bindings as _bindings
from smsgw.storage.tables.phones import phones as _phones
from smsgw.storage.tables.phones import registrations as _registrations
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

CLOCK = "clock"  # as the audit names it
ERASED = "hapus_data.done"  # the wording that tells it
BATCH = 500  # rows of one kind in one transaction
LEAVING = (ReplyState.QUEUED, ReplyState.SENDING)
EVERY = timedelta(days=1)  # all phones are looked at
REST = timedelta(minutes=1)  # between two looks while nothing is due


class NotErased(Exception):
    """Its text tells an operator why, and what to do."""


class NotOpen(NotErased):
    """Says that a request was carried out or closed before, or is no data request."""


class Retention:
    """Runs in the clock, and remembers when to look again and at which phones it has looked."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._last_phone = 0
        self._next_look = self._next_pass = datetime.min.replace(tzinfo=UTC)

    def step(self) -> int:
        """Handles one batch of each kind; returns how many rows were emptied or forgotten."""
        if self._rt.now() < self._next_look or not self._rt.clock_check.is_right():
            return 0
        with self._rt.reading() as tx:
            since = tx.now - self._rt.settings.retention
            texts = _due_messages(tx, since), _due_replies(tx, since)
            old_registrations = _due_registrations(tx, since)
            old_parts = parts.old(tx, since, BATCH)
            looked_at = self._phones(tx)
        if not any((*texts, old_registrations, old_parts)) and not looked_at:
            self._next_look = self._rt.now() + REST
            return 0
        with self._rt.writing() as tx:
            _empty(tx, *texts)
            if old_registrations:
                registrations.destroy(tx, _registrations.c.id.in_(old_registrations))
            parts.delete_old(tx, old_parts)
            forgotten = _tidy(tx, looked_at, since)
        self._looked_at(looked_at)
        destroyed = sum(map(len, (*texts, old_registrations, old_parts))) + forgotten
        if destroyed:
            counts = {"messages": texts[0], "replies": texts[1], "parts": old_parts}
            log.info(
                "destroyed", phones=forgotten, **{each: len(ids) for each, ids in counts.items()}
            )
        return destroyed

    def _phones(self, tx: Transaction) -> list[int]:
        if tx.now < self._next_pass:
            return []
        behind = _phones.c.id > self._last_phone
        found = tx.connection.execute(
            select(_phones.c.id).where(behind).order_by(_phones.c.id).limit(BATCH)
        )
        return list(found.scalars())

    def _looked_at(self, phone_ids: list[int]) -> None:
        if self._rt.now() < self._next_pass:
            return
        is_over = len(phone_ids) < BATCH
        self._last_phone = 0 if is_over else phone_ids[-1]
        if is_over:
            self._next_pass = self._rt.now() + EVERY


def erase(rt: Runtime, number: str, actor: str) -> None:
    """Carries out a data-protection request: what is held of its phone goes, the person is told.

    The number stays until it has been silent for the retention time, so that STATUS can show that
    the request is done; so does the text of a complaint that is still open. Raises NotErased.
    """
    with rt.reading() as tx:
        case = cases.open_one(tx, number)
    if case is None or case.kind != CaseKind.DATA_REQUEST:
        raise NotOpen(f"{number} is no open data request; see smsgw cases list")
    with rt.writing() as tx:
        if not cases.close(tx, number):
            raise NotOpen(f"{number} has just been settled")
        _erase_phone(tx, case.phone_id, actor)
        phone = phones.number_of(tx, case.phone_id)
        if phone is None:
            raise NotErased("the phone's number cannot be opened; see smsgw audit verify")
        language = phones.language_of(tx, case.phone_id)
        text = rt.configuration.text(ERASED, {"number": Verbatim(number)}, language)
        outbox.add(
            tx,
            NewReply(
                message_id=case.message_id,
                phone_id=case.phone_id,
                number=phone,
                binding_id=None,
                carrier=rt.default_carrier.name,
                sender_id=rt.default_carrier.default_sender_id,
                text=text,
                lasts=rt.settings.validity,
                priority=Priority.SCHEDULED,
                wording=ERASED,
            ),
        )
        audit.note(tx, Act.ERASED, actor, phone_id=case.phone_id, detail=number)
    rt.spend([(phone, text)])


def _erase_phone(tx: Transaction, phone_id: int, actor: str) -> None:
    """Locks the phone's row first, as an answer to it does: an answer at this instant starts
    again."""
    phones.erase(tx, phone_id)
    own = replies.c.phone_id == phone_id
    outbox.refuse_waiting(tx, phone_id, "erased")
    on_its_way = own & replies.c.state.in_([ReplyState.SENDING, ReplyState.UNKNOWN])
    if tx.connection.execute(select(exists().where(on_its_way))).scalar_one():
        raise NotErased(
            "a reply to this phone is on its way, or in doubt (smsgw unknown list); try again later"
        )
    outbox.destroy_texts(tx, own)
    inbox.withdraw(tx, phone_id)
    inbox.destroy_texts(tx, messages.c.phone_id == phone_id)
    parts.destroy_texts(tx, phone_id)
    own_bindings = _bindings.c.phone_id == phone_id
    bindings.end(tx, own_bindings, actor, "erased")
    bindings.forget(tx, own_bindings)
    registrations.destroy(tx, _registrations.c.phone_id == phone_id)
    open_questions.close(tx, phone_id)
    reply_pages.destroy(tx, phone_id)
    registration_codes.erase(tx, phone_id)
    subscriptions.erase(tx, phone_id)
    events.erase(tx, phone_id)


def _due_messages(tx: Transaction, since: datetime) -> list[int]:
    """Returns the oldest messages that still have a text, except those that wait for their answer
    or for an officer."""
    at = messages.c.received_at
    due = select(messages.c.id).where(messages.c.text.is_not(None), at < since, *inbox.HAS_ENDED)
    return list(tx.connection.execute(due.order_by(at).limit(BATCH)).scalars())


def _due_replies(tx: Transaction, since: datetime) -> list[int]:
    at, has_ended = replies.c.made_at, replies.c.state.not_in(LEAVING)
    due = select(replies.c.id).where(replies.c.text.is_not(None), at < since, has_ended)
    return list(tx.connection.execute(due.order_by(at).limit(BATCH)).scalars())


def _due_registrations(tx: Transaction, since: datetime) -> list[int]:
    """Returns old registrations, open ones too: nobody could look into them any more."""
    at = _registrations.c.made_at
    due = select(_registrations.c.id).where(GIVEN, at < since)
    return list(tx.connection.execute(due.order_by(at).limit(BATCH)).scalars())


def _empty(tx: Transaction, message_ids: list[int], reply_ids: list[int]) -> None:
    if message_ids:
        inbox.destroy_texts(tx, messages.c.id.in_(message_ids))
    if reply_ids:
        of = replies.c.id.in_(reply_ids) & replies.c.state.not_in(LEAVING)
        in_doubt = select(replies.c.id).where(of, replies.c.state == ReplyState.UNKNOWN)
        for reply_id in tx.connection.execute(in_doubt).scalars().all():
            reconciliation.decide(tx, reply_id, resend_for=None)
        outbox.destroy_texts(tx, of)


def _tidy(tx: Transaction, phone_ids: list[int], since: datetime) -> int:
    """Removes what these phones left behind, and forgets those that went silent."""
    lockout.forget(tx, phone_ids)
    open_questions.destroy_expired(tx, phone_ids)
    reply_pages.destroy_expired(tx, phone_ids)
    registration_codes.forget(tx, phone_ids, since)
    subscriptions.forget(tx, phone_ids, since)
    subscribers.forget(tx, phone_ids)
    own_bindings = _bindings.c.phone_id.in_(phone_ids)
    unused = _bindings.c.used_at < tx.now - UNUSED_FOR
    bindings.end(tx, own_bindings & unused, CLOCK, "unused")
    bindings.forget(tx, own_bindings & or_(unused, _bindings.c.ended_at < since))
    silent = select(_phones.c.id, _phones.c.version).where(
        _phones.c.id.in_(phone_ids), is_silent(since)
    )
    rows = tx.connection.execute(silent).all()
    forgotten = [row.id for row in rows if phones.forget(tx, row.id, row.version)]
    for phone_id in forgotten:
        subscriptions.erase(tx, phone_id)  # their words are sealed with the number
    return len(forgotten)


def is_silent(since: datetime) -> ColumnElement[bool]:
    """Tells whether nothing came or went for the whole retention time, and nothing is left to
    answer, send or destroy; nobody is bound and nothing is open. A phone that said STOP stays
    known, so that STOP holds."""
    bound = exists().where(_bindings.c.phone_id == _phones.c.id, _bindings.c.ended_at.is_(None))
    open_ = exists().where(_cases.c.phone_id == _phones.c.id, _cases.c.closed_at.is_(None))
    registered = exists().where(_registrations.c.phone_id == _phones.c.id, GIVEN)
    # An id tells its month: that most phones have written since shows without reading a message.
    was_heard = _phones.c.last_message_id >= first_id_after(since)
    last_came = _last_of_phone(messages.c.received_at, since)
    last_went = _last_of_phone(replies.c.made_at, since)
    # Its rows may have been deleted; a phone that nothing tells of has only just been stored.
    is_known = or_(_phones.c.last_message_id.is_not(None), last_came.is_not(None))
    return (
        func.coalesce(~was_heard, True)
        & _phones.c.number.is_not(None)
        & _phones.c.stopped_at.is_(None)
        & ~bound
        & ~open_
        & ~registered
        & or_(is_known, last_went.is_not(None))
        & func.coalesce(last_came < since, True)
        & func.coalesce(last_went < since, True)
    )


def _last_of_phone(at: Column[datetime], since: datetime) -> ScalarSelect[datetime | None]:
    """Returns the last time of a phone's rows, `since` for those that have a text. PostgreSQL finds
    these rows by the phone, whatever it knows of the table: no other index has what is asked."""
    table = at.table
    last = func.max(case((table.c.text.is_not(None), literal(since, at.type)), else_=at))
    return select(last).where(table.c.phone_id == _phones.c.id).scalar_subquery()
