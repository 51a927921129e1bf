"""Logging in and out, and what an operator sets for themselves."""

from datetime import timedelta
from importlib import resources
from ipaddress import ip_address
from typing import Any

from flask import (
    Blueprint,
    Response,
    flash,
    g,
    redirect,
    request,
    send_from_directory,
    session,
    url_for,
)
from pyrate_limiter import Duration, Rate
from sqlalchemy import Row
from werkzeug.wrappers import Response as BaseResponse

from smsgw import logs, operators
from smsgw.operators import NotDone, Operator, Permission
from smsgw.runtime import Transaction
from smsgw.web.console import guard, shown, words
from smsgw.web.console.shown import page, told

A_YEAR = int(timedelta(days=365).total_seconds())
# One guessing at one name, and one guessing at many.
BY_NAME, BY_ADDRESS = (Rate(10, 15 * Duration.MINUTE),), (Rate(20, 15 * Duration.MINUTE),)

log = logs.get(__name__)
blueprint = Blueprint("login", __name__)


@blueprint.get("/static/<name>")
@guard.for_everybody
def static_file(name: str) -> Response:
    return send_from_directory(
        str(resources.files("smsgw") / "static"), name, max_age=A_YEAR, conditional=True
    )


@blueprint.get("/login")
@guard.for_everybody
def form() -> str | BaseResponse:
    once = request.args.get("once")
    if once:
        return page("login_once.html", once=once)
    return page("login.html", to=_local(request.args.get("to")))


@blueprint.post("/login")
@guard.for_everybody
def log_in() -> str | BaseResponse | tuple[str, int]:
    name, password = request.form.get("name", "").strip(), request.form.get("password", "")
    to = _local(request.form.get("to"))
    if not _may_try(name):
        return page(
            "login.html", to=to, name=name, error=told("Too many tries; wait 15 minutes.")
        ), 429
    rt = guard.rt()
    with rt.reading() as tx:
        row = operators.named(tx, name)
    if not operators.is_password(row, password) or row is None:
        log.warning("a login failed", address=request.remote_addr)
        error = told("Name or password is wrong.")
        return page("login.html", to=to, name=name, error=error), 403
    with rt.writing() as tx:
        _speak(tx, row.id)
        guard.begin(operators.log_in(tx, row.id, row.name))
    return redirect(to or url_for("console.overview.show"), 303)


@blueprint.post("/login/once")
@guard.for_everybody
def log_in_once() -> BaseResponse | tuple[str, int]:
    """By POST, so that who only looks at an address does not use it up."""
    rt = guard.rt()
    with rt.writing() as tx:
        row = operators.invited(tx, request.form.get("once", ""))
        held = operators.log_in(tx, row.id, row.name) if row else None
        if row is not None:
            _speak(tx, row.id)
    if row is None or held is None:
        error = told("This login was used, or its day is over.")
        return page("login.html", to="", error=error), 403
    guard.begin(held)
    where = "console.overview.show" if row.password is not None else "console.login.account"
    return redirect(url_for(where), 303)


@blueprint.post("/logout")
@guard.for_everybody
def log_out() -> BaseResponse:
    held = guard.end()
    if held:
        with guard.rt().writing() as tx:
            operators.log_out(tx, held)
    return redirect(url_for("console.login.form"), 303)


@blueprint.post("/language")
@guard.for_everybody
def speak() -> BaseResponse:
    chosen = request.form.get("language")
    if chosen in words.LANGUAGES:
        session[shown.CHOSEN] = chosen
        known: Operator | None = g.get("operator")
        if known is not None:
            with guard.rt().writing() as tx:
                operators.speak(tx, known.id, chosen)
    return redirect(_local(request.form.get("to")) or url_for("console.login.form"), 303)


@blueprint.get("/account")
@guard.needs(Permission.LOOK)
def account() -> str:
    return _account()


@blueprint.post("/account/password")
@guard.needs(Permission.LOOK)
def set_password() -> str | BaseResponse | tuple[str, int]:
    """Asks for the one before, where there is one: a screen may be left open."""
    rt, known = guard.rt(), guard.operator()
    with rt.reading() as tx:
        row = operators.named(tx, known.name)
    if _has_password(row) and not operators.is_password(row, request.form.get("old", "")):
        return _account(error=told("The password until now is wrong.")), 403
    try:
        hashed = operators.hashing(request.form.get("new", ""))
    except NotDone:
        error = told("A password has 12 characters or more, 5 of them different.")
        return _account(error=error), 400
    with rt.writing() as tx:
        operators.set_password(tx, known.name, hashed, known.actor)
        guard.begin(operators.log_in(tx, known.id, known.name))
    flash(told("The password is another; all other sessions have ended."))
    return redirect(url_for("console.login.account"), 303)


@blueprint.post("/account/everywhere")
@guard.needs(Permission.LOOK)
def log_out_everywhere() -> BaseResponse:
    with guard.rt().writing() as tx:
        operators.log_out_everywhere(tx, guard.operator().id)
    guard.end()
    return redirect(url_for("console.login.form"), 303)


def _account(**values: str) -> str:
    known = guard.operator()
    with guard.rt().reading() as tx:
        has_one = _has_password(operators.named(tx, known.name))
    return page("account.html", has_one=has_one, **values)


def _has_password(row: Row[Any] | None) -> bool:
    return row is not None and row.password is not None


def _speak(tx: Transaction, operator_id: int) -> None:
    """The language that was chosen before the login."""
    chosen = session.get(shown.CHOSEN)
    if chosen in words.LANGUAGES:
        operators.speak(tx, operator_id, chosen)


def _may_try(name: str) -> bool:
    rt = guard.rt()
    by = rt.vault.hash(name.casefold(), "login").hex()[:24]
    at = rt.now()
    address = request.remote_addr or ""
    if not rt.counters.take(f"login:{by}", BY_NAME, at):
        return False
    if _is_of_us_all(address):
        return True
    hashed = rt.vault.hash(address, "login").hex()[:24]
    return rt.counters.take(f"login:{hashed}", BY_ADDRESS, at)


def _is_of_us_all(address: str) -> bool:
    """A proxy's, behind which everybody is: one who guesses would keep all others out."""
    try:
        return ip_address(address).is_private
    except ValueError:
        return True


def _local(address: str | None) -> str:
    """A page of the console, or nothing: nobody is sent elsewhere."""
    is_ours = address is not None and address.startswith("/console/") and "\\" not in address
    return address if is_ours and address is not None else ""
