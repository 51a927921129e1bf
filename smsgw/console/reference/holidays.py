"""Lists the holidays of a year, which deadlines of complaints leave out, and changes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from smsgw.backoffice.accounts import Permission
from smsgw.console import access, converters, days
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, page
from smsgw.registry import holidays
from smsgw.registry.holidays import LONGEST_NAME, AlreadyAdded

blueprint = Blueprint("holidays", __name__, url_prefix="/reference/holidays")
TAB = Tab(blueprint, "Holidays")
Answer = str | Response | tuple[str, int]

FIRST_YEAR, LAST_YEAR = 2000, 2199
MOST_LINES = 100
A_LINE = re.compile(r"\W*([0-9]{4}-[0-9]{2}-[0-9]{2})[\s,;:]*(.*)")


@dataclass(frozen=True, slots=True)
class TypedHolidays:
    names: Mapping[date, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


@blueprint.get("/")
@access.needs(Permission.LOOK)
def show() -> str:
    return _page(_year())


@blueprint.post("/")
@access.needs(Permission.PUBLISH)
def add() -> Answer:
    text = request.form.get("days", "")
    typed = _read(text)
    if typed.faults:
        return _page(_year(), error="\n".join(typed.faults), typed=text), 400
    try:
        with access.rt().writing() as tx:
            added = holidays.add(tx, typed.names, access.operator().actor)
    except AlreadyAdded:
        error = _("Somebody else added one of these days at the same moment. Send it again.")
        return _page(_year(), error=error, typed=text), 409
    known = len(typed.names) - len(added)
    flash(_("Holidays added: {count}.", count=len(added)))
    if known:
        flash(_("Already there, and left as they are: {count}.", count=known))
    return _redirect(min(typed.names).year)


@blueprint.post("/delete")
@access.needs(Permission.PUBLISH)
def delete() -> Response:
    day = days.read(request.form.get("day", ""))
    if day is None:
        raise BadRequest
    with access.rt().writing() as tx:
        is_done = holidays.remove(tx, day, access.operator().actor)
    flash(_("The holiday is deleted.") if is_done else _("It was already deleted."))
    return _redirect(day.year)


def _page(year: int, **values: Any) -> str:
    rt = access.rt()
    with rt.reading() as tx:
        rows = holidays.of_year(tx, year)
        missing = holidays.missing_year(tx, rt.today, rt.settings.holidays)
    known = {row.day for row in rows}
    further = sorted(day for day in rt.settings.holidays if day.year == year and day not in known)
    return page(
        "reference/holidays.html",
        year=year,
        near=[each for each in (year - 1, year, year + 1) if FIRST_YEAR <= each <= LAST_YEAR],
        rows=rows,
        further=further,
        missing=missing,
        **values,
    )


def _year() -> int:
    year = converters.number(request.args, "year", LAST_YEAR)
    return access.rt().today.year if year is None else max(FIRST_YEAR, year)


def _read(text: str) -> TypedHolidays:
    """Reads a holiday a line: its date, then its name."""
    names: dict[date, str] = {}
    faults: list[str] = []
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, line in lines[:MOST_LINES]:
        fault = _take(line, names)
        faults += [_("Line {line}: {why}.", line=number, why=fault)] if fault else []
    if len(lines) > MOST_LINES:
        faults.append(_("Add at most {most} days at once.", most=MOST_LINES))
    if not lines:
        faults.append(_("There is no day."))
    return TypedHolidays(names, tuple(faults))


def _take(line: str, names: dict[date, str]) -> str | None:
    """Adds a line's holiday to `names`, or returns what is wrong with it."""
    found = A_LINE.fullmatch(" ".join(line.split()))
    day = days.read(found[1]) if found else None
    if found is None or day is None:
        return _("it must begin with a date such as 2026-03-20")
    if not 1 <= len(found[2]) <= LONGEST_NAME:
        return _("the name must have 1 to {most} characters", most=LONGEST_NAME)
    if day in names:
        return _("this date stands in an earlier line too")
    names[day] = found[2]
    return None


def _redirect(year: int) -> Response:
    return redirect(url_for("console.holidays.show", year=year), 303)
