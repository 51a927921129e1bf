"""Keeps in the page what was typed when the session had ended, until it is sent again.

A POST without a session is answered by the login with the form's fields in it, and after that by
the form, to be sent by whoever sees what it says. A page that asks by itself stays as it is, with a
sentence on top.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Response, g, make_response, request
from flask_wtf.csrf import CSRFError
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from smsgw.backoffice.accounts import Operator
from smsgw.console import access, rendering
from smsgw.console.rendering import is_htmx, page

NOT_TYPED = {"csrf_token", access.SPEAKS}
ADDRESS, FIELD = "again", "again:"  # in the form of the login
OURS = {"same-origin", "none"}  # as browsers say where a form was
Answer = str | BaseResponse | tuple[str, int]


@dataclass(frozen=True, slots=True)
class TypedForm:
    address: str
    fields: tuple[tuple[str, str], ...]

    @property
    def readable(self) -> Iterator[tuple[str, str]]:
        """Returns what a person wrote, without the form's hidden fields and a list of NKPs."""
        for name, value in self.fields:
            if value.strip() and name not in {"was", "answers", "edition", "before", "nkps"}:
                yield name, value


def of_login() -> TypedForm | None:
    """Returns what the form of the login holds for afterwards."""
    address = request.form.get(ADDRESS, "")
    if not rendering.local(address):
        return None
    pairs = request.form.items(multi=True)
    fields = [(name.removeprefix(FIELD), each) for name, each in pairs if name.startswith(FIELD)]
    return TypedForm(address, tuple(fields))


def after_login(typed: TypedForm, known: Operator) -> Response:
    """Shows the form again, for the session that has just begun."""
    g.operator = known
    return make_response(page("resubmission.html", typed=typed))


@access.blueprint.errorhandler(access.SessionEnded)
def handle_ended_session(error: access.SessionEnded) -> Answer:
    typed = _typed_form()
    if is_htmx():
        return _on_top("out")
    if typed is None:
        return rendering.error_page(error)
    return page("login.html", interrupted=typed)


@access.blueprint.errorhandler(CSRFError)
def handle_outdated_form(error: HTTPException) -> Answer:
    """Handles a form of an earlier session, or of none."""
    if is_htmx():
        return _on_top("in again" if g.get("operator") else "out")
    typed = _typed_form()
    if typed is None:
        return rendering.error_page(error)
    if g.get("operator") is None:
        return page("login.html", interrupted=typed)
    return page("resubmission.html", typed=typed)


def _on_top(why: str) -> Response:
    """Puts a sentence on top; the rest of the page stays."""
    answer = make_response(page("_ended.html", why=why))
    answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#alarms", "innerHTML"
    return answer


def _typed_form() -> TypedForm | None:
    """Returns the form, or None if it is empty, holds a password or a file, or was not sent by a
    form of ours."""
    of_logging_in = (request.endpoint or "").startswith("console.login.")
    has_file = any(each.filename for each in request.files.values())
    if request.method != "POST" or of_logging_in or has_file or not _is_of_ours():
        return None
    pairs = request.form.items(multi=True)
    fields = tuple((name, value) for name, value in pairs if name not in NOT_TYPED)
    return TypedForm(request.full_path.rstrip("?"), fields) if fields else None


def _is_of_ours() -> bool:
    """Checks the token, which we signed however long ago, and what the browser says."""
    signer = URLSafeTimedSerializer(access.cookie_keys(), salt="wtf-csrf-token")
    try:
        signer.loads(request.form.get("csrf_token", ""), max_age=access.FORM_LASTS)
    except SignatureExpired:
        pass
    except BadData:
        return False
    return request.headers.get("Sec-Fetch-Site", "same-origin") in OURS
