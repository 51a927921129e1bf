"""Shows values on pages: numbers and money as Indonesia writes them, times in the scheme's zone."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from importlib import resources
from typing import Any

from flask import Flask, current_app, g, render_template, request, session, url_for
from flask_wtf.csrf import CSRFError
from markupsafe import Markup, escape
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from smsgw import phone
from smsgw.backoffice.accounts import Permission
from smsgw.configuration import languages
from smsgw.console import access, translations
from smsgw.console.menu import Menu
from smsgw.console.reasons import NamesSomebody, NoReason
from smsgw.operations import carrier_health
from smsgw.operations.carrier_health import Trouble
from smsgw.runtime import Runtime
from smsgw.storage.crypto import Unreadable

KNOWN: dict[type, str] = {
    CSRFError: "outdated",
    NoReason: "no_reason",
    NamesSomebody: "personal",
}
A_PAGE = re.compile(r"/console/[!-\[\]-~]*")  # printable, and no backslash
CHOSEN = "language"  # in the session of who has not logged in


def set_up(app: Flask, rt: Runtime, menu: Menu) -> None:
    app.template_folder = str(resources.files("smsgw.console") / "templates")
    zone = rt.settings.zone

    def when(at: datetime | None) -> str:
        return f"{at.astimezone(zone):%d-%m-%Y %H:%M:%S}" if at else ""

    def ago(at: datetime | None) -> str:
        return duration(access.rt().now() - at) if at else ""

    app.jinja_env.filters.update(
        number=number,
        rupiah=rupiah,
        percent=percent,
        when=when,
        day=lambda at: f"{at.astimezone(zone):%d-%m-%Y}" if at else "",
        hour=lambda at: f"{at.astimezone(zone):%H:%M}",
        ago=ago,
        duration=duration,
        seconds=seconds,
        mask=phone.mask,
    )
    app.jinja_env.globals.update(
        _=_,
        P=Permission,
        may=access.may,
        static=_addresses(),
        language=language,
        language_name=language_name,
        languages=languages,
        menu=menu.sections,
        tabs=menu.tabs,
        is_demo=rt.settings.demo,
        alarms=alarms,
        landing=landing,
        hour_name=lambda at: f"{at.astimezone(zone):%H:%M}",
        day_name=lambda at: f"{at.astimezone(zone):%d-%m}",
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(lambda: {"operator": g.get("operator")})


def alarms() -> Sequence[Trouble]:
    """Returns the alarms, or none while the database does not answer: then the page says that."""
    try:
        with access.rt().reading() as tx:
            return carrier_health.troubles(tx)
    except (SQLAlchemyError, Unreadable):
        return ()


def local(address: str | None) -> str:
    """Returns a page of the console, or nothing: nobody is redirected elsewhere."""
    is_ours = address is not None and A_PAGE.fullmatch(address) is not None
    return address if is_ours and address is not None else ""


def landing(address: str) -> str:
    """Returns the page nearest to where a form was sent, such as /console/keywords/saldo for
    /console/keywords/saldo/preview."""
    pages = current_app.url_map.bind("localhost")
    path = address.partition("?")[0].rstrip("/")
    while path.startswith("/console/"):
        for each in (path, f"{path}/"):
            if _is_page(pages, each):
                return each
        path = path.rpartition("/")[0]
    return url_for("console.overview.show")


def _is_page(pages: MapAdapter, path: str) -> bool:
    try:
        endpoint, _ = pages.match(path, method="GET")
    except HTTPException:  # RequestRedirect is one too
        return False
    return bool(endpoint != "console.not_found")


def page(template: str, **values: Any) -> str:
    return render_template(template, **values)


def is_htmx() -> bool:
    """Tells whether htmx asks, for what stands in a page already."""
    return request.headers.get("HX-Request") == "true"


@access.blueprint.errorhandler(HTTPException)
def error_page(error: HTTPException) -> tuple[str, int]:
    code = error.code or 500
    return page("error.html", code=code, known=KNOWN.get(type(error))), code


def language() -> str:
    if g.get("operator") is not None:
        chosen: str = g.operator.language
        return chosen
    asked = session.get(CHOSEN) or request.accept_languages.best_match(translations.LANGUAGES)
    return asked if asked in translations.LANGUAGES else "id"


def language_name(code: str) -> str:
    """Returns the name of a language of replies."""
    names = {"id": _("Indonesian"), "en": _("English"), "jv": _("Javanese"), "su": _("Sundanese")}
    return names[code]


def _(text: str, **values: object) -> str:
    """Translates into the operator's language; markup stays, and values in it are escaped."""
    found = translations.translate(text, language())
    if not values:
        return found
    return Markup(escape(found)).format(**values)  # noqa: S704, escaped just now


def translate_fault(text: str) -> str:
    """Translates a fault of the linter, which writes English, if a translation is known."""
    found = translations.translate(text, language())
    return found if found != text else Markup('<span lang="en">{}</span>').format(text)


def number(value: float | None) -> str:
    if value is None:
        return "–"
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 1 else 2
    shown = f"{round(value, places):,.{places}f}"
    shown = shown.rstrip("0").rstrip(".") if places else shown
    return shown.translate(str.maketrans(",.", ".,"))


def rupiah(value: float) -> str:
    return f"Rp{number(round(value))}"


def percent(part: float, whole: float) -> str:
    return f"{number(round(100 * part / whole, 1))}%" if whole else "–"


def seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{number(round(value * 1000))} ms" if value < 1 else f"{number(round(value, 1))} s"


def duration(span: timedelta) -> str:
    """Writes a duration in its two largest units."""
    left = max(0, int(span.total_seconds()))
    units = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
    parts = []
    for unit, size in units:
        count, left = divmod(left, size)
        parts += [f"{count} {_(unit)}"] if count else []
    return " ".join(parts[:2]) or f"0 {_('s')}"


def _addresses() -> Any:
    """Returns the addresses of static files: changed content gets a new address, so browsers may
    keep what they have."""
    files = [
        each
        for each in resources.files("smsgw.console").joinpath("static").iterdir()
        if each.is_file()
    ]
    marks = {file.name: sha256(file.read_bytes()).hexdigest()[:10] for file in files}
    return lambda name: url_for("console.login.static_file", name=name, v=marks[name])
