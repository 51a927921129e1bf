"""Stores who asked for the copy that an access request gets, and who approved it."""

from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from smsgw.storage import row_macs
from smsgw.storage.tables.cases import case_exports
from smsgw.storage.transaction import Conflict, Transaction


def one(tx: Transaction, case_id: int) -> Row[Any] | None:
    """Returns who asked and who approved; None where nobody asked, or where the row is not ours."""
    is_it = case_exports.c.case_id == case_id
    row = tx.connection.execute(select(case_exports).where(is_it)).first()
    if row is None or not tx.is_ours(row_macs.CASE_EXPORT, row.mac, case_id, row._mapping):
        return None
    return row


def ask(tx: Transaction, case_id: int, actor: str) -> None:
    """Records who asks. An approval that was given before counts no more. Raises Conflict."""
    values = _signed(tx, case_id, {"asked_by": actor, "asked_at": tx.now})
    asked = update(case_exports).where(case_exports.c.case_id == case_id).values(values)
    if tx.connection.execute(asked).rowcount:
        return
    try:
        tx.connection.execute(insert(case_exports).values(values))
    except IntegrityError:  # another asked at this instant
        raise Conflict from None


def approve(tx: Transaction, asked: Row[Any], actor: str) -> bool:
    """Records the second person. Returns False if somebody has asked anew since."""
    who_asked = {"asked_by": asked.asked_by, "asked_at": asked.asked_at}
    approval = {"approved_by": actor, "approved_at": tx.now}
    is_it = (case_exports.c.case_id == asked.case_id) & (case_exports.c.asked_at == asked.asked_at)
    approved = update(case_exports).where(is_it, case_exports.c.approved_by.is_(None))
    values = _signed(tx, asked.case_id, who_asked | approval)
    return tx.connection.execute(approved.values(values)).rowcount == 1


def _signed(tx: Transaction, case_id: int, values: dict[str, Any]) -> dict[str, Any]:
    row = {"case_id": case_id, "approved_by": None, "approved_at": None, **values}
    return row | {"mac": row_macs.CASE_EXPORT.make(tx.vault, row)}
