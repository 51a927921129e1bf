"""What is known of a phone: its bindings, its open question, what it guessed, what it said last.

Every message of a phone counts its version up. Who read a phone and finds another version when it
writes has been overtaken, and starts again from what is true now; so fifty messages at one instant
are judged one after the other.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Row,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from handlers.question import (
    Ask,
    Bind,
    Caller,
    Change,
    Choice,
    Close,
    Consent,
    Guess,
    OpenQuestion,
    Resume,
    Stop,
)
from smsgw.crypto import Unreadable
from smsgw.models import (
    Ciphertext,
    MessageState,
    QuestionKind,
    ReplyState,
    bindings,
    guesses,
    messages,
    phones,
    questions,
    replies,
)
from smsgw.runtime import Runtime, Transaction
from smsgw.settings import SettingsError

GUESSES_ALLOWED = 3
GUESSES_COUNT_FOR = timedelta(hours=24)


class Outrun(Exception):
    """Another message of the same phone was stored since this one read it."""


@dataclass(frozen=True, slots=True)
class Previous:
    """The message before, for telling a repeat."""

    text_hash: bytes
    received_at: datetime
    is_owed: bool  # its true answer waits for the ledger
    reply_state: str | None


@dataclass(frozen=True, slots=True)
class Lost:
    """A phone that an NKP was bound to until another took its place."""

    phone_id: int
    number: str
    nkp: str


@dataclass(frozen=True, slots=True)
class Known:
    """A phone as one read saw it. Its id is 0 until it is stored."""

    phone_id: int
    version: int
    caller: Caller
    binding_ids: dict[str, int]  # by NKP
    guesses: int
    asked: str | None  # the open question as it was worded
    previous: Previous | None


_last_message = messages.alias("last_message")
_its_reply = replies.alias("its_reply")
_last_reply = replies.alias("last_reply")
_phone = (
    select(
        phones.c.id,
        phones.c.version,
        questions.c.kind,
        questions.c.asked,
        questions.c.expires_at,
        _last_message.c.text_hash,
        _last_message.c.received_at,
        _last_message.c.state.label("message_state"),
        _its_reply.c.state.label("reply_state"),
        _last_reply.c.text.label("last_text"),
        _last_reply.c.binding_id.label("last_binding_id"),
    )
    .select_from(phones)
    .outerjoin(questions, questions.c.phone_id == phones.c.id)
    .outerjoin(_last_message, _last_message.c.id == phones.c.last_message_id)
    .outerjoin(
        _its_reply,
        (_its_reply.c.message_id == _last_message.c.id) & (_its_reply.c.phone_id == phones.c.id),
    )
    .outerjoin(_last_reply, _last_reply.c.id == phones.c.last_reply_id)
    .where(phones.c.hash == bindparam("hash"))
)
_bound = (
    select(bindings.c.id, bindings.c.nkp)
    .where(bindings.c.phone_id == bindparam("phone_id"), bindings.c.ended_at.is_(None))
    .order_by(bindings.c.id)
)
_guessed = select(func.count()).where(
    guesses.c.phone_id == bindparam("phone_id"), guesses.c.at > bindparam("since")
)


def check_key(rt: Runtime) -> None:
    """Raises SettingsError where the database was written with another key: a phone would be taken
    for a stranger's, and what it is told could not be read again."""
    try:
        with rt.reading() as tx:
            stored = tx.connection.execute(select(phones.c.number).limit(1)).scalar_one_or_none()
            if stored is not None:
                tx.vault.decrypt(stored, Ciphertext.PHONE)
    except Unreadable:
        told = "the database was written with another one; set that"
        raise SettingsError(f"SMSGW_SECRET_KEY: {told}") from None
    except SQLAlchemyError:
        return  # away, or not migrated: whoever uses it says so


def read(tx: Transaction, number: str) -> Known:
    row = tx.connection.execute(_phone, {"hash": tx.vault.hash(number, "phone")}).first()
    if row is None:
        return Known(0, 0, Caller(phone=number), {}, 0, None, None)
    ids = {
        tx.vault.decrypt(binding.nkp, Ciphertext.NKP): binding.id
        for binding in tx.connection.execute(_bound, {"phone_id": row.id})
    }
    since = tx.now - GUESSES_COUNT_FOR
    guessed = tx.connection.execute(_guessed, {"phone_id": row.id, "since": since}).scalar_one()
    asked, question = _open_question(tx, row)
    about = next((nkp for nkp, id_ in ids.items() if id_ == row.last_binding_id), None)
    repeatable = row.last_text is not None and (about or row.last_binding_id is None)
    caller = Caller(
        phone=number,
        nkps=tuple(ids),
        open=question,
        locked=guessed >= GUESSES_ALLOWED,
        last_answer=tx.vault.decrypt(row.last_text, Ciphertext.REPLY) if repeatable else None,
        last_about=about,
    )
    return Known(row.id, row.version, caller, ids, guessed, asked, _previous(row))


def advance(tx: Transaction, known: Known) -> Known:
    """Counts the phone's version up, storing a new phone. Raises Outrun."""
    if known.phone_id == 0:
        return replace(known, phone_id=_add(tx, known.caller.phone), version=1)
    counted = tx.connection.execute(
        update(phones)
        .where(phones.c.id == known.phone_id, phones.c.version == known.version)
        .values(version=known.version + 1)
    )
    if counted.rowcount != 1:
        raise Outrun
    return replace(known, version=known.version + 1)


def apply(tx: Transaction, known: Known, changes: Iterable[Change], text: str) -> list[Lost]:
    """Carries out what a reply changes; `text` is that reply."""
    lost: list[Lost] = []
    for change in changes:
        match change:
            case Ask(question, lasts):
                _ask(tx, known, question, text, lasts)
            case Close():
                _close(tx, known)
            case Bind(nkp):
                lost += bind(tx, known, nkp, consent=known.asked or "")
            case Guess(identity):
                _guess(tx, known, identity)
            case Stop():
                _set(tx, known, stopped_at=tx.now)
            case Resume():
                _set(tx, known, stopped_at=None)
    return lost


def remember(tx: Transaction, known: Known, message_id: int, reply_id: int | None = None) -> None:
    """What the phone said last and, where it may be repeated, what it was answered."""
    answered = {} if reply_id is None else {"last_reply_id": reply_id}
    _set(tx, known, last_message_id=message_id, **answered)


def bind(tx: Transaction, known: Known, nkp: str, *, consent: str) -> list[Lost]:
    """Binds `nkp` to this phone alone; `consent` is the wording that was agreed to."""
    nkp_hash = tx.vault.hash(nkp, "nkp")
    ended = tx.connection.execute(
        update(bindings)
        .where(bindings.c.nkp_hash == nkp_hash, bindings.c.ended_at.is_(None))
        .values(ended_at=tx.now)
        .returning(bindings.c.id, bindings.c.phone_id)
    ).all()
    _withdraw(tx, [row.id for row in ended])
    lost = [_lost(tx, row.phone_id, nkp) for row in ended if row.phone_id != known.phone_id]
    row = {
        "phone_id": known.phone_id,
        "nkp_hash": nkp_hash,
        "nkp": tx.vault.encrypt(nkp, Ciphertext.NKP),
        "bound_at": tx.now,
        "consent": tx.vault.encrypt(consent, Ciphertext.CONSENT),
        "consented_at": tx.now,
    }
    try:
        tx.connection.execute(insert(bindings).values(row))
    except IntegrityError:  # another phone took it at this instant
        raise Outrun from None
    return lost


def binding_id(tx: Transaction, known: Known, nkp: str | None) -> int | None:
    """The binding that a reply about `nkp` hangs on, made just now perhaps. Raises Outrun where it
    has ended since it was read: the number went to another phone meanwhile."""
    if nkp is None:
        return None
    found = tx.connection.execute(
        select(bindings.c.id).where(
            bindings.c.nkp_hash == tx.vault.hash(nkp, "nkp"),
            bindings.c.phone_id == known.phone_id,
            bindings.c.ended_at.is_(None),
        )
    )
    binding = found.scalar_one_or_none()
    if binding is None:
        raise Outrun
    return int(binding)


def _withdraw(tx: Transaction, binding_ids: list[int]) -> None:
    """Replies that hang on these bindings and have not left yet never will."""
    tx.connection.execute(
        update(replies)
        .where(replies.c.binding_id.in_(binding_ids), replies.c.state == ReplyState.QUEUED)
        .values(state=ReplyState.REFUSED, code="unbound")
    )


def _add(tx: Transaction, number: str) -> int:
    row = {
        "hash": tx.vault.hash(number, "phone"),
        "number": tx.vault.encrypt(number, Ciphertext.PHONE),
        "version": 1,
    }
    try:
        added = tx.connection.execute(insert(phones).values(row).returning(phones.c.id))
    except IntegrityError:
        raise Outrun from None
    return int(added.scalar_one())


def _lost(tx: Transaction, phone_id: int, nkp: str) -> Lost:
    number = tx.connection.execute(select(phones.c.number).where(phones.c.id == phone_id))
    return Lost(phone_id, tx.vault.decrypt(number.scalar_one(), Ciphertext.PHONE), nkp)


def _ask(
    tx: Transaction, known: Known, question: OpenQuestion, text: str, lasts: timedelta
) -> None:
    _close(tx, known)
    is_consent = isinstance(question, Consent)
    asked = {"text": text, "nkp": question.nkp if isinstance(question, Consent) else None}
    row = {
        "phone_id": known.phone_id,
        "kind": QuestionKind.CONSENT if is_consent else QuestionKind.CHOICE,
        "asked": tx.vault.encrypt(json.dumps(asked), Ciphertext.ASKED),
        "asked_at": tx.now,
        "expires_at": tx.now + lasts,
    }
    tx.connection.execute(insert(questions).values(row))


def _close(tx: Transaction, known: Known) -> None:
    tx.connection.execute(delete(questions).where(questions.c.phone_id == known.phone_id))


def _open_question(
    tx: Transaction, row: Row[*tuple[Any, ...]]
) -> tuple[str | None, OpenQuestion | None]:
    if row.asked is None or row.expires_at <= tx.now:
        return None, None
    asked = json.loads(tx.vault.decrypt(row.asked, Ciphertext.ASKED))
    is_consent = row.kind == QuestionKind.CONSENT
    return asked["text"], Consent(asked["nkp"]) if is_consent else Choice()


def _guess(tx: Transaction, known: Known, identity: str) -> None:
    """Counts each identity once; the one that locks also destroys what ULANG would repeat."""
    identity_hash = tx.vault.hash(identity, "identity")
    same = (guesses.c.phone_id == known.phone_id) & (guesses.c.identity_hash == identity_hash)
    again = tx.connection.execute(delete(guesses).where(same).returning(guesses.c.at)).first()
    row = {"phone_id": known.phone_id, "identity_hash": identity_hash, "at": tx.now}
    tx.connection.execute(insert(guesses).values(row))
    is_new = again is None or again.at <= tx.now - GUESSES_COUNT_FOR
    if known.guesses + is_new >= GUESSES_ALLOWED:
        _set(tx, known, last_reply_id=None)


def _previous(row: Row[*tuple[Any, ...]]) -> Previous | None:
    if row.text_hash is None:
        return None
    is_owed = row.message_state == MessageState.RECEIVED
    return Previous(row.text_hash, row.received_at, is_owed, row.reply_state)


def _set(tx: Transaction, known: Known, **values: object) -> None:
    tx.connection.execute(update(phones).where(phones.c.id == known.phone_id).values(values))
