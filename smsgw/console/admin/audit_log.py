"""Shows what was done by whom, filtered by person, act, day, phone or case, and as a file."""

from collections.abc import Iterator, Mapping
from functools import partial
from threading import BoundedSemaphore

from flask import Blueprint, Response, request

from smsgw.backoffice.accounts import Permission
from smsgw.console import access, converters, days, exports, list_pages, spreadsheets
from smsgw.console.list_pages import BEFORE
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act, AuditFilters

ROWS = 100
LONGEST = 64  # characters of what is looked for
FILTERS = ("actor", "act", "detail", "phone", "message", "since", "until")
EXPORTED = ("number", "at", "actor", "act", "detail", "message_id", "phone_id")
EXPORTING = BoundedSemaphore(1)

blueprint = Blueprint("audited", __name__, url_prefix="/audit")
TAB = Tab(blueprint, "Audit log", Permission.RUN)


@blueprint.get("/")
@access.needs(Permission.RUN)
def show() -> str:
    asked = _arguments()
    with access.rt().reading() as tx:
        listed = list_pages.read(partial(audit.page, tx, filters=_filters(asked)), ROWS, BEFORE)
    left_out = [
        each for each in FILTERS if request.args.get(each, "").strip() and each not in asked
    ]
    fault = _("These filters were invalid and were ignored: {names}.", names=", ".join(left_out))
    return page(
        "admin/audit_log.html",
        listed=listed,
        asked=asked,
        acts=list(Act),
        fault=fault if left_out else None,
    )


@blueprint.get("/export.csv")
@access.needs(Permission.RUN)
def export() -> Response:
    """Streams the file, one short read after the other."""
    asked = _arguments()
    lines = _lines(access.rt(), _filters(asked))
    return exports.respond(
        EXPORTING, lines, "audit.csv", f"audit: {exports.describe_filters(asked)}"
    )


def _arguments() -> Mapping[str, str]:
    """Returns what the address asks for, and only what makes sense."""
    given = {name: request.args.get(name, "").strip() for name in FILTERS}
    asked = {name: given[name] for name in ("actor", "detail") if 0 < len(given[name]) <= LONGEST}
    if given["act"] in Act.__members__ or given["act"] in set(Act):
        asked["act"] = given["act"]
    numbers = {name: converters.number(request.args, name) for name in ("phone", "message")}
    asked |= {name: str(number) for name, number in numbers.items() if number is not None}
    found = {name: days.read(given[name]) for name in ("since", "until")}
    return asked | {name: day.isoformat() for name, day in found.items() if day}


def _filters(asked: Mapping[str, str]) -> AuditFilters:
    """Reads the filters. Days are the scheme's, and the last one is included."""
    zone = access.rt().settings.zone
    return AuditFilters(
        actor=asked.get("actor"),
        act=_act(asked["act"]) if "act" in asked else None,
        detail=asked.get("detail"),
        phone_id=int(asked["phone"]) if "phone" in asked else None,
        message_id=int(asked["message"]) if "message" in asked else None,
        since=days.begins(asked.get("since", ""), zone),
        until=days.ends(asked.get("until", ""), zone),
    )


def _act(written: str) -> Act:
    """Finds an act by the name that the form or the rows show."""
    return Act[written] if written in Act.__members__ else Act(written)


def _lines(rt: Runtime, filters: AuditFilters) -> Iterator[str]:
    yield spreadsheets.line(EXPORTED)
    for rows in audit.walk(rt.reading, filters):
        yield "".join(
            spreadsheets.line(
                (
                    row.number,
                    f"{row.at.astimezone(rt.settings.zone).isoformat()}",
                    row.actor,
                    row.act,
                    row.detail,
                    row.message_id,
                    row.phone_id,
                )
            )
            for row in rows
        )
