"""Applies what a message changes about its phone."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import assert_never

from handlers.changes import (
    Ask,
    AskAgain,
    Bind,
    Change,
    Close,
    FailedIdentification,
    Lapse,
    NotificationKind,
    OpenCase,
    OptIn,
    OptOut,
    Register,
    RejectCodes,
    RejectRegistration,
    SendCode,
    SetLanguage,
    Subscribe,
    TurnPage,
    Unbind,
    WrongCode,
    WrongIdentity,
    WrongNkp,
)
from handlers.question import Outcome, Reply
from handlers.values import MaskedNkp
from smsgw import phone
from smsgw.registry import (
    lockout,
    open_questions,
    registration_codes,
    registrations,
    reply_pages,
    subscriptions,
)
from smsgw.registry.bindings import Notice, bind, count_wrong_answer, end
from smsgw.registry.phone_state import PhoneState
from smsgw.registry.phones import phone_id_of, set_values
from smsgw.storage import audit
from smsgw.storage.tables.phones import bindings
from smsgw.storage.transaction import Transaction

# A code leaves by chance so many seconds later: who asked for it learns nothing from how fast other
# replies from the same sender ID come.
CODE_WAITS = (5, 60)


def apply(
    tx: Transaction, known: PhoneState, changes: Iterable[Change], message_id: int, text: str = ""
) -> list[Notice]:
    """Carries out what a reply to this message changes; `text` is that reply."""
    notices: list[Notice] = []
    for change in changes:
        match change:
            case Ask() | AskAgain() | Close():
                _change_question(tx, known, change, text)
            case Bind():
                notices += _bind(tx, known, change, text)
            case SendCode(nkp, on_file):
                notices += _send_code(tx, known, nkp, on_file)
            case Register(form):
                registrations.store(tx, known.phone_id, known.caller.phone, message_id, form)
            case Unbind(nkps):
                _unbind(tx, known, nkps)
            case Lapse(nkp):
                _lapse(tx, known, nkp)
            case RejectRegistration():
                _disown(tx, known)
            case RejectCodes(until_officer):
                registration_codes.reject(tx, known.caller.phone, until_officer=until_officer)
            case WrongIdentity(nkp):
                count_wrong_answer(tx, known, nkp)
            case WrongCode():
                registration_codes.count_wrong(tx, known.phone_id)
            case FailedIdentification():
                _guess(tx, known, change)
            case WrongNkp():
                lockout.add_wrong(tx, known.phone_id, change)
            case OptOut() | OptIn() | Subscribe() | SetLanguage() | TurnPage():
                _set_on_phone(tx, known, change, text)
            case OpenCase():
                pass  # opened before the reply is rendered, which tells its number
            case _:
                assert_never(change)
    return notices


def _change_question(
    tx: Transaction, known: PhoneState, change: Ask | AskAgain | Close, text: str
) -> None:
    match change:
        case Ask(question, lasts):
            open_questions.ask(tx, known.phone_id, known.caller.phone, question, text, lasts)
        case AskAgain():
            open_questions.count_repeat(tx, known.phone_id)
        case Close():
            open_questions.close(tx, known.phone_id)
        case _:
            assert_never(change)


def _bind(tx: Transaction, known: PhoneState, change: Bind, text: str) -> list[Notice]:
    """Binds with the words that were agreed to: the open question's, or those of this reply."""
    consent = known.caller.asked or text
    on_file, code_id = change.on_file, change.code_id
    return bind(tx, known, change.nkp, consent=consent, on_file=on_file, code_id=code_id)


def _set_on_phone(
    tx: Transaction,
    known: PhoneState,
    change: OptOut | OptIn | Subscribe | SetLanguage | TurnPage,
    text: str,
) -> None:
    match change:
        case OptOut():
            set_values(tx, known.phone_id, stopped_at=tx.now)
            subscriptions.end(tx, [known.phone_id])
        case OptIn():
            set_values(tx, known.phone_id, stopped_at=None)
        case Subscribe(kinds, wanted):
            _subscribe(tx, known, kinds, text if wanted else None)
        case SetLanguage(language):
            set_values(tx, known.phone_id, language=language)
        case TurnPage():
            reply_pages.turn(tx, known.phone_id, known.caller.phone)
        case _:
            assert_never(change)


def _subscribe(
    tx: Transaction,
    known: PhoneState,
    kinds: Collection[NotificationKind],
    consent: str | None,
) -> None:
    if consent is None:
        subscriptions.end(tx, [known.phone_id], kinds)
    else:
        subscriptions.add(tx, known.phone_id, known.caller.phone, kinds, consent)


def _unbind(tx: Transaction, known: PhoneState, nkps: Iterable[str]) -> None:
    """Unbinds, and deletes what ULANG and LANJUT would show."""
    hashes = [tx.vault.hash(nkp, "nkp") for nkp in nkps]
    own = bindings.c.phone_id == known.phone_id
    end(tx, own & bindings.c.nkp_hash.in_(hashes), audit.PARTICIPANT, "unbound")
    subscriptions.end(tx, [known.phone_id])
    set_values(tx, known.phone_id, last_reply_id=None)
    reply_pages.destroy(tx, known.phone_id)


def _lapse(tx: Transaction, known: PhoneState, nkp: str) -> None:
    which = bindings.c.nkp_hash == tx.vault.hash(nkp, "nkp")
    own = bindings.c.phone_id == known.phone_id
    end(tx, own & which, audit.PARTICIPANT, "number on file changed", lapsed_at=tx.now)
    set_values(tx, known.phone_id, last_reply_id=None)
    reply_pages.destroy(tx, known.phone_id)


def _disown(tx: Transaction, known: PhoneState) -> None:
    """Voids codes that were sent to this phone, ends the bindings they made, and discards
    registrations from this phone."""
    registrations.lapse(tx, known.phone_id)
    for phone_id, nkp_hash in registration_codes.void(tx, known.caller.phone):
        theirs = (bindings.c.phone_id == phone_id) & (bindings.c.nkp_hash == nkp_hash)
        end(tx, theirs, audit.PARTICIPANT, "disowned")


def _guess(tx: Transaction, known: PhoneState, guess: FailedIdentification) -> None:
    """Counts a guess. The one that locks also destroys what ULANG and LANJUT would repeat."""
    lockout.add(tx, known.phone_id, guess)
    if lockout.count(tx, known.phone_id) >= lockout.GUESSES_ALLOWED:
        set_values(tx, known.phone_id, last_reply_id=None)
        reply_pages.destroy(tx, known.phone_id)


def _send_code(tx: Transaction, known: PhoneState, nkp: str, on_file: str) -> list[Notice]:
    if not phone.can_get_sms(on_file):
        return []
    code = registration_codes.make(tx, known.phone_id, nkp, on_file)
    if code is None:
        return []
    reply = Reply(Outcome.PENDING, "disclosure.code", {"nkp": MaskedNkp(nkp), "code": code})
    delay = timedelta(seconds=tx.random.uniform(*CODE_WAITS))
    return [
        Notice(phone_id_of(tx, on_file), on_file, nkp, reply, registration_codes.CODE_LASTS, delay)
    ]
