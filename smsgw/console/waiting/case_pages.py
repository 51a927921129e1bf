"""Shows lists and pages of complaints and of requests about data, and closes them."""

from collections.abc import Collection
from datetime import date, datetime
from functools import partial
from typing import Any

from flask import flash, redirect, request, url_for
from sqlalchemy import Row
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from handlers.changes import CaseKind
from smsgw import phone
from smsgw.console import access, list_pages, reasons
from smsgw.console.rendering import _, page
from smsgw.registry import cases, holidays
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

ROWS = 50
Answer = str | Response | tuple[str, int]


def listed_cases(kind: CaseKind) -> str:
    """Returns those that wait, or those that are closed."""
    is_closed = "closed" in request.args
    with access.rt().reading() as tx:
        listed = list_pages.read(
            partial(cases.closed if is_closed else cases.waiting, tx, kind), ROWS
        )
        phones = {row.id: number_of(tx, row) for row in listed.rows}
        now, free = tx.now, free_days(tx)
    return page(
        "waiting/cases.html",
        kind=str(kind),
        rows=[(row, phones[row.id], due(row, free)) for row in listed.rows],
        listed=listed,
        now=now,
        is_closed=is_closed,
        kept={"closed": 1} if is_closed else {},
    )


def case_page(template: str, case: Row[Any], **values: Any) -> str:
    is_read = reasons.open_for("case", case.id) is not None
    with access.rt().reading() as tx:
        masked, now = phone.mask(number_of(tx, case)), tx.now
        deadline = due(case, free_days(tx))
        case_text = cases.case_text(tx, case) if is_read else None
    shown = {"case": case, "masked": masked, "due": deadline, "now": now, "case_text": case_text}
    return page(template, **shown, **values)


def look(kind: CaseKind, number: str) -> None:
    with access.rt().writing() as tx:
        case = find(tx, kind, number)
        reasons.look(tx, phone_id=case.phone_id, message_id=case.message_id)
    reasons.keep_open("case", case.id)


def close(kind: CaseKind, number: str, endpoint: str) -> Response:
    reason = reasons.required_reason()
    with access.rt().writing() as tx:
        case = find(tx, kind, number)
        is_done = cases.close(tx, number)
        if is_done:
            note(tx, Act.CASE_CLOSED, case, f"{number}: {reason}")
    reasons.close("case", case.id)
    closed = _("{number} is closed.", number=number)
    flash(closed if is_done else _("It is already closed."))
    return redirect(url_for(endpoint), 303)


def find(tx: Transaction, kind: CaseKind, number: str) -> Row[Any]:
    case = cases.one(tx, kind, number)
    if case is None:
        raise NotFound
    return case


def number_of(tx: Transaction, case: Row[Any]) -> str:
    return tx.opened(case.phone, Ciphertext.PHONE, case.phone_id, case.phone_hash) or ""


def due(case: Row[Any], free: Collection[date]) -> datetime:
    return cases.due(case.kind, case.opened_at.astimezone(access.rt().settings.zone), free)


def free_days(tx: Transaction) -> Collection[date]:
    return holidays.all_days(tx, access.rt().settings.holidays)


def note(tx: Transaction, act: Act, case: Row[Any], detail: str) -> None:
    ids = {"phone_id": case.phone_id, "message_id": case.message_id}
    audit.note(tx, act, access.operator().actor, **ids, detail=detail)
