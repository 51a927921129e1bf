"""Logs operators in and out, and lets them change their password and language."""

import secrets
from datetime import timedelta
from importlib import resources
from ipaddress import ip_address
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    g,
    redirect,
    request,
    send_from_directory,
    session,
    url_for,
)
from itsdangerous import BadData, URLSafeSerializer
from pyrate_limiter import Duration, Rate
from sqlalchemy import Row
from werkzeug.wrappers import Response as BaseResponse

from smsgw import logs
from smsgw.backoffice import accounts
from smsgw.backoffice.accounts import AccountError, Permission
from smsgw.console import access, rendering, resubmission, translations
from smsgw.console.rendering import _, local, page
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.transaction import Transaction

KNOWN = "smsgw-known"
A_YEAR = int(timedelta(days=365).total_seconds())
# One guessing at one name, and one guessing at many.
BY_NAME, BY_ADDRESS = (Rate(10, 15 * Duration.MINUTE),), (Rate(20, 15 * Duration.MINUTE),)
NOTED = (Rate(20, Duration.HOUR),)  # failures in the audit

log = logs.get(__name__)
blueprint = Blueprint("login", __name__)


@blueprint.get("/static/<name>")
@access.for_everybody
def static_file(name: str) -> Response:
    return send_from_directory(
        str(resources.files("smsgw.console") / "static"), name, max_age=A_YEAR, conditional=True
    )


@blueprint.get("/login")
@access.for_everybody
def form() -> str:
    return page("login.html", to=local(request.args.get("to")))


@blueprint.post("/login")
@access.for_everybody
def log_in() -> str | BaseResponse | tuple[str, int]:
    """Shows what was typed when the session had ended, to be sent after the login."""
    name, password = request.form.get("name", "").strip(), request.form.get("password", "")
    form: dict[str, Any] = {
        "to": local(request.form.get("to")),
        "name": name,
        "interrupted": resubmission.of_login(),
    }
    tried = Tries(name)
    if not tried.take():
        note_failure(name, "too many tries")
        return page("login.html", error=_("Too many attempts. Wait 15 minutes."), **form), 429
    rt = access.rt()
    with rt.reading() as tx:
        row = accounts.find(tx, name)
        row = row if accounts.may_log_in(tx, row) else None
    if not accounts.verify_password(row, password, rt.passwords) or row is None:
        log.warning("a login failed", address=request.remote_addr)
        note_failure(name, "name or password wrong")
        error = _("The name or password is wrong.")
        return page("login.html", error=error, **form), 403
    tried.give_back()
    with rt.writing() as tx:
        _speak(tx, row.id)
        access.begin(accounts.log_in(tx, row.id, row.name, instead_of=access.session_token()))
        known = accounts.by_id(tx, row.id)
    if form["interrupted"] is not None:
        return _remember_browser(resubmission.after_login(form["interrupted"], known), row.name)
    return _remember_browser(
        redirect(form["to"] or url_for("console.overview.show"), 303), row.name
    )


@blueprint.get("/login/once")
@access.for_everybody
def once_form() -> str:
    """Shows the form of a one-time login. The code follows # in the address, which browsers do not
    send, so no log on the way has it."""
    return page("login_once.html")


@blueprint.post("/login/once")
@access.for_everybody
def log_in_once() -> BaseResponse | tuple[str, int]:
    """Takes a POST, so that opening the address does not use it up."""
    rt = access.rt()
    code = request.form.get("once", "").rpartition("#")[2].strip()  # or the whole address
    with rt.writing() as tx:
        row = accounts.redeem_invitation(tx, code)
        before = access.session_token()
        token = accounts.log_in(tx, row.id, row.name, instead_of=before) if row else None
        if row is not None:
            _speak(tx, row.id)
    if row is None or token is None:
        note_failure("", "one-time code wrong")
        error = _("This code is wrong, already used, or older than a day.")
        return page("login_once.html", error=error), 403
    access.begin(token)
    where = "console.overview.show" if row.password is not None else "console.login.account"
    return _remember_browser(redirect(url_for(where), 303), row.name)


@blueprint.post("/logout")
@access.for_everybody
def log_out() -> BaseResponse:
    token = access.end()
    if token:
        with access.rt().writing() as tx:
            accounts.log_out(tx, token)
    return redirect(url_for("console.login.form"), 303)


@blueprint.post("/language")
@access.for_everybody
def set_language() -> BaseResponse:
    chosen, known = request.form.get("language"), g.get("operator")
    if chosen in translations.LANGUAGES:
        session[rendering.CHOSEN] = chosen
        if known is not None:
            with access.rt().writing() as tx:
                accounts.set_language(tx, known.id, chosen)
    start = "console.login.form" if known is None else "console.overview.show"
    return redirect(local(request.form.get("to")) or url_for(start), 303)


@blueprint.get("/account")
@access.needs(Permission.LOOK)
def account() -> str:
    return _account()


@blueprint.post("/account/password")
@access.needs(Permission.LOOK)
def set_password() -> str | BaseResponse | tuple[str, int]:
    """Asks for the one before, where there is one: a screen may be left open."""
    rt, known = access.rt(), access.operator()
    with rt.reading() as tx:
        row = accounts.find(tx, known.name)
    tried = Tries(known.name, "old")
    if _has_password(row):
        if not tried.take():
            return _account(error=_("Too many attempts. Wait 15 minutes.")), 429
        if not accounts.verify_password(row, request.form.get("old", ""), rt.passwords):
            note_failure(known.name, "old password wrong")
            return _account(error=_("The current password is wrong.")), 403
        tried.give_back()
    try:
        hashed = accounts.hash_password(request.form.get("new", ""), rt.passwords)
    except AccountError:
        error = _("A password needs at least 12 characters, 5 of them different.")
        return _account(error=error), 400
    with rt.writing() as tx:
        accounts.set_password(tx, known.name, hashed, known.actor)
        access.begin(accounts.log_in(tx, known.id, known.name))
    flash(_("Password changed. Your other sessions have ended."))
    return redirect(url_for("console.login.account"), 303)


@blueprint.post("/account/everywhere")
@access.needs(Permission.LOOK)
def log_out_everywhere() -> BaseResponse:
    with access.rt().writing() as tx:
        accounts.log_out_everywhere(tx, access.operator().id)
    access.end()
    return redirect(url_for("console.login.form"), 303)


def _account(**values: str) -> str:
    known = access.operator()
    with access.rt().reading() as tx:
        has_one = _has_password(accounts.find(tx, known.name))
    return page("account.html", has_one=has_one, **values)


def _has_password(row: Row[Any] | None) -> bool:
    return row is not None and row.password is not None


def _speak(tx: Transaction, operator_id: int) -> None:
    """Stores the language that was chosen before the login."""
    chosen = session.get(rendering.CHOSEN)
    if chosen in translations.LANGUAGES:
        accounts.set_language(tx, operator_id, chosen)


def note_failure(name: str, why: str) -> None:
    """Records a failed login in the audit log, without what was typed: a password may stand in the
    name's field. Records only a few an hour for each operator, and for all unknown names together,
    so that a guesser cannot fill the log."""
    rt = access.rt()
    with rt.reading() as tx:
        row = accounts.find(tx, name)
    account = row.name if row is not None else "a name that is nobody's"
    key = f"failures:{row.id if row is not None else 0}"
    if rt.counters.take(key, NOTED, rt.now(), secrets.token_hex(8)):
        with rt.writing() as tx:
            detail = f"{account}, from {request.remote_addr}: {why}"
            audit.note(tx, Act.LOGIN_FAILED, audit.NOBODY, detail=detail)


class Tries:
    """Counts tries for a name: by a browser that logged in with it before, or by all others
    together, whom a stranger may lock out. A successful login is given back."""

    def __init__(self, name: str, kind: str = "login") -> None:
        rt, address = access.rt(), request.remote_addr or ""
        by = _short_hash(name.casefold())
        browser = _browser(name)
        self._name = secrets.token_hex(8)
        self._limits = [(f"{kind}:{by}:{browser}" if browser else f"{kind}:{by}", BY_NAME)]
        if not browser and not _is_shared_address(address):
            self._limits.append((f"{kind}:{_short_hash(address)}", BY_ADDRESS))
        self._counters, self._at = rt.counters, rt.now()

    def take(self) -> bool:
        return all(
            self._counters.take(key, rates, self._at, self._name) for key, rates in self._limits
        )

    def give_back(self) -> None:
        for key, _rates in self._limits:
            self._counters.give_back(key, self._name)


def _short_hash(text: str) -> str:
    return access.rt().vault.hash(text, "login").hex()[:24]


def _remember_browser(response: BaseResponse, name: str) -> BaseResponse:
    """Gives a browser that logged in once its own limit of tries."""
    is_https = bool(current_app.config["SESSION_COOKIE_SECURE"])
    response.set_cookie(
        KNOWN,
        _signer().dumps([_short_hash(name.casefold()), secrets.token_hex(8)]),
        max_age=A_YEAR,
        path="/console/",
        secure=is_https,
        httponly=True,
        samesite="Lax",
    )
    return response


def _browser(name: str) -> str | None:
    """Returns which one it is; None for one that never logged in with this name."""
    try:
        by, browser = _signer().loads(request.cookies.get(KNOWN, ""))
    except (BadData, TypeError, ValueError):
        return None
    return str(browser) if by == _short_hash(name.casefold()) else None


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="browsers that logged in")


def _is_shared_address(address: str) -> bool:
    """Tells whether an address is a proxy's, which everybody shares: one who guesses would lock out
    all others."""
    try:
        return ip_address(address).is_private
    except ValueError:
        return True
