"""Uploads the tables that keywords look up, as whole CSV files; errors name the row."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from smsgw.backoffice.accounts import Permission
from smsgw.configuration import edits, lookup_tables, validation
from smsgw.configuration.document import KeywordsError, RawDocument
from smsgw.configuration.edits import KEYWORDS, TABLES, mapping
from smsgw.configuration.schema import AN_ID
from smsgw.configuration.versions import Outdated
from smsgw.console import access, spreadsheets
from smsgw.console.keywords import draft_form
from smsgw.console.keywords.draft_form import DraftView
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page, translate_fault
from smsgw.console.spreadsheets import NotRead, SpreadsheetFault

blueprint = Blueprint("tables", __name__, url_prefix="/tables")
TAB = Tab(blueprint, "Tables")
Answer = str | Response | tuple[str, int]

SHOWN_ROWS = 100


class NameTaken(Exception):
    """The draft already has a table of that name."""


class TableInUse(Exception):
    """A keyword of the draft uses the table."""


@dataclass(frozen=True, slots=True)
class TableRow:
    name: str
    columns: list[str]
    count: int
    users: list[str]
    change: str


@dataclass(frozen=True, slots=True)
class TableRefused:
    why: str
    text: str  # what was uploaded, where it can be shown
    code: int


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _all()


@blueprint.post("/")
@access.needs(Permission.DRAFT)
def add() -> Answer:
    name = edits.an_id(request.form["name"])
    refused = _name_fault(name) or _take(name, _add)
    if refused is not None:
        typed = {"name": request.form["name"], "text": refused.text}
        return _all(error=refused.why, typed=typed), refused.code
    return _redirect(name)


@blueprint.get("/<name>")
@access.needs(Permission.LOOK)
def view(name: str) -> str:
    return _one(name)


@blueprint.post("/<name>")
@access.needs(Permission.DRAFT)
def replace(name: str) -> Answer:
    refused = _take(name, _replace)
    if refused is not None:
        return _one(name, error=refused.why, typed={"text": refused.text}), refused.code
    return _redirect(name)


@blueprint.get("/<name>/csv")
@access.needs(Permission.LOOK)
def download(name: str) -> Response:
    """Adds the mark by which spreadsheets recognise UTF-8."""
    table = draft_form.load_draft().require_part(TABLES, name)
    lines = (spreadsheets.line(row) for row in (_columns(table), *_rows(table)))
    answer = Response("\ufeff" + "".join(lines), mimetype="text/csv")
    answer.headers.set("Content-Disposition", "attachment", filename=f"{name}.csv")
    return answer


@blueprint.post("/<name>/delete")
@access.needs(Permission.DRAFT)
def delete(name: str) -> Answer:
    try:
        draft_form.put(TABLES, name, partial(_delete, name))
    except TableInUse:
        return _one(
            name, error=_("A keyword uses this table. Change or delete the keyword first.")
        ), 409
    except Outdated:
        return _one(name, error=draft_form.meanwhile()), 409
    flash(_("{name} is deleted from the draft.", name=name))
    return redirect(url_for("console.tables.show"), 303)


def _name_fault(name: str) -> TableRefused | None:
    text = request.form.get("text", "")
    if not AN_ID.fullmatch(name):
        why = _("The name must have 2 to 20 letters, digits or _, and begin with a letter.")
        return TableRefused(why, text, 400)
    return None


def _add(name: str, table: RawDocument, view: DraftView) -> RawDocument:
    if name in mapping(view.raw, TABLES):
        raise NameTaken
    return table


def _replace(name: str, table: RawDocument, view: DraftView) -> RawDocument:
    view.require_part(TABLES, name)
    return table


def _delete(name: str, view: DraftView) -> None:
    view.require_part(TABLES, name)
    if _users(view, name):
        raise TableInUse


def _take(
    name: str, check: Callable[[str, RawDocument, DraftView], RawDocument]
) -> TableRefused | None:
    """Takes the uploaded table into the draft, whole or not at all."""
    text = ""
    try:
        text = _upload()
        table = _parsed_table(name, text)
        draft_form.put(TABLES, name, partial(check, name, table))
    except NameTaken:
        return TableRefused(_("{name} already exists.", name=name), text, 409)
    except NotRead as error:
        return TableRefused(_explain(error), text, 400)
    except KeywordsError as error:
        return TableRefused(translate_fault(str(error)), text, 400)
    except Outdated:
        return TableRefused(draft_form.meanwhile(), text, 409)
    return None


def _upload() -> str:
    """Returns the text of a file, or what was pasted. Raises NotRead."""
    file = request.files.get("file")
    octets = file.read() if file else b""
    return spreadsheets.decode(octets) if octets else request.form.get("text", "")


def _parsed_table(name: str, text: str) -> RawDocument:
    """Raises NotRead, KeywordsError."""
    columns, *rows = spreadsheets.read(text) or [[]]
    table = {"columns": list(map(edits.an_id, columns)), "rows": rows}
    validation.raise_for(list(lookup_tables.table_faults(name, table)))
    return table


def _explain(error: NotRead) -> str:
    why = {
        SpreadsheetFault.NOT_UTF8: _("this is not UTF-8; save it as CSV UTF-8"),
        SpreadsheetFault.BROKEN: _("a quotation mark is not closed, or is inside a cell"),
        SpreadsheetFault.WIDTH: _("the number of cells differs from the heading"),
    }[error.why]
    if error.row == 0:
        return _("The heading: {why}.", why=why)
    return _("Row {row}: {why}.", row=error.row, why=why)


def _redirect(name: str) -> Response:
    flash(_("{name} is saved in the draft.", name=name))
    if request.files.get("file") and request.form.get("text", "").strip():
        flash(_("The file was used. The text beside it was ignored."))
    return redirect(url_for("console.tables.view", name=name), 303)


def _all(**values: Any) -> str:
    view = draft_form.load_draft()
    rows = [
        TableRow(name, _columns(table), len(_rows(table)), _users(view, name), change)
        for name in mapping(view.raw, TABLES)
        for table in [mapping(mapping(view.raw, TABLES), name)]
        for change in [view.change(TABLES, name)]
    ]
    return page(
        "keywords/tables.html",
        **{"rows": rows, "was": edits.fingerprint(None), "typed": {}, **values},
    )


def _one(name: str, **values: Any) -> str:
    view = draft_form.load_draft()
    table = view.require_part(TABLES, name)
    return page(
        "keywords/table.html",
        name=name,
        columns=_columns(table),
        rows=_rows(table),
        most=SHOWN_ROWS,
        users=_users(view, name),
        change=view.change(TABLES, name),
        was=edits.fingerprint(table),
        **{"typed": {}, **values},
    )


def _columns(table: RawDocument) -> list[str]:
    found = table.get("columns")
    return list(map(str, found)) if isinstance(found, list) else []


def _rows(table: RawDocument) -> list[list[str]]:
    found = table.get("rows")
    rows = found if isinstance(found, list) else []
    return [list(map(str, row)) for row in rows if isinstance(row, list)]


def _users(view: DraftView, name: str) -> list[str]:
    keywords = mapping(view.raw, KEYWORDS)
    return [each for each in keywords if mapping(keywords, each).get("table") == name]
