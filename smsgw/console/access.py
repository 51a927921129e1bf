"""Decides who may see what: one check for all pages, a session in the database, a token in every
form."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import TypeVar
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Flask,
    Request,
    Response,
    current_app,
    g,
    redirect,
    request,
    session,
    url_for,
)
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import BadRequest, Forbidden, NotFound, Unauthorized
from werkzeug.wrappers import Response as BaseResponse

from smsgw.backoffice import accounts
from smsgw.backoffice.accounts import Operator, Permission
from smsgw.console import converters, translations
from smsgw.runtime import Runtime
from smsgw.settings import Settings
from smsgw.storage import crypto, keys
from smsgw.web import middleware

SESSION_KEY = "held"  # what the browser keeps of a session
BY_ITSELF = "console.overview.alarms"  # what a page asks for while nobody uses it
FORM_LASTS = int(timedelta(hours=12).total_seconds())
# Ours alone, and no script or style in a page itself.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)

SPEAKS = "speaks"  # the language that a form is to be shown in once more

View = TypeVar("View", bound=Callable[..., object])

blueprint = Blueprint("console", __name__, url_prefix="/console")
forms = CSRFProtect()


class ConsoleSessions(SecureCookieSessionInterface):
    """Opens sessions for the console's pages alone: a webhook has none, and need not pay for it."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return super().open_session(app, request) if request.path.startswith("/console") else None


class SessionEnded(Unauthorized):
    """Nobody is logged in, and going to the login would lose what stands in the page."""


def needs(permission: Permission) -> Callable[[View], View]:
    """Declares whom a page is for; one that declares nothing is for nobody."""

    def declared(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return declared


def for_everybody(view: View) -> View:
    """Marks a page that needs no login."""
    view.permission = None  # type: ignore[attr-defined]
    return view


def set_up(app: Flask, rt: Runtime) -> None:
    settings = rt.settings
    is_https = (settings.public_url or "").startswith("https://")
    app.config.update(
        SECRET_KEY=_cookie_key(keys.secret_key(settings)),
        SECRET_KEY_FALLBACKS=_older_keys(settings),
        SESSION_COOKIE_NAME="__Secure-smsgw" if is_https else "smsgw",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/console",
        WTF_CSRF_CHECK_DEFAULT=False,  # let_in does
        WTF_CSRF_TIME_LIMIT=FORM_LASTS,
        WTF_CSRF_SSL_STRICT=False,  # a proxy may end TLS; the cookie is SameSite
    )
    app.session_interface = ConsoleSessions()
    app.url_map.converters["id"] = converters.IdConverter
    app.register_blueprint(blueprint)
    forms.init_app(app)


def rt() -> Runtime:
    found: Runtime = current_app.extensions["smsgw"]
    return found


def operator() -> Operator:
    """Returns who looks at this page."""
    found: Operator | None = g.get("operator")
    if found is None:
        raise Forbidden
    return found


def may(permission: Permission) -> bool:
    found: Operator | None = g.get("operator")
    return found is not None and found.may(permission)


@blueprint.before_request
def authorize() -> BaseResponse | None:
    request.max_content_length = middleware.LARGEST_UPLOAD
    request.max_form_memory_size = middleware.LARGEST_UPLOAD
    if request.endpoint == "console.login.static_file":  # whose it is does not matter
        return None
    g.operator = _logged_in_operator()
    if _has_nul():
        raise BadRequest
    forms.protect()
    view = current_app.view_functions[request.endpoint or ""]
    permission: Permission | None = getattr(view, "permission", Permission.RUN)
    if permission is None:
        return None
    if g.operator is None:
        return _to_login()
    if not g.operator.may(permission):
        raise Forbidden
    _set_language()
    return None


@blueprint.route("/<path:_nothing>", methods=["GET", "POST"])
@needs(Permission.LOOK)
def not_found(_nothing: str) -> BaseResponse:
    """Shows a stranger the same answer for a page that exists and one that does not."""
    raise NotFound


@blueprint.after_request
def set_csp(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response


def begin(token: str) -> None:
    """Starts a new session, whoever had the one before."""
    session.clear()
    session[SESSION_KEY] = token


def session_token() -> str | None:
    """Returns what this browser has of a session, which may have ended."""
    found = session.get(SESSION_KEY)
    return found if isinstance(found, str) else None


def end() -> str | None:
    token: str | None = session.get(SESSION_KEY)
    session.clear()
    return token


def _logged_in_operator() -> Operator | None:
    token = session.get(SESSION_KEY)
    if not isinstance(token, str):
        return None
    with rt().reading() as tx:
        found = accounts.session_operator(tx, token)
        now = tx.now
    if found is None:
        return None
    known, seen_at = found
    is_by_itself = request.endpoint == BY_ITSELF
    if seen_at < now - accounts.SEEN_EVERY and not is_by_itself:
        with rt().writing() as tx:
            accounts.touch_session(tx, token)
    return known


def _has_nul() -> bool:
    """Tells whether a text has a NUL: nobody types one, and PostgreSQL stores none."""
    pairs = (*request.args.items(multi=True), *request.form.items(multi=True))
    return any("\0" in text for text in (request.path, *chain.from_iterable(pairs)))


def _to_login() -> BaseResponse:
    """Raises SessionEnded where a page stays open, or something was typed."""
    if request.headers.get("HX-Request") or set(request.form) - {"csrf_token"}:
        raise SessionEnded
    wanted = request.full_path.rstrip("?") if request.method == "GET" else ""
    address = url_for("console.login.form") + (f"?{urlencode({'to': wanted})}" if wanted else "")
    return redirect(address, 303)


def _set_language() -> None:
    """Changes the language by a form that is shown again with what was typed."""
    chosen = request.form.get(SPEAKS)
    if chosen in translations.LANGUAGES:
        with rt().writing() as tx:
            accounts.set_language(tx, g.operator.id, chosen)
        g.operator = replace(g.operator, language=chosen)


def cookie_keys() -> list[str]:
    """Returns the keys, the oldest first."""
    config = current_app.config
    return [*config["SECRET_KEY_FALLBACKS"], config["SECRET_KEY"]]


def _cookie_key(secret: str) -> str:
    return crypto.derived(secret, b"smsgw console cookies 1").hex()


def _older_keys(settings: Settings) -> list[str]:
    old = settings.old_secret_key
    return [_cookie_key(old.get_secret_value())] if old else []
