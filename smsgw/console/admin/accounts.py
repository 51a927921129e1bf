"""Shows admins who may use the console."""

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from sqlalchemy import Row
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response

from smsgw.backoffice import accounts as people
from smsgw.backoffice.accounts import AccountError, Permission
from smsgw.console import access
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page
from smsgw.storage import audit
from smsgw.storage.tables.operators import Role
from smsgw.storage.transaction import Transaction

blueprint = Blueprint("operators", __name__, url_prefix="/operators")
TAB = Tab(blueprint, "Operators", Permission.RUN)
Answer = str | Response | tuple[str, int]


@blueprint.get("/")
@access.needs(Permission.RUN)
def show() -> str:
    return _page()


@blueprint.post("/")
@access.needs(Permission.RUN)
def add() -> Answer:
    """Adds an operator, who logs in by a one-time link. It is shown here and nowhere else."""
    name, role = request.form.get("name", "").strip(), _role()
    try:
        with access.rt().writing() as tx:
            operator = people.add(tx, name, role, None, access.operator().actor)
            once = people.invite(tx, operator.id, access.operator().actor)
    except AccountError:
        return _page(
            error=_("Use 1 to 40 letters, digits, spaces, dots or hyphens, and a free name."),
            name=name,
        ), 400
    return _page(invited=name, address=_address(once))


@blueprint.post("/<id:operator_id>/role")
@access.needs(Permission.RUN)
def set_role(operator_id: int) -> Answer:
    role = _role()
    try:
        with access.rt().writing() as tx:
            row = _existing(tx, operator_id)
            people.set_role(tx, row.name, role, access.operator().actor)
    except AccountError:
        return _page(error=_only_admin(row.name)), 409
    return _redirect(
        _("{name} is now {role}, and has to log in again.", name=row.name, role=_(role))
    )


@blueprint.post("/<id:operator_id>/invite")
@access.needs(Permission.RUN)
def invite(operator_id: int) -> Answer:
    try:
        with access.rt().writing() as tx:
            row = _existing(tx, operator_id)
            once = people.invite(tx, operator_id, access.operator().actor)
            audit.note(tx, audit.Act.INVITED, access.operator().actor, detail=row.name)
    except AccountError:
        return _page(error=_("{name} is disabled.", name=row.name)), 409
    is_reset = row.password is not None and row.id != access.operator().id
    return _page(invited=row.name, address=_address(once), is_reset=is_reset)


@blueprint.post("/<id:operator_id>/disable")
@access.needs(Permission.RUN)
def disable(operator_id: int) -> Answer:
    try:
        with access.rt().writing() as tx:
            row = _existing(tx, operator_id)
            people.disable(tx, row.name, access.operator().actor)
    except AccountError:
        return _page(error=_only_admin(row.name)), 409
    return _redirect(_("{name} is disabled.", name=row.name))


@blueprint.post("/<id:operator_id>/enable")
@access.needs(Permission.RUN)
def enable(operator_id: int) -> Answer:
    with access.rt().writing() as tx:
        row = _existing(tx, operator_id)
        people.enable(tx, row.name, access.operator().actor)
    return _redirect(_("{name} is enabled.", name=row.name))


def _page(**values: Any) -> str:
    with access.rt().reading() as tx:
        rows = people.list_accounts(tx)
    return page("admin/accounts.html", accounts=rows, roles=list(Role), **values)


def _redirect(message: str) -> Response:
    flash(message)
    return redirect(url_for("console.operators.show"), 303)


def _role() -> Role:
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        raise BadRequest from None


def _existing(tx: Transaction, operator_id: int) -> Row[Any]:
    found = [row for row in people.list_accounts(tx) if row.id == operator_id]
    if not found:
        raise NotFound
    return found[0]


def _only_admin(name: str) -> str:
    return _(
        "{name} is the only admin who can log in. Another admin needs a password first.", name=name
    )


def _address(once: str) -> str:
    """Returns where the console is for people: as carriers reach it, or as this page was asked
    for."""
    login = url_for("console.login.once_form", _anchor=once)
    return (access.rt().settings.public_url or request.host_url.rstrip("/")) + login
