"""Deletes what is not kept: texts after a time, silent phones, and what a person asks to delete.

Rows stay, so that counts do; what they said and whom they concerned goes. The clock does a batch at
a time, so that nobody waits for it.
"""

import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update

from handlers.changes import CaseKind
from handlers.values import Verbatim
from smsgw import logs
from smsgw.messaging import outbox, reconciliation
from smsgw.messaging.outbox import NewReply
from smsgw.registry import cases, phone_state, registrations
from smsgw.registry.bindings import end
from smsgw.registry.lockout import GUESSES_COUNT_FOR
from smsgw.registry.phone_state import UNUSED_FOR
from smsgw.registry.registration_codes import DISOWNED_FOR, REJECTIONS_COUNT_FOR
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.cases import cases as _cases
from smsgw.storage.tables.messages import MessageState, Priority, ReplyState, messages, replies
from smsgw.storage.tables.phones import (
    GIVEN,
    bindings,
    codes,
    guesses,
    named,
    pages,
    phones,
    questions,
    rejections,
    wrong_codes,
)
from smsgw.storage.tables.phones import registrations as _registrations
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

CLOCK = "clock"  # as the audit names it
ERASED = "hapus_data.done"  # the wording that tells it
BATCH = 500  # rows of one kind in one transaction
IN_CASE = exists().where(_cases.c.message_id == messages.c.id, _cases.c.closed_at.is_(None))
ENDED_MESSAGE = (messages.c.state != MessageState.RECEIVED, ~IN_CASE)
LEAVING = (ReplyState.QUEUED, ReplyState.SENDING)
EVERY = timedelta(days=1)  # all phones are looked at
REST = timedelta(minutes=1)  # between two looks while nothing is due


class NotErased(Exception):
    """Its text tells an operator why, and what to do."""


class NotOpen(NotErased):
    """It was carried out or closed before, or is no data request."""


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
            looked_at = self._phones(tx)
        if not any((*texts, old_registrations)) and not looked_at:
            self._next_look = self._rt.now() + REST
            return 0
        with self._rt.writing() as tx:
            _empty(tx, *texts)
            if old_registrations:
                registrations.destroy(tx, _registrations.c.id.in_(old_registrations))
            forgotten = _tidy(tx, looked_at, since)
        self._looked_at(looked_at)
        destroyed = sum(map(len, (*texts, old_registrations))) + forgotten
        if destroyed:
            log.info("destroyed", messages=len(texts[0]), replies=len(texts[1]), phones=forgotten)
        return destroyed

    def _phones(self, tx: Transaction) -> list[int]:
        if tx.now < self._next_pass:
            return []
        behind = phones.c.id > self._last_phone
        found = tx.connection.execute(
            select(phones.c.id).where(behind).order_by(phones.c.id).limit(BATCH)
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
        phone = phone_state.number_of(tx, case.phone_id)
        if phone is None:
            raise NotErased("the phone's number cannot be opened; see smsgw audit verify")
        language = phone_state.language_of(tx, case.phone_id)
        text = rt.configuration.text(ERASED, {"number": Verbatim(number)}, language)
        outbox.add(
            tx,
            NewReply(
                message_id=case.message_id,
                phone_id=case.phone_id,
                number=phone,
                binding_id=None,
                carrier=rt.default_carrier.name,
                lane=rt.default_carrier.default_sender_id,
                text=text,
                lasts=rt.settings.validity,
                priority=Priority.SCHEDULED,
                wording=ERASED,
            ),
        )
        audit.note(tx, Act.ERASED, actor, phone_id=case.phone_id, detail=number)
    rt.spend([(phone, text)])


def _erase_phone(tx: Transaction, phone_id: int, actor: str) -> None:
    """The phone's row first, as who answers it does: whoever does at this instant starts again."""
    run = tx.connection.execute
    nothing = {"last_message_id": None, "last_reply_id": None, "wants_news": False}
    own_phone = update(phones).where(phones.c.id == phone_id)
    run(own_phone.values(version=phones.c.version + 1, **nothing))
    own = replies.c.phone_id == phone_id
    queued = own & (replies.c.state == ReplyState.QUEUED)
    run(update(replies).where(queued).values(state=ReplyState.REFUSED, code="erased"))
    on_its_way = own & replies.c.state.in_([ReplyState.SENDING, ReplyState.UNKNOWN])
    if run(select(exists().where(on_its_way))).scalar_one():
        raise NotErased(
            "a reply to this phone is on its way, or in doubt (smsgw unknown list); try again later"
        )
    run(update(replies).where(own).values(text=None, binding_id=None))
    own_messages = messages.c.phone_id == phone_id
    waits = messages.c.state == MessageState.RECEIVED
    run(update(messages).where(own_messages, waits).values(state=MessageState.ANSWERED))
    run(update(messages).where(own_messages, ~IN_CASE).values(text=None, text_hash=None))
    own_bindings = bindings.c.phone_id == phone_id
    end(tx, own_bindings, actor, "erased")
    _blank(tx, own_bindings)
    registrations.destroy(tx, _registrations.c.phone_id == phone_id)
    for table in (questions, pages, codes, wrong_codes):
        run(delete(table).where(table.c.phone_id == phone_id))
    number = select(phones.c.hash).where(phones.c.id == phone_id).scalar_subquery()
    run(delete(codes).where(codes.c.on_file_hash == number))  # that others had sent to it


def _due_messages(tx: Transaction, since: datetime) -> list[int]:
    """The oldest that still have a text; what is owed or lies before an officer stays."""
    at = messages.c.received_at
    due = select(messages.c.id).where(messages.c.text.is_not(None), at < since, *ENDED_MESSAGE)
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
    run = tx.connection.execute
    if message_ids:
        of: ColumnElement[bool] = messages.c.id.in_(message_ids)
        run(update(messages).where(of, *ENDED_MESSAGE).values(text=None, text_hash=None))
    if reply_ids:
        of = replies.c.id.in_(reply_ids) & replies.c.state.not_in(LEAVING)
        in_doubt = select(replies.c.id).where(of, replies.c.state == ReplyState.UNKNOWN)
        for reply_id in run(in_doubt).scalars().all():
            reconciliation.decide(tx, reply_id, resend_for=None)
        run(update(replies).where(of).values(text=None, binding_id=None))


def _tidy(tx: Transaction, phone_ids: list[int], since: datetime) -> int:
    """Removes what these phones left behind, and forgets those that went silent."""
    run = tx.connection.execute
    counted = tx.now - 2 * GUESSES_COUNT_FOR
    for table, old in (
        (guesses, guesses.c.at < counted),
        (named, named.c.at < counted),
        (questions, questions.c.expires_at < tx.now),
        (pages, pages.c.expires_at < tx.now),
        (codes, codes.c.made_at < min(since, tx.now - DISOWNED_FOR)),
        (wrong_codes, wrong_codes.c.at < counted),
    ):
        run(delete(table).where(table.c.phone_id.in_(phone_ids), old))
    run(delete(rejections).where(rejections.c.at < tx.now - 2 * REJECTIONS_COUNT_FOR))
    own_bindings, unused = (
        bindings.c.phone_id.in_(phone_ids),
        bindings.c.used_at < tx.now - UNUSED_FOR,
    )
    end(tx, own_bindings & unused, CLOCK, "unused")
    _blank(tx, own_bindings & or_(unused, bindings.c.ended_at < since))
    silent = select(phones.c.id, phones.c.version).where(_is_silent(phone_ids, since))
    return sum(_forget(tx, row.id, row.version) for row in run(silent).all())


def _forget(tx: Transaction, phone_id: int, version: int) -> int:
    """Forgets a phone unless it wrote at this instant; a reader at this instant finds it
    changed."""
    forgotten = tx.connection.execute(
        update(phones)
        .where(phones.c.id == phone_id, phones.c.version == version)
        .values(number=None, hash=secrets.token_bytes(32), version=version + 1)
    )
    return forgotten.rowcount


def _blank(tx: Transaction, which: ColumnElement[bool]) -> None:
    """Ended bindings of which nothing is left but that they were."""
    ended = which & bindings.c.ended_at.is_not(None) & bindings.c.nkp.is_not(None)
    for binding_id in tx.connection.execute(select(bindings.c.id).where(ended)).scalars().all():
        tx.connection.execute(
            update(bindings)
            .where(bindings.c.id == binding_id)
            .values(
                nkp_hash=secrets.token_bytes(32),
                nkp=None,
                consent=None,
                on_file=None,
                on_file_hash=None,
            )
        )


def _is_silent(phone_ids: list[int], since: datetime) -> ColumnElement[bool]:
    """Tells whether nothing came or went for the whole retention time, and nothing is left to
    answer, send or destroy; nobody is bound and nothing is open. A phone that said STOP stays
    known, so that STOP holds."""
    came = select(func.max(messages.c.received_at)).where(messages.c.phone_id == phones.c.id)
    went = select(func.max(replies.c.made_at)).where(replies.c.phone_id == phones.c.id)
    bound = exists().where(bindings.c.phone_id == phones.c.id, bindings.c.ended_at.is_(None))
    open_ = exists().where(_cases.c.phone_id == phones.c.id, _cases.c.closed_at.is_(None))
    registered = exists().where(_registrations.c.phone_id == phones.c.id, GIVEN)
    last_came, last_went = came.scalar_subquery(), went.scalar_subquery()
    return (
        phones.c.id.in_(phone_ids)
        & phones.c.number.is_not(None)
        & phones.c.stopped_at.is_(None)
        & ~bound
        & ~open_
        & ~registered
        & ~exists().where(messages.c.phone_id == phones.c.id, messages.c.text.is_not(None))
        & ~exists().where(replies.c.phone_id == phones.c.id, replies.c.text.is_not(None))
        & or_(last_came.is_not(None), last_went.is_not(None))
        & func.coalesce(last_came < since, True)
        & func.coalesce(last_went < since, True)
    )
