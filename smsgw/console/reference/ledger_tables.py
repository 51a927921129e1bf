"""Lists offices, rates and contacts, and changes them where the ledger is ours."""

from functools import partial

from flask import Blueprint, flash, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import NotFound, ServiceUnavailable
from werkzeug.wrappers import Response

from smsgw.backoffice import ledger_changes
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.ledger_changes import (
    AlreadyPlanned,
    LedgerChange,
    LedgerRefuses,
    PlannedChange,
)
from smsgw.console import access
from smsgw.console.menu import Tab
from smsgw.console.reference import row_form, row_list
from smsgw.console.reference.row_form import TypedRow
from smsgw.console.rendering import _, page
from smsgw.ledger import reference_tables
from smsgw.ledger.inspection import inspection
from smsgw.ledger.reference_tables import LedgerRow, RowChanged, RowExists
from smsgw.ledger_access import NoDatabase

Answer = str | Response | tuple[str, int]


@access.needs(Permission.LOOK)
def show() -> Answer:
    return _list()


@access.needs(Permission.PUBLISH)
def new() -> Answer:
    _require_ours()
    return _form(None, TypedRow.empty(_table()))


@access.needs(Permission.PUBLISH)
def add() -> Answer:
    _require_ours()
    typed = row_form.read(_table(), None, access.rt().today)
    if typed.faults:
        return _form(None, typed, 400)
    return _do(LedgerChange(None, typed.row), typed, None)


@access.needs(Permission.PUBLISH)
def edit(row: str) -> Answer:
    before = _existing(row)
    return _gone() if before is None else _form(before, TypedRow.of(before))


@access.needs(Permission.PUBLISH)
def change(row: str) -> Answer:
    before = _existing(row)
    if before is None:
        return _gone()
    typed = row_form.read(_table(), before, access.rt().today)
    if request.form.get("was") != before.mark:
        return _form(before, typed, 409, _meanwhile(before, typed))
    if typed.faults:
        return _form(before, typed, 400)
    if typed.row.fields == before.fields:
        return _redirect(_("Nothing is changed."))
    is_same = typed.row.name == before.name  # else a rate, from a day on
    return _do(LedgerChange(before if is_same else None, typed.row), typed, before)


@access.needs(Permission.PUBLISH)
def delete(row: str) -> Answer:
    before = _existing(row)
    if before is None:
        return _gone()
    typed = row_form.with_days(TypedRow.of(before), access.rt().today)
    if request.form.get("was") != before.mark:
        return _form(before, typed, 409, _meanwhile(before, typed))
    if typed.faults:
        return _form(before, typed, 400)
    return _do(LedgerChange(before, None), typed, before)


@access.needs(Permission.PUBLISH)
def withdraw(plan_id: int) -> Response:
    with access.rt().writing() as tx:
        is_done = ledger_changes.withdraw(tx, plan_id, access.operator().actor)
    done = _("The planned change is taken back.")
    return _redirect(done if is_done else _("It is no longer planned."))


VIEWS = (
    ("/", "GET", show),
    ("/new", "GET", new),
    ("/new", "POST", add),
    ("/<row>", "GET", edit),
    ("/<row>", "POST", change),
    ("/<row>/delete", "POST", delete),
    ("/planned/<id:plan_id>", "POST", withdraw),
)


def _blueprint(table: str) -> Blueprint:
    made = Blueprint(table, __name__, url_prefix=f"/reference/{table}")
    for rule, method, view in VIEWS:
        made.add_url_rule(rule, view.__name__, view, methods=[method])
    return made


offices, rates, contacts = map(_blueprint, reference_tables.NAMES)
OFFICES, RATES, CONTACTS = Tab(offices, "Offices"), Tab(rates, "Rates"), Tab(contacts, "Contacts")


def _do(change: LedgerChange, typed: TypedRow, before: LedgerRow | None) -> Answer:
    """Makes the change, or plans it for its day."""
    rt, actor = access.rt(), access.operator().actor
    refuse, until = partial(_form, before, typed, 409), typed.holds_until
    if change.is_addition and _existing(change.row.name) is not None:
        return refuse(_exists(change.row))
    try:
        if typed.holds_from is not None and typed.holds_from > rt.today:
            ledger_changes.plan(rt, change, typed.holds_from, actor, until)
            return _redirect(_("The change is planned."))
        is_made = ledger_changes.make(rt, change, actor, until)
    except AlreadyPlanned as error:
        return refuse(_planned(error.planned))
    except RowExists:
        return refuse(_exists(change.row))
    except RowChanged:
        return refuse(_("Somebody else changed this row meanwhile. Nothing of yours is saved."))
    except LedgerRefuses:
        return refuse(_("The ledger refuses the change. Its role needs INSERT, UPDATE and DELETE."))
    if not is_made:
        return _redirect(
            _("The ledger does not answer now. The change is made as soon as it does.")
        )
    return _redirect(_("The change is made. It takes effect within a minute."))


def _list(error: str | None = None) -> str:
    rt, table = access.rt(), _table()
    is_ours = _is_ours()
    try:
        if is_ours:
            rows = row_list.own(reference_tables.rows(rt.ledger.engine, table), rt.today)
        else:
            rows = row_list.foreign(reference_tables.foreign_rows(rt.ledger.engine, table))
    except NoDatabase:
        rows = []
    except SQLAlchemyError:
        raise ServiceUnavailable from None
    with rt.reading() as tx:
        planned = ledger_changes.planned(tx, table)
    shown = row_list.page_of(rows)
    columns = list(rows[0].fields) if rows else reference_tables.columns(table)
    return page(
        "reference/ledger_table.html",
        title=_title(),
        labels=row_form.labels(),
        columns=columns,
        is_ours=is_ours,
        planned=planned,
        error=error,
        **shown,
    )


def _form(
    before: LedgerRow | None, typed: TypedRow, code: int = 200, error: str | None = None
) -> Answer:
    table, today, labels = _table(), access.rt().today, row_form.labels()
    if typed.faults and error is None:
        error = "\n".join(f"{labels[name]}: {why}" for name, why in typed.faults.items())
    shown = page(
        "reference/ledger_row.html",
        title=_title(),
        labels=labels,
        before=before,
        typed=typed,
        inputs=row_form.inputs(table, before, today),
        adds_rate=row_form.adds_rate(before, today),
        can_be_planned=row_form.can_be_planned(table),
        today=today,
        error=error,
    )
    return shown, code


def _existing(name: str) -> LedgerRow | None:
    """Finds a row by its name in addresses."""
    _require_ours()
    try:
        rows = reference_tables.rows(access.rt().ledger.engine, _table())
    except SQLAlchemyError:
        raise ServiceUnavailable from None
    return next((row for row in rows if row.name == name), None)


def _require_ours() -> None:
    if not _is_ours():
        raise NotFound


def _is_ours() -> bool:
    try:
        return inspection.is_ours(access.rt().ledger.engine)
    except NoDatabase:
        return False
    except SQLAlchemyError:
        raise ServiceUnavailable from None


def _meanwhile(now: LedgerRow, typed: TypedRow) -> str:
    """Tells what the row holds now where that is not what was typed."""
    labels = row_form.labels()
    differing = [name for name, field in now.fields.items() if field != typed.fields[name]]
    first = _("Somebody else changed this row meanwhile. Nothing of yours is saved. It now says:")
    return "\n".join([first, *(f"{labels[each]}: {now.fields[each] or '–'}" for each in differing)])


def _gone() -> Answer:
    return _list(_("This row was deleted meanwhile, or never was there.")), 404


def _exists(row: LedgerRow) -> str:
    return _("{key} already exists. Change that row instead.", key=row.key)


def _planned(planned: PlannedChange) -> str:
    day = f"{planned.holds_from:%d-%m-%Y}"
    return _("A change of the same field is planned for {day}. Take it back first.", day=day)


def _table() -> str:
    """Returns the table whose blueprint was asked."""
    return (request.blueprint or "").rpartition(".")[2]


def _title() -> str:
    return {"offices": _("Offices"), "rates": _("Rates"), "contacts": _("Contacts")}[_table()]


def _redirect(message: str) -> Response:
    flash(message)
    return redirect(url_for(".show"), 303)
