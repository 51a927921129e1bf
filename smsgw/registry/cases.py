"""Stores what a person has to handle: complaints, and requests to delete data or for a copy of it,
each with a number."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from handlers.changes import CaseKind
from handlers.question import Case
from smsgw.storage.tables.cases import NOT_CLOSED, cases
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.operators import operators
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.sealed import ROW
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Conflict, Transaction

WORKING_DAYS = 5  # in which a complaint is answered: lapor.noted says so
REQUEST_LASTS = timedelta(hours=72)  # hapus_data.noted and data_saya.noted
SATURDAY = 5
NUMBERING = 8_150_237  # any number, the same for whoever numbers a case
ANSWERED = "lapor.answered"  # the wording of what officers answer
WRITTEN = re.compile(r"\W*ADU\W*(\d{6})\W*(\d{4,6})\W*", re.ASCII | re.IGNORECASE)
_answers = (replies.c.message_id == cases.c.message_id) & (replies.c.wording == ANSWERED)
_answered = select(func.max(replies.c.made_at)).where(_answers).scalar_subquery()
_case = (
    select(cases, phones.c.number.label("phone"), phones.c.hash.label("phone_hash"))
    .add_columns(_answered.label("answered_at"))
    .add_columns(phones.c.language)
    .add_columns(operators.c.name.label("assigned"))
    .join_from(cases, phones)
    .outerjoin(operators, operators.c.id == cases.c.assigned_to)
)


@dataclass(frozen=True, slots=True)
class CaseText:
    phone: str
    text: str


def open_case(
    tx: Transaction,
    phone_id: int,
    message_id: int,
    kind: CaseKind,
    local: datetime,
    text_hash: bytes,
) -> str:
    """Returns the number of a new case, such as ADU-251031-0042: the 42nd of that day. A repeat of
    an open case gets its number: a phone's request of that kind, a complaint in the same words.
    Raises Conflict."""
    if tx.connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        tx.connection.execute(select(func.pg_advisory_xact_lock(NUMBERING)))
    same = [cases.c.phone_id == phone_id, cases.c.kind == kind, NOT_CLOSED]
    if kind is CaseKind.COMPLAINT:
        same.append(cases.c.text_hash == text_hash)
    existing = tx.connection.execute(
        select(cases.c.number).where(*same).order_by(cases.c.id)
    ).first()
    if existing is not None:
        return str(existing.number)
    day = f"ADU-{local:%y%m%d}-"
    of_day = select(cases.c.number).where(cases.c.number.startswith(day, autoescape=True))
    last = tx.connection.execute(of_day.order_by(cases.c.id.desc()).limit(1)).scalar() or "0"
    number = f"{day}{int(last.rpartition('-')[2]) + 1:04}"
    row = {
        "number": number,
        "kind": kind,
        "phone_id": phone_id,
        "message_id": message_id,
        "text_hash": text_hash,
        "opened_at": tx.now,
    }
    try:
        tx.connection.execute(insert(cases).values(row))
    except IntegrityError:  # another took that number at this instant
        raise Conflict from None
    return number


def find(tx: Transaction, phone_id: int, number: str) -> Case | None:
    """Finds a case of this phone."""
    row = tx.connection.execute(
        select(cases).where(cases.c.phone_id == phone_id, cases.c.number == _with_dashes(number))
    ).first()
    return Case(row.number, row.closed_at is None, _day(row.number)) if row else None


def _day(number: str) -> date:
    """Returns the scheme's day on which the case was opened; the clock's is another one for some
    hours."""
    year, month, day = (int(number[at : at + 2]) for at in (4, 6, 8))
    return date(2000 + year, month, day)


def all_open(tx: Transaction) -> Sequence[Row[Any]]:
    """Returns open cases, oldest first, each with the number (sealed) of its phone."""
    phone_columns = (phones.c.number.label("phone"), phones.c.hash.label("phone_hash"))
    open_ = select(cases, *phone_columns).join(phones)
    return tx.connection.execute(
        open_.where(cases.c.closed_at.is_(None)).order_by(cases.c.id)
    ).all()


def waiting(tx: Transaction, kind: CaseKind, after: int | None, limit: int) -> Sequence[Row[Any]]:
    """Returns open cases after the id `after`, oldest first, each with the number (encrypted) and
    language of its phone, and whom it is assigned to."""
    open_ = _case.where(NOT_CLOSED, cases.c.kind == kind, cases.c.id > (after or 0))
    return tx.connection.execute(open_.order_by(cases.c.id).limit(limit)).all()


def closed(tx: Transaction, kind: CaseKind, before: int | None, limit: int) -> Sequence[Row[Any]]:
    """Returns those before the id, the newest first, as `waiting` gives them."""
    found = _case.where(cases.c.closed_at.is_not(None), cases.c.kind == kind)
    if before is not None:
        found = found.where(cases.c.id < before)
    return tx.connection.execute(found.order_by(cases.c.id.desc()).limit(limit)).all()


def unanswered(tx: Transaction) -> int:
    """Returns open complaints that nobody has answered."""
    is_untouched = ~select(replies.c.id).where(_answers).exists()
    of_them = select(func.count()).where(
        NOT_CLOSED, cases.c.kind == CaseKind.COMPLAINT, is_untouched
    )
    return int(tx.connection.execute(of_them).scalar_one())


def with_number(tx: Transaction, written: str) -> tuple[CaseKind, str] | None:
    """Returns the kind and number of a case, open or closed, however the number is written."""
    found = WRITTEN.fullmatch(written)
    if found is None:
        return None
    is_it = cases.c.number == f"ADU-{found[1]}-{found[2]}"
    row = tx.connection.execute(select(cases.c.kind, cases.c.number).where(is_it)).first()
    return (CaseKind(row.kind), row.number) if row else None


def one(tx: Transaction, kind: CaseKind, number: str) -> Row[Any] | None:
    """Returns a case as `waiting` does, open or closed."""
    is_it = (cases.c.kind == kind) & (cases.c.number == number)
    return tx.connection.execute(_case.where(is_it)).first()


def due(kind: str, opened: datetime, holidays: Collection[date]) -> datetime:
    """Returns the deadline; `opened` is in the scheme's zone."""
    if kind != CaseKind.COMPLAINT:
        return opened + REQUEST_LASTS
    day, left = opened.date(), WORKING_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < SATURDAY and day not in holidays
    return datetime.combine(day, time.max, opened.tzinfo)


def assign(tx: Transaction, number: str, operator_id: int) -> bool:
    """Assigns a case. Returns False if it is closed."""
    is_it = (cases.c.number == number) & NOT_CLOSED
    assigned = update(cases).where(is_it).values(assigned_to=operator_id)
    return tx.connection.execute(assigned).rowcount == 1


def answers(tx: Transaction, case: Row[Any], wording: str) -> list[tuple[datetime, str, str]]:
    """Returns what officers told the person: when, where that SMS is, and its text."""
    rows = tx.connection.execute(
        select(replies, phones.c.hash)
        .join(phones, phones.c.id == replies.c.phone_id)
        .where(replies.c.message_id == case.message_id, replies.c.wording == wording)
        .order_by(replies.c.id)
    )
    return [
        (row.made_at, row.state, tx.opened(row.text, Ciphertext.REPLY, row.id, *named_by) or "")
        for row in rows
        for named_by in [(row.hash, row.message_id, row.binding_id)]
    ]


def count_answers(tx: Transaction, case: Row[Any], wording: str) -> int:
    answers_sent = select(func.count()).where(
        replies.c.message_id == case.message_id, replies.c.wording == wording
    )
    return int(tx.connection.execute(answers_sent).scalar_one())


def open_one(tx: Transaction, number: str) -> Row[Any] | None:
    is_it = (cases.c.number == number) & cases.c.closed_at.is_(None)
    return tx.connection.execute(select(cases).where(is_it)).first()


def case_text(tx: Transaction, case: Row[Any]) -> CaseText:
    """Returns what the person wrote, and on which phone; both empty once they are destroyed."""
    row = tx.connection.execute(
        select(phones.c.number, phones.c.hash, messages.c.text, *ROW[Ciphertext.MESSAGE])
        .join_from(phones, messages, messages.c.id == case.message_id, isouter=True)
        .where(phones.c.id == case.phone_id)
    ).one()
    named_by = (row.carrier, row.carrier_ref)
    text = tx.opened(row.text, Ciphertext.MESSAGE, case.message_id, *named_by) or ""
    return CaseText(tx.opened(row.number, Ciphertext.PHONE, case.phone_id, row.hash) or "", text)


def close(tx: Transaction, number: str) -> bool:
    """Closes a case. Returns False if it was closed before."""
    is_it = (cases.c.number == number) & cases.c.closed_at.is_(None)
    return tx.connection.execute(update(cases).where(is_it).values(closed_at=tx.now)).rowcount == 1


def _with_dashes(number: str) -> str:
    """Writes ADU2510310042 as it is printed."""
    return f"{number[:3]}-{number[3:9]}-{number[9:]}"
