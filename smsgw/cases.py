"""What a person has to see to: complaints and data-protection requests, each with a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from handlers.question import Case, CaseKind
from smsgw.models import (
    Ciphertext,
    cases,
    messages,
    phones,
)
from smsgw.runtime import Outrun, Transaction


@dataclass(frozen=True, slots=True)
class Told:
    phone: str
    text: str


def open_case(
    tx: Transaction, phone_id: int, message_id: int, kind: CaseKind, local: datetime
) -> str:
    """The number of a new case, such as ADU-251031-0042: the 42nd of that day. Raises Outrun."""
    day = f"ADU-{local:%y%m%d}-"
    count = select(func.count()).where(cases.c.number.startswith(day, autoescape=True))
    number = f"{day}{tx.connection.execute(count).scalar_one() + 1:04}"
    row = {
        "number": number,
        "kind": kind,
        "phone_id": phone_id,
        "message_id": message_id,
        "opened_at": tx.now,
    }
    try:
        tx.connection.execute(insert(cases).values(row))
    except IntegrityError:  # another took that number at this instant
        raise Outrun from None
    return number


def find(tx: Transaction, phone_id: int, number: str) -> Case | None:
    """A case of this phone's own."""
    row = tx.connection.execute(
        select(cases).where(cases.c.phone_id == phone_id, cases.c.number == _dashed(number))
    ).first()
    return Case(row.number, row.closed_at is None, row.opened_at.date()) if row else None


def all_open(tx: Transaction) -> Sequence[Row[Any]]:
    """Oldest first: what each is, and the number (sealed) of its phone."""
    open_ = select(cases, phones.c.number.label("phone")).join(phones)
    return tx.connection.execute(
        open_.where(cases.c.closed_at.is_(None)).order_by(cases.c.id)
    ).all()


def open_one(tx: Transaction, number: str) -> Row[Any] | None:
    is_it = (cases.c.number == number) & cases.c.closed_at.is_(None)
    return tx.connection.execute(select(cases).where(is_it)).first()


def told(tx: Transaction, case: Row[Any]) -> Told:
    """What the person wrote, and on which phone."""
    row = tx.connection.execute(
        select(phones.c.number, messages.c.text)
        .join_from(phones, messages, messages.c.id == case.message_id)
        .where(phones.c.id == case.phone_id)
    ).one()
    text = tx.vault.decrypt(row.text, Ciphertext.MESSAGE) if row.text else ""
    return Told(tx.vault.decrypt(row.number, Ciphertext.PHONE), text)


def close(tx: Transaction, number: str) -> bool:
    """False where it was closed before."""
    is_it = (cases.c.number == number) & cases.c.closed_at.is_(None)
    return tx.connection.execute(update(cases).where(is_it).values(closed_at=tx.now)).rowcount == 1


def _dashed(number: str) -> str:
    """ADU2510310042 as it is printed."""
    return f"{number[:3]}-{number[3:9]}-{number[9:]}"
