"""What is known of a phone: its bindings, its open question, what it guessed, what it said last.

Every message of a phone counts its version up. Who read a phone and finds another version when it
writes has been overtaken, and starts again from what is true now; so fifty messages at one instant
are judged one after the other.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from grammar import Command
from handlers.disclosure import replaced
from handlers.question import (
    Ask,
    Bind,
    Bound,
    Caller,
    Case,
    Change,
    Choice,
    Claimed,
    Close,
    Consent,
    Disown,
    Draft,
    Guess,
    Masked,
    OpenQuestion,
    Outcome,
    Reply,
    Resume,
    SendCode,
    Speak,
    Stop,
    Suggestion,
    TurnPage,
    Unbind,
    WantNews,
    WrongCode,
)
from smsgw import logs
from smsgw.crypto import Unreadable
from smsgw.models import (
    Ciphertext,
    MessageState,
    QuestionKind,
    ReplyState,
    bindings,
    cases,
    codes,
    freezes,
    guesses,
    messages,
    named,
    pages,
    phones,
    questions,
    replies,
)
from smsgw.runtime import Runtime, Transaction
from smsgw.settings import SettingsError

GUESSES_ALLOWED = 3
GUESSES_COUNT_FOR = timedelta(hours=24)
MANY_PHONES = 3  # that name one identity within a day: somebody tries it from several
UNUSED_FOR = timedelta(days=365)  # after that a number may be another person's
CODE_LASTS = timedelta(minutes=10)
CODE_TRIES = 3
CODES_A_DAY = 2
DISOWNED_FOR = timedelta(days=30)  # how far back BUKAN SAYA reaches
CODE_LETTERS, CODE_LENGTH = "BCDFGHJKLMNPQRSTVWXZ", 5  # consonants: digits look like an OTP
PAGES_LAST = timedelta(minutes=30)
DAYS = {"birth_date"}  # fields that hold a day

log = logs.get(__name__)


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
class Notice:
    """What another phone has to be told."""

    phone_id: int
    number: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Known:
    """A phone as one read saw it. Its id is 0 until it is stored."""

    phone_id: int
    version: int
    caller: Caller
    binding_ids: dict[str, int]  # by NKP
    guesses: int
    previous: Previous | None
    language: str = "id"


_last_message = messages.alias("last_message")
_its_reply = replies.alias("its_reply")
_last_reply = replies.alias("last_reply")
_phone = (
    select(
        phones.c.id,
        phones.c.version,
        phones.c.language,
        questions.c.kind,
        questions.c.asked,
        questions.c.expires_at,
        _last_message.c.text_hash,
        _last_message.c.received_at,
        _last_message.c.state.label("message_state"),
        _its_reply.c.state.label("reply_state"),
        _last_reply.c.text.label("last_text"),
        _last_reply.c.binding_id.label("last_binding_id"),
        pages.c.texts.label("pages"),
        pages.c.expires_at.label("pages_expire_at"),
    )
    .select_from(phones)
    .outerjoin(questions, questions.c.phone_id == phones.c.id)
    .outerjoin(pages, pages.c.phone_id == phones.c.id)
    .outerjoin(_last_message, _last_message.c.id == phones.c.last_message_id)
    .outerjoin(
        _its_reply,
        (_its_reply.c.message_id == _last_message.c.id) & (_its_reply.c.phone_id == phones.c.id),
    )
    .outerjoin(_last_reply, _last_reply.c.id == phones.c.last_reply_id)
    .where(phones.c.hash == bindparam("hash"))
)
_bound = (
    select(bindings.c.id, bindings.c.nkp, bindings.c.on_file)
    .where(
        bindings.c.phone_id == bindparam("phone_id"),
        bindings.c.ended_at.is_(None),
        bindings.c.used_at > bindparam("used_since"),
    )
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


def read(
    tx: Transaction, number: str, *, code: str | None = None, case: str | None = None
) -> Known:
    """`code` and `case` are what the message named: only what they open is looked up."""
    row = tx.connection.execute(_phone, {"hash": tx.vault.hash(number, "phone")}).first()
    if row is None:
        return Known(0, 0, Caller(phone=number), {}, 0, None)
    since = {"phone_id": row.id, "used_since": tx.now - UNUSED_FOR}
    held = tx.connection.execute(_bound, since).all()
    ids = {tx.vault.decrypt(binding.nkp, Ciphertext.NKP): binding.id for binding in held}
    day = {"phone_id": row.id, "since": tx.now - GUESSES_COUNT_FOR}
    guessed = tx.connection.execute(_guessed, day).scalar_one()
    asked, question = _open_question(tx, row)
    about = next((nkp for nkp, id_ in ids.items() if id_ == row.last_binding_id), None)
    repeatable = row.last_text is not None and (about or row.last_binding_id is None)
    caller = Caller(
        phone=number,
        bound=tuple(_as_bound(tx, binding) for binding in held),
        open=question,
        asked=asked,
        locked=guessed >= GUESSES_ALLOWED,
        last_answer=tx.vault.decrypt(row.last_text, Ciphertext.REPLY) if repeatable else None,
        last_about=about,
        next_page=next(iter(_pages(tx, row)), None),
        claimed=_claimed(tx, row.id, code) if code else None,
        case=_case(tx, row.id, case) if case else None,
    )
    return Known(row.id, row.version, caller, ids, guessed, _previous(row), row.language)


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


def apply(tx: Transaction, known: Known, changes: Iterable[Change], text: str) -> list[Notice]:
    """Carries out what a reply changes; `text` is that reply."""
    notices: list[Notice] = []
    for change in changes:
        match change:
            case Ask(question, lasts):
                _ask(tx, known, question, text, lasts)
            case Close():
                _close(tx, known)
            case Bind(nkp, on_file):
                notices += bind(tx, known, nkp, consent=known.caller.asked or text, on_file=on_file)
            case SendCode(nkp, on_file):
                notices += _send_code(tx, known, nkp, on_file)
            case Unbind(nkps):
                _unbind(tx, known, nkps)
            case Disown():
                _disown(tx, known)
            case WrongCode():
                _wrong_code(tx, known)
            case Guess():
                _guess(tx, known, change)
            case _:
                _note(tx, known, change)
    return notices


def _note(tx: Transaction, known: Known, change: Change) -> None:
    """What is a column of the phone's own, and the page it is at."""
    match change:
        case Stop():
            _set(tx, known, stopped_at=tx.now)
        case Resume():
            _set(tx, known, stopped_at=None)
        case WantNews(wanted):
            _set(tx, known, wants_news=wanted)
        case Speak(language):
            _set(tx, known, language=language)
        case TurnPage():
            _turn_page(tx, known)


def remember(tx: Transaction, known: Known, message_id: int, reply_id: int | None = None) -> None:
    """What the phone said last and, where it may be repeated, what it was answered."""
    answered = {} if reply_id is None else {"last_reply_id": reply_id}
    _set(tx, known, last_message_id=message_id, **answered)


def bind(
    tx: Transaction, known: Known, nkp: str, *, consent: str, on_file: str | None = None
) -> list[Notice]:
    """Binds `nkp` to this phone alone; `consent` is the wording that was agreed to."""
    nkp_hash = tx.vault.hash(nkp, "nkp")
    ended = _end(tx, bindings.c.nkp_hash == nkp_hash)
    lost = [_lost(tx, row.phone_id, nkp) for row in ended if row.phone_id != known.phone_id]
    _end_codes(tx, (codes.c.nkp_hash == nkp_hash) & (codes.c.phone_id == known.phone_id))
    row = {
        "phone_id": known.phone_id,
        "nkp_hash": nkp_hash,
        "nkp": tx.vault.encrypt(nkp, Ciphertext.NKP),
        "bound_at": tx.now,
        "consent": tx.vault.encrypt(consent, Ciphertext.CONSENT),
        "consented_at": tx.now,
        "on_file": tx.vault.encrypt(on_file, Ciphertext.ON_FILE) if on_file else None,
        "used_at": tx.now,
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
    tx.connection.execute(update(bindings).where(bindings.c.id == binding).values(used_at=tx.now))
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


def keep_pages(tx: Transaction, known: Known, texts: list[str]) -> None:
    """What LANJUT shows for half an hour; none where a lock or an unbinding destroys it."""
    tx.connection.execute(delete(pages).where(pages.c.phone_id == known.phone_id))
    if texts:
        row = {
            "phone_id": known.phone_id,
            "texts": tx.vault.encrypt(json.dumps(texts), Ciphertext.PAGES),
            "expires_at": tx.now + PAGES_LAST,
        }
        tx.connection.execute(insert(pages).values(row))


def language_of(tx: Transaction, phone_id: int) -> str:
    chosen = tx.connection.execute(select(phones.c.language).where(phones.c.id == phone_id))
    return str(chosen.scalar_one())


def _as_bound(tx: Transaction, row: Row[*tuple[Any, ...]]) -> Bound:
    on_file = tx.vault.decrypt(row.on_file, Ciphertext.ON_FILE) if row.on_file else None
    return Bound(tx.vault.decrypt(row.nkp, Ciphertext.NKP), on_file)


def _end(tx: Transaction, which: ColumnElement[bool]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Ends bindings, with what waits to be sent about them."""
    ended = tx.connection.execute(
        update(bindings)
        .where(which, bindings.c.ended_at.is_(None))
        .values(ended_at=tx.now)
        .returning(bindings.c.id, bindings.c.phone_id)
    ).all()
    _withdraw(tx, [row.id for row in ended])
    return ended


def _unbind(tx: Transaction, known: Known, nkps: Iterable[str]) -> None:
    """What ULANG and LANJUT would show goes too."""
    hashes = [tx.vault.hash(nkp, "nkp") for nkp in nkps]
    _end(tx, (bindings.c.phone_id == known.phone_id) & bindings.c.nkp_hash.in_(hashes))
    _set(tx, known, last_reply_id=None)
    keep_pages(tx, known, [])


def _disown(tx: Transaction, known: Known) -> None:
    """Codes that were sent here are void, what they bound ends, and no more are sent."""
    here = tx.vault.hash(known.caller.phone, "phone")
    since = tx.now - DISOWNED_FOR
    sent = tx.connection.execute(
        select(codes.c.nkp_hash, codes.c.phone_id)
        .where(codes.c.on_file_hash == here, codes.c.made_at > since)
        .distinct()
    ).all()
    _end_codes(tx, codes.c.on_file_hash == here)
    for row in sent:
        _end(tx, (bindings.c.phone_id == row.phone_id) & (bindings.c.nkp_hash == row.nkp_hash))
    for nkp_hash in {row.nkp_hash for row in sent}:
        tx.connection.execute(delete(freezes).where(freezes.c.nkp_hash == nkp_hash))
        tx.connection.execute(insert(freezes).values(nkp_hash=nkp_hash, at=tx.now))


def _send_code(tx: Transaction, known: Known, nkp: str, on_file: str) -> list[Notice]:
    """A code for the number on file, unless it had its share or said BUKAN SAYA."""
    nkp_hash = tx.vault.hash(nkp, "nkp")
    made = select(func.count()).where(
        codes.c.nkp_hash == nkp_hash, codes.c.made_at > tx.now - timedelta(days=1)
    )
    frozen = select(func.count()).where(freezes.c.nkp_hash == nkp_hash)
    if tx.connection.execute(made).scalar_one() >= CODES_A_DAY:
        return []
    if tx.connection.execute(frozen).scalar_one():
        return []
    _end_codes(tx, (codes.c.nkp_hash == nkp_hash) & (codes.c.phone_id == known.phone_id))
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    row = {
        "phone_id": known.phone_id,
        "nkp_hash": nkp_hash,
        "nkp": tx.vault.encrypt(nkp, Ciphertext.CLAIMED_NKP),
        "on_file_hash": tx.vault.hash(on_file, "phone"),
        "on_file": tx.vault.encrypt(on_file, Ciphertext.CLAIMED_ON_FILE),
        "code_hash": _code_hash(tx, known.phone_id, code),
        "wrong_tries": 0,
        "made_at": tx.now,
    }
    tx.connection.execute(insert(codes).values(row))
    reply = Reply(Outcome.PENDING, "disclosure.code", {"nkp": Masked(nkp), "code": code})
    return [Notice(_phone_id(tx, on_file), on_file, reply)]


def _claimed(tx: Transaction, phone_id: int, code: str) -> Claimed | None:
    row = tx.connection.execute(
        select(codes.c.nkp, codes.c.on_file).where(
            codes.c.phone_id == phone_id,
            codes.c.code_hash == _code_hash(tx, phone_id, code),
            *_still_good(tx),
        )
    ).first()
    if row is None:
        return None
    nkp = tx.vault.decrypt(row.nkp, Ciphertext.CLAIMED_NKP)
    return Claimed(nkp, tx.vault.decrypt(row.on_file, Ciphertext.CLAIMED_ON_FILE))


def _still_good(tx: Transaction) -> tuple[ColumnElement[bool], ...]:
    return (
        codes.c.ended_at.is_(None),
        codes.c.made_at > tx.now - CODE_LASTS,
        codes.c.wrong_tries < CODE_TRIES,
    )


def _wrong_code(tx: Transaction, known: Known) -> None:
    tx.connection.execute(
        update(codes)
        .where(codes.c.phone_id == known.phone_id, codes.c.ended_at.is_(None))
        .values(wrong_tries=codes.c.wrong_tries + 1)
    )


def _end_codes(tx: Transaction, which: ColumnElement[bool]) -> None:
    ended = update(codes).where(which, codes.c.ended_at.is_(None)).values(ended_at=tx.now)
    tx.connection.execute(ended)


def _code_hash(tx: Transaction, phone_id: int, code: str) -> bytes:
    """Good on one phone only."""
    return tx.vault.hash(f"{phone_id} {code}", "code")


def _case(tx: Transaction, phone_id: int, number: str) -> Case | None:
    row = tx.connection.execute(
        select(cases).where(cases.c.phone_id == phone_id, cases.c.number == _dashed(number))
    ).first()
    return Case(row.number, row.closed_at is None, row.opened_at.date()) if row else None


def _dashed(number: str) -> str:
    """ADU2510310042 as it is printed."""
    return f"{number[:3]}-{number[3:9]}-{number[9:]}"


def _pages(tx: Transaction, row: Row[*tuple[Any, ...]]) -> list[str]:
    if row.pages is None or row.pages_expire_at <= tx.now:
        return []
    texts: list[str] = json.loads(tx.vault.decrypt(row.pages, Ciphertext.PAGES))
    return texts


def _turn_page(tx: Transaction, known: Known) -> None:
    row = tx.connection.execute(
        select(pages.c.texts.label("pages"), pages.c.expires_at.label("pages_expire_at")).where(
            pages.c.phone_id == known.phone_id
        )
    ).first()
    keep_pages(tx, known, _pages(tx, row)[1:] if row else [])


def _phone_id(tx: Transaction, number: str) -> int:
    """Of a phone that may never have written."""
    found = tx.connection.execute(
        select(phones.c.id).where(phones.c.hash == tx.vault.hash(number, "phone"))
    ).scalar_one_or_none()
    return int(found) if found is not None else _add(tx, number)


def _lost(tx: Transaction, phone_id: int, nkp: str) -> Notice:
    number = tx.connection.execute(select(phones.c.number).where(phones.c.id == phone_id))
    told = tx.vault.decrypt(number.scalar_one(), Ciphertext.PHONE)
    return Notice(phone_id, told, replaced(nkp))


def _ask(
    tx: Transaction, known: Known, question: OpenQuestion, text: str, lasts: timedelta
) -> None:
    _close(tx, known)
    asked: dict[str, object] = {"text": text}
    if isinstance(question, Consent):
        asked["nkp"] = question.nkp
    else:
        asked["command"] = _stored(question.command)
    row = {
        "phone_id": known.phone_id,
        "kind": KINDS[type(question)],
        "asked": tx.vault.encrypt(json.dumps(asked), Ciphertext.ASKED),
        "asked_at": tx.now,
        "expires_at": tx.now + lasts,
    }
    tx.connection.execute(insert(questions).values(row))


KINDS = {
    Consent: QuestionKind.CONSENT,
    Choice: QuestionKind.CHOICE,
    Draft: QuestionKind.DRAFT,
    Suggestion: QuestionKind.SUGGESTION,
}


def _stored(command: Command) -> dict[str, object]:
    """As JSON; a day as ISO writes it."""
    fields = {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in command.fields.items()
    }
    return {**asdict(replace(command, fields={})), "fields": fields}


def _restored(stored: dict[str, Any]) -> Command:
    fields = {
        name: date.fromisoformat(value) if name in DAYS else value
        for name, value in stored["fields"].items()
    }
    return Command(**{**stored, "fields": fields})


def _close(tx: Transaction, known: Known) -> None:
    tx.connection.execute(delete(questions).where(questions.c.phone_id == known.phone_id))


def _open_question(
    tx: Transaction, row: Row[*tuple[Any, ...]]
) -> tuple[str | None, OpenQuestion | None]:
    if row.asked is None or row.expires_at <= tx.now:
        return None, None
    asked = json.loads(tx.vault.decrypt(row.asked, Ciphertext.ASKED))
    if row.kind == QuestionKind.CONSENT:
        return asked["text"], Consent(asked["nkp"])
    command = _restored(asked["command"])
    if row.kind == QuestionKind.CHOICE:
        return asked["text"], Choice(command)
    is_draft = row.kind == QuestionKind.DRAFT
    return asked["text"], Draft(command) if is_draft else Suggestion(command)


def _guess(tx: Transaction, known: Known, guess: Guess) -> None:
    """Counts each combination once; the one that locks also destroys what ULANG would repeat."""
    identity_hash = tx.vault.hash(guess.combination, "identity")
    same = (guesses.c.phone_id == known.phone_id) & (guesses.c.identity_hash == identity_hash)
    again = tx.connection.execute(delete(guesses).where(same).returning(guesses.c.at)).first()
    row = {"phone_id": known.phone_id, "identity_hash": identity_hash, "at": tx.now}
    tx.connection.execute(insert(guesses).values(row))
    is_new = again is None or again.at <= tx.now - GUESSES_COUNT_FOR
    if known.guesses + is_new >= GUESSES_ALLOWED:
        _set(tx, known, last_reply_id=None)
        keep_pages(tx, known, [])
    for identity in guess.parts:
        _watch(tx, known, identity)


def _watch(tx: Transaction, known: Known, identity: str) -> None:
    """Counts who names one identity, over all phones, and tells of what looks like a search."""
    since = tx.now - GUESSES_COUNT_FOR
    row = {
        "phone_id": known.phone_id,
        "identity_hash": tx.vault.hash(identity, "named"),
        "at": tx.now,
    }
    same = (named.c.phone_id == known.phone_id) & (named.c.identity_hash == row["identity_hash"])
    tx.connection.execute(delete(named).where(same))
    tx.connection.execute(insert(named).values(row))
    by = select(func.count()).where(
        named.c.identity_hash == row["identity_hash"], named.c.at > since
    )
    count = tx.connection.execute(by).scalar_one()
    if count >= MANY_PHONES:
        log.warning("one identity is tried from many phones", phones=count, phone_id=known.phone_id)
    beside = [tx.vault.hash(number, "named") for number in _neighbours(identity)]
    run = select(func.count()).where(
        named.c.phone_id == known.phone_id, named.c.identity_hash.in_(beside), named.c.at > since
    )
    if tx.connection.execute(run).scalar_one():
        log.warning("a phone tries a run of numbers", phone_id=known.phone_id)


def _neighbours(identity: str) -> list[str]:
    if not identity.isdigit():
        return []
    return [str(int(identity) + step).zfill(len(identity)) for step in (-1, 1)]


def _previous(row: Row[*tuple[Any, ...]]) -> Previous | None:
    if row.text_hash is None:
        return None
    is_owed = row.message_state == MessageState.RECEIVED
    return Previous(row.text_hash, row.received_at, is_owed, row.reply_state)


def _set(tx: Transaction, known: Known, **values: object) -> None:
    tx.connection.execute(update(phones).where(phones.c.id == known.phone_id).values(values))
