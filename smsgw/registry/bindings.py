"""Makes, finds and ends bindings of phones to NKPs."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from handlers.disclosure import bound_elsewhere, replaced
from handlers.question import Reply
from smsgw import logs, phone
from smsgw.registry import freezes, registration_codes, registrations, subscriptions
from smsgw.registry.phone_state import PhoneState, past_nkps
from smsgw.registry.phones import number_of, opened_number, phone_id_of
from smsgw.storage import audit, row_macs
from smsgw.storage.audit import Act
from smsgw.storage.bulk import BulkUpdate, Write
from smsgw.storage.monthly_ids import first_id
from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.phones import MadeBy, bindings, past_bindings, phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.tables.types import Id
from smsgw.storage.transaction import Conflict, Transaction

log = logs.get(__name__)

LAPSES_COUNT_FOR = timedelta(hours=1)
NOTICED_A_DAY = 2  # times that a phone is told that a participant is bound elsewhere
NOTICES = ("disclosure.replaced", "disclosure.bound_elsewhere")
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Notice:
    """Says what to tell another phone."""

    phone_id: int
    number: str
    nkp: str  # whom it tells of
    reply: Reply
    lasts: timedelta | None = None  # where it is of use for less than others
    delay: timedelta = timedelta()  # before it leaves


def bind(
    tx: Transaction,
    known: PhoneState,
    nkp: str,
    *,
    consent: str,
    on_file: str | None = None,
    code_id: int | None = None,
    tells_from: datetime | None = None,
    actor: str = audit.PARTICIPANT,
) -> list[Notice]:
    """Binds `nkp` to this phone alone; `consent` is the wording that was agreed to. `code_id`: of
    the code that did it; `tells_from`: where an officer did. Raises Conflict where the code is good
    no more."""
    nkp_hash = tx.vault.hash(nkp, "nkp")
    registration_codes.lock(tx, nkp_hash)
    if code_id is not None and not registration_codes.use(tx, code_id):
        raise Conflict
    freezes.begin_count(tx, nkp_hash)
    ended = end(tx, bindings.c.nkp_hash == nkp_hash, actor, "replaced")
    lost = [
        notice
        for row in ended
        if row.phone_id != known.phone_id and (notice := _loss_notice(tx, row.phone_id, nkp))
    ]
    registration_codes.spend(tx, known.phone_id, nkp)
    registrations.end_by_code(tx, known.phone_id, nkp)
    made_by = _made_by(code_id, tells_from)
    _remember_binding(tx, known.caller.phone, nkp_hash)
    _insert(
        tx, known, nkp, consent=consent, on_file=on_file, made_by=made_by, tells_from=tells_from
    )
    audit.note(tx, Act.BOUND, actor, phone_id=known.phone_id, subject=nkp_hash, detail=made_by)
    return _notices(tx, known, nkp, on_file, made_by, lost)


def _notices(
    tx: Transaction,
    known: PhoneState,
    nkp: str,
    on_file: str | None,
    made_by: MadeBy,
    lost: list[Notice],
) -> list[Notice]:
    """Returns what other phones are told of a binding. `lost`: to the phone that was bound
    before."""
    notices = list(lost)
    is_notified = on_file in {None, known.caller.phone, *(notice.number for notice in lost)}
    is_told = not is_notified and made_by is not MadeBy.CONSENT
    if on_file is not None and is_told and phone.is_e164(on_file):
        notices.append(Notice(phone_id_of(tx, on_file), on_file, nkp, bound_elsewhere(nkp)))
    return [each for each in notices if _may_be_noticed(tx, each)]


def _may_be_noticed(tx: Transaction, notice: Notice) -> bool:
    """Tells whether a participant was bound so seldom within a day, or a phone was noticed so
    seldom, that it is one notice more."""
    since = tx.now - A_DAY
    bound = (bindings.c.nkp_hash == tx.vault.hash(notice.nkp, "nkp")) & (
        bindings.c.bound_at > since
    )
    if tx.connection.execute(select(func.count()).where(bound)).scalar_one() <= NOTICED_A_DAY:
        return True
    noticed = select(func.count()).where(
        replies.c.phone_id == notice.phone_id,
        replies.c.id >= first_id(since),
        replies.c.wording.in_(NOTICES),
        replies.c.made_at > since,
    )
    return bool(tx.connection.execute(noticed).scalar_one() < NOTICED_A_DAY)


def _insert(
    tx: Transaction,
    known: PhoneState,
    nkp: str,
    *,
    consent: str,
    on_file: str | None,
    made_by: MadeBy,
    tells_from: datetime | None,
) -> None:
    nkp_hash, seal = tx.vault.hash(nkp, "nkp"), tx.vault.encrypt
    on_file_hash = tx.vault.hash(on_file, "phone") if on_file else None
    proven = {
        "nkp_hash": nkp_hash,
        "on_file_hash": on_file_hash,
        "made_by": made_by,
        "tells_from": tells_from,
        "consented_at": tx.now,
    }
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
        raise Conflict from None


def _made_by(code_id: int | None, tells_from: datetime | None) -> MadeBy:
    if code_id is not None:
        return MadeBy.CODE
    return MadeBy.CONSENT if tells_from is None else MadeBy.OFFICER


def _remember_binding(tx: Transaction, number: str, nkp_hash: bytes) -> None:
    """Remembers the number itself: a phone may be forgotten, and its number given to someone
    else."""
    if nkp_hash not in past_nkps(tx, number):
        row = {"phone_hash": tx.vault.hash(number, "past"), "nkp_hash": nkp_hash}
        tx.connection.execute(insert(past_bindings).values(row))


def bound_to(tx: Transaction, nkp: str) -> str | None:
    """Returns the phone that `nkp` is bound to now."""
    active = (bindings.c.nkp_hash == tx.vault.hash(nkp, "nkp")) & bindings.c.ended_at.is_(None)
    return opened_number(tx, select(phones).join_from(bindings, phones).where(active))


def binding_id(tx: Transaction, known: PhoneState, nkp: str | None) -> int | None:
    """Returns the id of the binding that a reply about `nkp` depends on. Raises Conflict if it has
    ended since it was read: the number went to another phone meanwhile."""
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
        raise Conflict
    tx.connection.execute(update(bindings).where(bindings.c.id == binding).values(used_at=tx.now))
    return int(binding)


_used = BulkUpdate(
    {"which": Id, "at": bindings.c.used_at.type},
    lambda row: (
        update(bindings)
        .where(bindings.c.id == row["which"], bindings.c.ended_at.is_(None))
        .values(used_at=row["at"])
    ),
)


def use_rows(tx: Transaction, binding_ids: Collection[int]) -> Write:
    """Returns what notes that these bindings are used, in the order of their ids, so that two
    processes do not wait for each other. One that has ended is a conflict."""
    return Write(_used, [{"which": each, "at": tx.now} for each in sorted(binding_ids)])


def end(
    tx: Transaction, which: ColumnElement[bool], actor: str, why: str, **values: object
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Ends bindings; the outbox sends nothing that hangs on one that has ended. Returns the
    `phone_id` of each. `values`: further columns."""
    ended = tx.connection.execute(
        update(bindings)
        .where(which, bindings.c.ended_at.is_(None))
        .values(ended_at=tx.now, mac=None, **values)
        .returning(bindings.c.id, bindings.c.phone_id, bindings.c.nkp_hash)
    ).all()
    for row in ended:
        about = {"phone_id": row.phone_id, "subject": row.nkp_hash}
        audit.note(tx, Act.UNBOUND, actor, detail=why, **about)
    if ended:
        subscriptions.end_unbound(tx, {row.phone_id for row in ended})
    return ended


def count_wrong_answer(tx: Transaction, known: PhoneState, nkp: str) -> None:
    """Counts an identity that was asked for and given wrongly."""
    bound = known.caller.binding(nkp)
    first = bound.wrong_answers if bound else 0
    since = {} if first else {"wrong_since": tx.now}
    counted = update(bindings).where(bindings.c.id == known.binding_ids[nkp])
    tx.connection.execute(counted.values(wrong_answers=first + 1, **since))


def forget(tx: Transaction, which: ColumnElement[bool]) -> None:
    """Erases ended bindings, apart from the fact that they existed."""
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


def count_lapses(tx: Transaction) -> int:
    """Returns how many bindings ended within an hour since the number on file was another one."""
    lately = select(func.count()).where(bindings.c.lapsed_at > tx.now - LAPSES_COUNT_FOR)
    return int(tx.connection.execute(lately).scalar_one())


def may_lapse(tx: Transaction, limit: int) -> bool:
    """Tells whether so few did that it is people who change their numbers, and not the ledger's own
    tables that were filled with something else."""
    count = count_lapses(tx)
    if count >= limit:
        log.error("numbers on file changed for too many: bindings stay", count=count)
    return count < limit


def _loss_notice(tx: Transaction, phone_id: int, nkp: str) -> Notice | None:
    number = number_of(tx, phone_id)
    return Notice(phone_id, number, nkp, replaced(nkp)) if number is not None else None
