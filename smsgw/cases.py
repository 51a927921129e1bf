"""What a person has to see to: complaints and data-protection requests, each with a number."""

from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from handlers.question import CaseKind
from smsgw.models import cases
from smsgw.registry import Known, Outrun
from smsgw.runtime import Transaction


def open_case(
    tx: Transaction, known: Known, message_id: int, kind: CaseKind, local: datetime
) -> str:
    """The number of a new case, such as ADU-251031-0042: the 42nd of that day. Raises Outrun."""
    day = f"ADU-{local:%y%m%d}-"
    count = select(func.count()).where(cases.c.number.startswith(day, autoescape=True))
    number = f"{day}{tx.connection.execute(count).scalar_one() + 1:04}"
    row = {
        "number": number,
        "kind": kind,
        "phone_id": known.phone_id,
        "message_id": message_id,
        "opened_at": tx.now,
    }
    try:
        tx.connection.execute(insert(cases).values(row))
    except IntegrityError:  # another took that number at this instant
        raise Outrun from None
    return number
