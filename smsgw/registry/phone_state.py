"""What is known of a phone: its bindings, its open question, what it guessed, what it said last.

Every message of a phone counts its version up. Who read a phone and finds another version when it
writes has been overtaken, and starts again from what is true now; so fifty messages at one instant
are judged one after the other.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from handlers.disclosure import bound_elsewhere, replaced
from handlers.question import (
    Ask,
    Bind,
    Bound,
    Caller,
    Change,
    Close,
    Disown,
    Guess,
    Lapse,
    Masked,
    Outcome,
    Register,
    RejectCodes,
    Reply,
    Resume,
    SendCode,
    Speak,
    Stop,
    TurnPage,
    Unbind,
    WantNews,
    WrongCode,
    WrongIdentity,
    WrongNkp,
)
from smsgw import logs, phone
from smsgw.registry import (
    cases,
    freezes,
    lockout,
    open_questions,
    registration_codes,
    registrations,
    reply_pages,
)
from smsgw.storage import audit, row_macs
from smsgw.storage.audit import Act
from smsgw.storage.crypto import Vault
from smsgw.storage.tables.messages import (
    QUEUED,
    UNBOUND,
    MessageState,
    ReplyState,
    messages,
    replies,
)
from smsgw.storage.tables.phones import MadeBy, bindings, past_bindings, phones
from smsgw.storage.tables.phones import pages as _pages
from smsgw.storage.tables.phones import questions as _questions
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Outrun, Transaction

log = logs.get(__name__)

# A code leaves by chance so many seconds later: who asked for it learns nothing from how fast other
# replies of the same lane come.
CODE_WAITS = (5, 60)
WRONG_ANSWERS_COUNT_FOR = timedelta(hours=24)
LAPSES_COUNT_FOR = timedelta(hours=1)
UNUSED_FOR = timedelta(days=365)  # after that a number may be another person's


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
    nkp: str  # whom it tells of
    reply: Reply
    lasts: timedelta | None = None  # where it is of use for less than others
    delay: timedelta = timedelta()  # before it leaves


@dataclass(frozen=True, slots=True)
class Known:
    """A phone as one read saw it. Its id is 0 until it is stored."""

    phone_id: int
    version: int
    caller: Caller
    binding_ids: dict[str, int]  # by NKP
    previous: Previous | None
    last_reply: str | None = None  # which it may send back to us
    language: str = "id"


_last_message = messages.alias("last_message")
_its_reply = replies.alias("its_reply")
_last_reply = replies.alias("last_reply")
_phone = (
    select(
        phones.c.id,
        phones.c.hash,
        phones.c.version,
        phones.c.language,
        _questions.c.kind,
        _questions.c.asked,
        _questions.c.asked_at,
        _questions.c.expires_at,
        _last_message.c.text_hash,
        _last_message.c.received_at,
        _last_message.c.state.label("message_state"),
        _its_reply.c.state.label("reply_state"),
        _last_reply.c.id.label("last_reply_id"),
        _last_reply.c.text.label("last_text"),
        _last_reply.c.message_id.label("answers"),
        _last_reply.c.binding_id.label("last_binding_id"),
        _pages.c.texts.label("pages"),
        _pages.c.expires_at.label("pages_expire_at"),
    )
    .select_from(phones)
    .outerjoin(_questions, _questions.c.phone_id == phones.c.id)
    .outerjoin(_pages, _pages.c.phone_id == phones.c.id)
    .outerjoin(_last_message, _last_message.c.id == phones.c.last_message_id)
    .outerjoin(
        _its_reply,
        (_its_reply.c.message_id == _last_message.c.id) & (_its_reply.c.phone_id == phones.c.id),
    )
    .outerjoin(_last_reply, _last_reply.c.id == phones.c.last_reply_id)
    .where(phones.c.hash == bindparam("hash"))
)
_in_use = (
    select(bindings.c.id, bindings.c.phone_id, bindings.c.nkp, bindings.c.on_file)
    .add_columns(bindings.c.tells_from, bindings.c.used_at)
    .add_columns(bindings.c.wrong_answers, bindings.c.wrong_since)
    .add_columns(bindings.c.nkp_hash, bindings.c.on_file_hash, bindings.c.made_by)
    .add_columns(bindings.c.consented_at, bindings.c.mac)
    .where(bindings.c.ended_at.is_(None), bindings.c.used_at > bindparam("used_since"))
    .order_by(bindings.c.id)
)
_bound = _in_use.where(bindings.c.phone_id == bindparam("phone_id"))


@dataclass(frozen=True, slots=True)
class Named:
    """What a message names that has to be looked up."""

    code: str | None = None
    case: str | None = None
    identity: bool = False  # an NKP, or a NIK
    asked_codes: bool = False  # those that were sent here


NOTHING_NAMED = Named()
NOBODY: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class _Former:
    """NKPs by their hashes: what they were is destroyed long before it stops to count."""

    vault: Vault
    hashes: frozenset[bytes]

    def __contains__(self, nkp: object) -> bool:
        return bool(self.hashes) and self.vault.hash(str(nkp), "nkp") in self.hashes


def read(
    tx: Transaction,
    number: str,
    *,
    named: Named = NOTHING_NAMED,
    received_at: datetime | None = None,
) -> Known:
    """Only what the message names is looked up. `received_at`: of a message whose answer had to
    wait."""
    former = (
        registration_codes.disowned(tx, number) | _ever_bound(tx, number)
        if named.identity
        else NOBODY
    )
    asked_codes = registration_codes.sent_here(tx, number) if named.asked_codes else {}
    row = tx.connection.execute(_phone, {"hash": tx.vault.hash(number, "phone")}).first()
    if row is None:
        caller = Caller(
            phone=number,
            former=_Former(tx.vault, former),
            asked_codes=tuple(asked_codes),
            rejections=max(asked_codes.values(), default=0),
        )
        return Known(0, 0, caller, {}, None)
    since = {"phone_id": row.id, "used_since": tx.now - UNUSED_FOR}
    held = _opened(tx, tx.connection.execute(_bound, since), row.hash)
    ids = {bound.nkp: binding_id for binding_id, bound in held.items()}
    guessed = lockout.count(tx, row.id)
    asked, question = open_questions.still_open(tx, row, received_at)
    about = next((nkp for nkp, id_ in ids.items() if id_ == row.last_binding_id), None)
    told = _last_told(tx, row)
    is_repeatable = about is not None or row.last_binding_id is None
    caller = Caller(
        phone=number,
        bound=tuple(held.values()),
        open=question,
        asked=asked,
        locked=guessed >= lockout.GUESSES_ALLOWED,
        last_answer=told if is_repeatable else None,
        last_about=about,
        next_page=next(iter(reply_pages.held(tx, row)), None),
        claimed=registration_codes.claimed(tx, row.id, named.code) if named.code else None,
        has_tried_codes=bool(named.code)
        and registration_codes.wrong_in_a_day(tx, row.id) >= registration_codes.WRONG_CODES_A_DAY,
        former=_Former(tx.vault, former),
        asked_codes=tuple(asked_codes),
        rejections=max(asked_codes.values(), default=0),
        case=cases.find(tx, row.id, named.case) if named.case else None,
    )
    return Known(row.id, row.version, caller, ids, _previous(row), told, row.language)


def _last_told(tx: Transaction, row: Row[*tuple[Any, ...]]) -> str | None:
    """What the phone was told last; None where it is destroyed, or not what we told it."""
    named_by = (row.hash, row.answers, row.last_binding_id)
    return tx.opened(row.last_text, Ciphertext.REPLY, row.last_reply_id, *named_by)


def hold(tx: Transaction, phone_id: int) -> Known | None:
    """A phone whose own messages wait until this transaction ends; None where it is forgotten."""
    number = _number(tx, select(phones).where(phones.c.id == phone_id).with_for_update())
    return advance(tx, read(tx, number)) if number is not None else None


def callers(tx: Transaction, phone_ids: Collection[int]) -> dict[int, tuple[Caller, str]]:
    """Many phones at once, each with its language, as if they had said nothing before; those that
    are forgotten are left out."""
    whose = select(phones.c.id, phones.c.hash, phones.c.number, phones.c.language).where(
        phones.c.id.in_(phone_ids), phones.c.number.is_not(None)
    )
    opened = (
        (row, tx.opened(row.number, Ciphertext.PHONE, row.id, row.hash))
        for row in tx.connection.execute(whose)
    )
    whole = [(row, number) for row, number in opened if number is not None]
    known = {row.id: (row.language, number) for row, number in whole}
    hashes = {row.id: row.hash for row, _ in whole}
    held: dict[int, list[Bound]] = {}
    for row in tx.connection.execute(
        _in_use.where(bindings.c.phone_id.in_(known)), {"used_since": tx.now - UNUSED_FOR}
    ):
        mine = _opened(tx, [row], hashes[row.phone_id])
        held.setdefault(row.phone_id, []).extend(mine.values())
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


def apply(
    tx: Transaction, known: Known, changes: Iterable[Change], message_id: int, text: str = ""
) -> list[Notice]:
    """Carries out what a reply to this message changes; `text` is that reply."""
    notices: list[Notice] = []
    for change in changes:
        match change:
            case Ask(question, lasts):
                open_questions.ask(tx, known.phone_id, known.caller.phone, question, text, lasts)
            case Close():
                open_questions.close(tx, known.phone_id)
            case Bind(nkp, on_file, code_id):
                consent = known.caller.asked or text
                notices += bind(tx, known, nkp, consent=consent, on_file=on_file, code_id=code_id)
            case SendCode(nkp, on_file):
                notices += _send_code(tx, known, nkp, on_file)
            case Register(given):
                registrations.keep(tx, known.phone_id, known.caller.phone, message_id, given)
            case Unbind(nkps):
                _unbind(tx, known, nkps)
            case Lapse(nkp):
                _lapse(tx, known, nkp)
            case Disown():
                _disown(tx, known)
            case RejectCodes(until_officer):
                registration_codes.reject(tx, known.caller.phone, until_officer=until_officer)
            case WrongIdentity(nkp):
                _count_wrong_identity(tx, known, nkp)
            case WrongCode():
                registration_codes.count_wrong(tx, known.phone_id)
            case Guess():
                _guess(tx, known, change)
            case WrongNkp():
                lockout.add_wrong(tx, known.phone_id, change)
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
            reply_pages.turn(tx, known.phone_id, known.caller.phone)


def remember(tx: Transaction, known: Known, message_id: int, reply_id: int | None = None) -> None:
    """What the phone said last and, where it may be repeated, what it was answered."""
    answered = {} if reply_id is None else {"last_reply_id": reply_id}
    _set(tx, known, last_message_id=message_id, **answered)


def bind(
    tx: Transaction,
    known: Known,
    nkp: str,
    *,
    consent: str,
    on_file: str | None = None,
    code_id: int | None = None,
    tells_from: datetime | None = None,
    actor: str = audit.PARTICIPANT,
) -> list[Notice]:
    """Binds `nkp` to this phone alone; `consent` is the wording that was agreed to. `code_id`: of
    the code that did it; `tells_from`: where an officer did. Raises Outrun where the code is good
    no more."""
    nkp_hash = tx.vault.hash(nkp, "nkp")
    registration_codes.hold(tx, nkp_hash)
    if code_id is not None and not registration_codes.use(tx, code_id):
        raise Outrun
    freezes.begin_count(tx, nkp_hash)
    ended = end(tx, bindings.c.nkp_hash == nkp_hash, actor, "replaced")
    lost = [
        notice
        for row in ended
        if row.phone_id != known.phone_id and (notice := _lost(tx, row.phone_id, nkp))
    ]
    registration_codes.spend(tx, known.phone_id, nkp)
    registrations.bound(tx, known.phone_id, nkp)
    made_by = _made_by(code_id, tells_from)
    _remember_binding(tx, known.caller.phone, nkp_hash)
    on_file_hash = tx.vault.hash(on_file, "phone") if on_file else None
    seal, proven = (
        tx.vault.encrypt,
        {
            "nkp_hash": nkp_hash,
            "on_file_hash": on_file_hash,
            "made_by": made_by,
            "tells_from": tells_from,
            "consented_at": tx.now,
        },
    )
    phone_hash = tx.vault.hash(known.caller.phone, "phone")
    row = proven | {
        "phone_id": known.phone_id,
        "nkp": seal(nkp, Ciphertext.NKP, nkp_hash),
        "bound_at": tx.now,
        "consent": seal(consent, Ciphertext.CONSENT, nkp_hash),
        "on_file": seal(on_file, Ciphertext.ON_FILE, on_file_hash) if on_file else None,
        "mac": row_macs.BINDING.make(tx.vault, proven | {"phone": phone_hash}),
        "used_at": tx.now,
    }
    try:
        tx.connection.execute(insert(bindings).values(row))
    except IntegrityError:  # another phone took it at this instant
        raise Outrun from None
    audit.note(tx, Act.BOUND, actor, phone_id=known.phone_id, subject=nkp_hash, detail=made_by)
    is_told = on_file in {None, known.caller.phone, *(notice.number for notice in lost)}
    if on_file is None or is_told or made_by is MadeBy.CONSENT or not phone.is_e164(on_file):
        return lost
    return [*lost, Notice(_phone_id(tx, on_file), on_file, nkp, bound_elsewhere(nkp))]


def _made_by(code_id: int | None, tells_from: datetime | None) -> MadeBy:
    if code_id is not None:
        return MadeBy.CODE
    return MadeBy.CONSENT if tells_from is None else MadeBy.OFFICER


def _remember_binding(tx: Transaction, number: str, nkp_hash: bytes) -> None:
    """By the number itself: a phone may be forgotten, and another person have its number."""
    if nkp_hash not in _ever_bound(tx, number):
        row = {"phone_hash": tx.vault.hash(number, "past"), "nkp_hash": nkp_hash}
        tx.connection.execute(insert(past_bindings).values(row))


def _ever_bound(tx: Transaction, number: str) -> frozenset[bytes]:
    held = select(past_bindings.c.nkp_hash).where(
        past_bindings.c.phone_hash == tx.vault.hash(number, "past")
    )
    return frozenset(tx.connection.execute(held).scalars())


def bound_to(tx: Transaction, nkp: str) -> str | None:
    """The phone that `nkp` is bound to now."""
    held = (bindings.c.nkp_hash == tx.vault.hash(nkp, "nkp")) & bindings.c.ended_at.is_(None)
    return _number(tx, select(phones).join_from(bindings, phones).where(held))


def number_of(tx: Transaction, phone_id: int) -> str | None:
    return _number(tx, select(phones).where(phones.c.id == phone_id))


def _number(tx: Transaction, whose: Select[*tuple[Any, ...]]) -> str | None:
    """Of the phone that `whose` selects; None where there is none, or it is forgotten."""
    row = tx.connection.execute(whose).one_or_none()
    return tx.opened(row.number, Ciphertext.PHONE, row.id, row.hash) if row else None


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
        .where(replies.c.binding_id.in_(binding_ids), QUEUED)
        .values(state=ReplyState.REFUSED, code=UNBOUND)
    )


def _add(tx: Transaction, number: str) -> int:
    found_by = tx.vault.hash(number, "phone")
    sealed = tx.vault.encrypt(number, Ciphertext.PHONE, found_by)
    row = {"hash": found_by, "number": sealed, "version": 1}
    try:
        added = tx.connection.execute(insert(phones).values(row).returning(phones.c.id))
    except IntegrityError:
        raise Outrun from None
    return int(added.scalar_one())


def language_of(tx: Transaction, phone_id: int) -> str:
    chosen = tx.connection.execute(select(phones.c.language).where(phones.c.id == phone_id))
    return str(chosen.scalar_one())


def _opened(
    tx: Transaction, rows: Iterable[Row[*tuple[Any, ...]]], phone_hash: bytes
) -> dict[int, Bound]:
    """Bindings of a phone by their ids; one that cannot be opened, or that we did not make, lets
    nobody ask for anything."""
    held = {}
    for row in rows:
        if not tx.is_ours(row_macs.BINDING, row.mac, row.id, {**row._mapping, "phone": phone_hash}):
            continue
        nkp = tx.opened(row.nkp, Ciphertext.NKP, row.id, row.nkp_hash)
        on_file = tx.opened(row.on_file, Ciphertext.ON_FILE, row.id, row.on_file_hash)
        if nkp is not None and (on_file is not None or row.on_file is None):
            wrong = row.wrong_answers if _counts(tx, row.wrong_since) else 0
            held[row.id] = Bound(nkp, on_file, row.tells_from, row.used_at, wrong)
    return held


def _counts(tx: Transaction, since: datetime | None) -> bool:
    return since is not None and since > tx.now - WRONG_ANSWERS_COUNT_FOR


def _count_wrong_identity(tx: Transaction, known: Known, nkp: str) -> None:
    bound = known.caller.binding(nkp)
    row = bindings.c.id == known.binding_ids[nkp]
    first = bound.wrong_answers if bound else 0
    since = {} if first else {"wrong_since": tx.now}
    changed = update(bindings).where(row).values(wrong_answers=first + 1, **since)
    tx.connection.execute(changed)


def end(
    tx: Transaction, which: ColumnElement[bool], actor: str, why: str
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Ends bindings, with what waits to be sent about them. Returns the `phone_id` of each."""
    ended = tx.connection.execute(
        update(bindings)
        .where(which, bindings.c.ended_at.is_(None))
        .values(ended_at=tx.now, mac=None)
        .returning(bindings.c.id, bindings.c.phone_id, bindings.c.nkp_hash)
    ).all()
    for row in ended:
        whose = {"phone_id": row.phone_id, "subject": row.nkp_hash}
        audit.note(tx, Act.UNBOUND, actor, detail=why, **whose)
    _withdraw(tx, [row.id for row in ended])
    return ended


def _unbind(tx: Transaction, known: Known, nkps: Iterable[str]) -> None:
    """What ULANG and LANJUT would show goes too."""
    hashes = [tx.vault.hash(nkp, "nkp") for nkp in nkps]
    own = bindings.c.phone_id == known.phone_id
    end(tx, own & bindings.c.nkp_hash.in_(hashes), audit.PARTICIPANT, "unbound")
    _set(tx, known, last_reply_id=None)
    reply_pages.destroy(tx, known.phone_id)


def _lapse(tx: Transaction, known: Known, nkp: str) -> None:
    which = bindings.c.nkp_hash == tx.vault.hash(nkp, "nkp")
    own = bindings.c.phone_id == known.phone_id
    for row in end(tx, own & which, audit.PARTICIPANT, "number on file changed"):
        ended = update(bindings).where(bindings.c.id == row.id)
        tx.connection.execute(ended.values(lapsed_at=tx.now))
    _set(tx, known, last_reply_id=None)
    reply_pages.destroy(tx, known.phone_id)


def count_lapses(tx: Transaction) -> int:
    """How many bindings ended within an hour since the number on file was another one."""
    lately = select(func.count()).where(bindings.c.lapsed_at > tx.now - LAPSES_COUNT_FOR)
    return int(tx.connection.execute(lately).scalar_one())


def may_lapse(tx: Transaction, limit: int) -> bool:
    """Whether so few did that it is people who change their numbers, and not the ledger's own
    tables that were filled with something else."""
    count = count_lapses(tx)
    if count >= limit:
        log.error("numbers on file changed for too many: bindings stay", count=count)
    return count < limit


def _disown(tx: Transaction, known: Known) -> None:
    """Codes that were sent here are void, what they bound ends, and what was sent from here to be
    registered is nobody's."""
    registrations.lapse(tx, known.phone_id)
    for phone_id, nkp_hash in registration_codes.void(tx, known.caller.phone):
        theirs = (bindings.c.phone_id == phone_id) & (bindings.c.nkp_hash == nkp_hash)
        end(tx, theirs, audit.PARTICIPANT, "disowned")


def _guess(tx: Transaction, known: Known, guess: Guess) -> None:
    """The one that locks also destroys what ULANG and LANJUT would repeat."""
    lockout.add(tx, known.phone_id, guess)
    if lockout.count(tx, known.phone_id) >= lockout.GUESSES_ALLOWED:
        _set(tx, known, last_reply_id=None)
        reply_pages.destroy(tx, known.phone_id)


def _send_code(tx: Transaction, known: Known, nkp: str, on_file: str) -> list[Notice]:
    if not phone.can_get_sms(on_file):
        return []
    code = registration_codes.make(tx, known.phone_id, nkp, on_file)
    if code is None:
        return []
    reply = Reply(Outcome.PENDING, "disclosure.code", {"nkp": Masked(nkp), "code": code})
    delay = timedelta(seconds=tx.random.uniform(*CODE_WAITS))
    return [
        Notice(_phone_id(tx, on_file), on_file, nkp, reply, registration_codes.CODE_LASTS, delay)
    ]


def _phone_id(tx: Transaction, number: str) -> int:
    """Of a phone that may never have written."""
    found = tx.connection.execute(
        select(phones.c.id).where(phones.c.hash == tx.vault.hash(number, "phone"))
    ).scalar_one_or_none()
    return int(found) if found is not None else _add(tx, number)


def _lost(tx: Transaction, phone_id: int, nkp: str) -> Notice | None:
    told = number_of(tx, phone_id)
    return Notice(phone_id, told, nkp, replaced(nkp)) if told is not None else None


def _previous(row: Row[*tuple[Any, ...]]) -> Previous | None:
    if row.text_hash is None:
        return None
    is_owed = row.message_state == MessageState.RECEIVED
    return Previous(row.text_hash, row.received_at, is_owed, row.reply_state)


def _set(tx: Transaction, known: Known, **values: object) -> None:
    tx.connection.execute(update(phones).where(phones.c.id == known.phone_id).values(values))
