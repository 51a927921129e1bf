"""Messages: the log as it goes on, one conversation, the way of one message."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from threading import BoundedSemaphore
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound, TooManyRequests
from werkzeug.wrappers import Response as BaseResponse

from handlers.question import Outcome
from smsgw import archive, audit, csvs, jobs, resending, traces
from smsgw.archive import Filters, Seen
from smsgw.audit import Act
from smsgw.operators import Permission
from smsgw.resending import NotResent
from smsgw.runtime import Runtime
from smsgw.web.console import guard, ids, reasons
from smsgw.web.console.shown import is_part, page, told

A_NAME = re.compile(r"[a-z][a-z0-9_]{0,19}")
FILTERS = ("keyword", "outcome", "carrier", "since", "until", "phone")
EXPORTED = (
    *("id", "reference", "received_at", "carrier", "lane", "number", "keyword", "outcome"),
    *("reason", "state", "configuration", "replies", "segments"),
)

EXPORTING = BoundedSemaphore(2)  # of this process: each keeps a thread and the database at work

blueprint = Blueprint("messages", __name__, url_prefix="/messages")


@blueprint.get("/")
@guard.needs(Permission.LOOK)
def log() -> str:
    return _log()


@blueprint.get("/export.csv")
@guard.needs(Permission.LOOK)
def export() -> Response:
    """Without texts; as long as it takes, a short read after the other."""
    rt, asked = guard.rt(), _asked()
    if not EXPORTING.acquire(blocking=False):
        raise TooManyRequests
    lines = _until_closed(_lines(rt, _filters(asked)))
    next(lines)  # begun, it ends however little of it is read
    with rt.writing() as tx:
        detail = " ".join(f"{name}={value}" for name, value in asked.items()) or "all"
        audit.note(tx, Act.EXPORTED, guard.operator().actor, detail=detail)
    named = {"Content-Disposition": "attachment; filename=messages.csv"}
    return Response(lines, mimetype="text/csv", headers=named)


@blueprint.post("/number")
@guard.needs(Permission.HELP)
def by_number() -> BaseResponse | tuple[str, int]:
    """By POST: a number has no place in an address, which browsers and proxies keep."""
    number = request.form.get("number", "")
    with guard.rt().writing() as tx:
        found = archive.phone_id(tx, number)
        reasons.look(tx, phone_id=found)
    if found is None:
        return _log(error=told("This number is not known here."), number=number), 404
    return redirect(url_for("console.messages.conversation", phone_id=found), 303)


@blueprint.get("/reference")
@guard.needs(Permission.LOOK)
def by_reference() -> BaseResponse | tuple[str, int]:
    reference = request.args.get("reference", "")
    with guard.rt().reading() as tx:
        found = archive.message_id(tx, reference)
    if found is None:
        return _log(error=told("No message has this reference."), reference=reference), 404
    return redirect(url_for("console.messages.show", message_id=found), 303)


@blueprint.get("/phones/<id:phone_id>")
@guard.needs(Permission.LOOK)
def conversation(phone_id: int) -> str:
    return _conversation(phone_id, with_texts=False)


@blueprint.post("/phones/<id:phone_id>")
@guard.needs(Permission.HELP)
def read_conversation(phone_id: int) -> str:
    with guard.rt().writing() as tx:
        reasons.look(tx, phone_id=phone_id)
    return _conversation(phone_id, with_texts=True)


@blueprint.get("/<id:message_id>")
@guard.needs(Permission.LOOK)
def show(message_id: int) -> str:
    return _message(message_id, with_texts=False)


@blueprint.post("/<id:message_id>")
@guard.needs(Permission.HELP)
def read(message_id: int) -> str:
    with guard.rt().writing() as tx:
        seen = archive.one(tx, message_id)
        if seen is None:
            raise NotFound
        reasons.look(tx, phone_id=seen.phone_id, message_id=message_id)
    return _message(message_id, with_texts=True)


@blueprint.post("/<id:message_id>/replies/<id:reply_id>")
@guard.needs(Permission.HELP)
def resend(message_id: int, reply_id: int) -> BaseResponse | tuple[str, int]:
    rt, reason = guard.rt(), reasons.given()
    with rt.reading() as tx:
        seen = archive.one(tx, message_id)
    if seen is None or reply_id not in {sent.id for sent in seen.sent}:
        raise NotFound
    try:
        sent = resending.resend(rt, reply_id, guard.operator().actor, reason)
    except NotResent as refused:
        return _message(message_id, with_texts=False, error=told(str(refused))), 409
    jobs.hint(rt, sent.carrier, sent.lane)
    flash(told("It is sent again."))
    return redirect(url_for("console.messages.show", message_id=message_id), 303)


def _log(**values: Any) -> str:
    rt, asked, before = guard.rt(), _asked(), ids.number(request.args, "before")
    with rt.reading() as tx:
        found = archive.page(tx, _filters(asked), before)
    return page(
        "_messages.html" if is_part() else "messages.html",
        found=found,
        asked=asked,
        faults=list(_faults(asked)),
        is_live=before is None and request.args.get("live") != "0",
        is_newest=before is None,
        keywords=sorted({*rt.configuration.usage, *asked.get("keyword", "").split()}),
        outcomes=list(Outcome),
        carriers=sorted({*rt.carriers, *asked.get("carrier", "").split()}),
        **values,
    )


def _conversation(phone_id: int, *, with_texts: bool) -> str:
    with guard.rt().reading() as tx:
        talk = archive.talk(tx, phone_id, _ends(), with_texts=with_texts)
    if talk is None:
        raise NotFound
    reason = request.form.get("reason", "")
    return page("talk.html", talk=talk, phone_id=phone_id, is_read=with_texts, given=reason)


def _message(message_id: int, *, with_texts: bool, **values: Any) -> str:
    trace = traces.of(guard.rt(), message_id, with_texts=with_texts)
    if trace is None:
        raise NotFound
    return page("message.html", trace=trace, is_read=with_texts, once=resending.ONCE, **values)


def _asked() -> Mapping[str, str]:
    """What the address asks for, and only what makes sense."""
    given = {name: request.args.get(name, "").strip() for name in ("keyword", "carrier", "outcome")}
    asked = {name: value for name, value in given.items() if A_NAME.fullmatch(value)}
    if asked.get("outcome") not in set(Outcome):
        asked.pop("outcome", None)
    days = {name: _day(request.args.get(name, "")) for name in ("since", "until")}
    asked |= {name: day.isoformat() for name, day in days.items() if day}
    phone_id = request.args.get("phone", "")
    return asked | ({"phone": phone_id} if re.fullmatch(r"[0-9]{1,18}", phone_id) else {})


def _faults(asked: Mapping[str, str]) -> Iterator[str]:
    """Why the list may be another than whoever asked believes."""
    left_out = [
        name for name in FILTERS if request.args.get(name, "").strip() and name not in asked
    ]
    if left_out:
        yield told("This was not understood and left out: {names}.", names=", ".join(left_out))
    if {"since", "until"} <= asked.keys() and asked["until"] < asked["since"]:
        yield told("The last day is before the first, so nothing is found.")
    rt = guard.rt()
    for name, known in (("keyword", rt.configuration.usage), ("carrier", rt.carriers)):
        if name in asked and asked[name] not in known:
            yield told(
                "{name} is not known now; only what is from its time is found.", name=asked[name]
            )


def _filters(asked: Mapping[str, str]) -> Filters:
    """Days are the scheme's, the last one included."""
    since, until = _day(asked.get("since", "")), _day(asked.get("until", ""))
    return Filters(
        phone_id=int(asked["phone"]) if "phone" in asked else None,
        keyword=asked.get("keyword"),
        outcome=asked.get("outcome"),
        carrier=asked.get("carrier"),
        since=_midnight(since) if since else None,
        until=_midnight(until + timedelta(days=1)) if until else None,
    )


def _day(written: str) -> date | None:
    """None also for years that no message is of."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return day if 2000 <= day.year < 2200 else None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=guard.rt().settings.zone)


def _ends() -> tuple[int, int] | None:
    """Where a page of a conversation goes on."""
    ends = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", request.values.get("before", ""))
    return (int(ends[1]), int(ends[2])) if ends else None


def _until_closed(lines: Iterator[str]) -> Iterator[str]:
    """What EXPORTING was acquired for."""
    try:
        yield ""
        yield from lines
    finally:
        EXPORTING.release()


def _lines(rt: Runtime, filters: Filters) -> Iterator[str]:
    yield csvs.line(EXPORTED)
    for seen in archive.walk(rt, filters):
        yield "".join(csvs.line(_cells(rt, each)) for each in seen)


def _cells(rt: Runtime, each: Seen) -> tuple[object, ...]:
    local = each.received_at.astimezone(rt.settings.zone)
    return (
        *(each.id, each.reference, local.isoformat(timespec="seconds"), each.carrier, each.lane),
        *(each.number, each.keyword, each.outcome, each.reason, each.state, each.configuration),
        " ".join(sent.state for sent in each.sent),
        sum(sent.segments for sent in each.sent),
    )
