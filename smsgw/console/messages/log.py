"""Shows the message log, one conversation, or each step of one message."""

import re
from collections.abc import Iterator, Mapping
from threading import BoundedSemaphore
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from handlers.changes import CaseKind
from handlers.question import Outcome
from smsgw.backoffice import conversation as backoffice_conversation
from smsgw.backoffice import message_log
from smsgw.backoffice import resend as resending
from smsgw.backoffice import trace as traces
from smsgw.backoffice.accounts import Permission
from smsgw.backoffice.message_log import LoggedMessage, MessageFilters
from smsgw.backoffice.resend import NotResent
from smsgw.console import access, converters, days, exports, reasons, spreadsheets
from smsgw.console.menu import Tab
from smsgw.console.rendering import _, is_htmx, page
from smsgw.operations import jobs
from smsgw.registry import cases
from smsgw.runtime import Runtime

A_REF = re.compile(r"^\s*ref[\s.:]+", re.IGNORECASE)  # as a reply ends: Ref JH5CN7
A_NAME = re.compile(r"[a-z][a-z0-9_]{0,19}")
FILTERS = ("keyword", "outcome", "carrier", "since", "until", "phone")
CASE_PAGES = {
    CaseKind.COMPLAINT: "complaints",
    CaseKind.DATA_REQUEST: "data_requests",
    CaseKind.ACCESS_REQUEST: "access_requests",
}
EXPORTED = (
    "id",
    "reference",
    "received_at",
    "carrier",
    "sender_id",
    "number",
    "keyword",
    "outcome",
    "reason",
    "state",
    "configuration",
    "replies",
    "segments",
)

EXPORTING = BoundedSemaphore(2)  # of this process: each keeps a thread and the database at work

blueprint = Blueprint("messages", __name__, url_prefix="/messages")
TAB = Tab(blueprint, "Messages", view="log")


@blueprint.get("/")
@access.needs(Permission.LOOK)
def log() -> str:
    return _log()


@blueprint.get("/export.csv")
@access.needs(Permission.LOOK)
def export() -> Response:
    """Streams the file without texts, one short read after the other."""
    asked = _arguments()
    lines = _lines(access.rt(), _filters(asked))
    return exports.respond(EXPORTING, lines, "messages.csv", exports.describe_filters(asked))


@blueprint.post("/number")
@access.needs(Permission.HELP)
def by_number() -> BaseResponse | tuple[str, int]:
    """Takes a POST: a number does not belong in an address, which browsers and proxies keep."""
    number = request.form.get("number", "")
    with access.rt().writing() as tx:
        found = message_log.phone_id(tx, number)
        reasons.look(tx, phone_id=found)
    if found is None:
        return _log(error=_("This number has never sent a message."), number=number), 404
    return redirect(url_for("console.messages.conversation", phone_id=found), 303)


@blueprint.get("/reference")
@access.needs(Permission.LOOK)
def by_reference() -> BaseResponse | tuple[str, int]:
    reference = request.args.get("reference", "")
    with access.rt().reading() as tx:
        case = cases.with_number(tx, reference)
        found = message_log.message_id(tx, A_REF.sub("", reference))
    if case is not None:
        return redirect(url_for(f"console.{CASE_PAGES[case[0]]}.one", number=case[1]), 303)
    if found is None:
        return _log(error=_("No message has this reference."), reference=reference), 404
    return redirect(url_for("console.messages.show", message_id=found), 303)


@blueprint.get("/phones/<id:phone_id>")
@access.needs(Permission.LOOK)
def conversation(phone_id: int) -> str:
    return _conversation(phone_id)


@blueprint.post("/phones/<id:phone_id>")
@access.needs(Permission.HELP)
def read_conversation(phone_id: int) -> BaseResponse:
    """Opens by an address, to which the browser can go back."""
    with access.rt().writing() as tx:
        if backoffice_conversation.talk(tx, phone_id, None, with_texts=False) is None:
            raise NotFound
        reasons.look(tx, phone_id=phone_id)
    reasons.keep_open("phone", phone_id)
    before = request.form.get("before") or None
    address = url_for("console.messages.conversation", phone_id=phone_id, before=before)
    return redirect(address, 303)


@blueprint.get("/<id:message_id>")
@access.needs(Permission.LOOK)
def show(message_id: int) -> str:
    return _message(message_id)


@blueprint.post("/<id:message_id>")
@access.needs(Permission.HELP)
def read(message_id: int) -> BaseResponse:
    with access.rt().writing() as tx:
        entry = message_log.one(tx, message_id)
        if entry is None:
            raise NotFound
        reasons.look(tx, phone_id=entry.phone_id, message_id=message_id)
    reasons.keep_open("message", message_id)
    return redirect(url_for("console.messages.show", message_id=message_id), 303)


@blueprint.post("/<id:message_id>/replies/<id:reply_id>")
@access.needs(Permission.HELP)
def resend(message_id: int, reply_id: int) -> BaseResponse | tuple[str, int]:
    rt, reason = access.rt(), reasons.required_reason()
    with rt.reading() as tx:
        entry = message_log.one(tx, message_id)
    if entry is None or reply_id not in {sent.id for sent in entry.replies}:
        raise NotFound
    try:
        sent = resending.resend(rt, reply_id, access.operator().actor, reason)
    except NotResent as refused:
        return _message(message_id, error=_(str(refused))), 409
    jobs.hint(rt, sent.carrier, sent.sender_id)
    flash(_("The reply is queued again."))
    return redirect(url_for("console.messages.show", message_id=message_id), 303)


def _log(**values: Any) -> str:
    rt, asked, before = access.rt(), _arguments(), converters.number(request.args, "before")
    with rt.reading() as tx:
        found = message_log.page(tx, _filters(asked), before)
    return page(
        "messages/_log.html" if is_htmx() else "messages/log.html",
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


def _conversation(phone_id: int) -> str:
    given = reasons.open_for("phone", phone_id)
    with_texts = given is not None
    with access.rt().reading() as tx:
        talk = backoffice_conversation.talk(tx, phone_id, _ends(), with_texts=with_texts)
    if talk is None:
        raise NotFound
    return page(
        "messages/conversation.html", talk=talk, phone_id=phone_id, is_read=with_texts, given=given
    )


def _message(message_id: int, **values: Any) -> str:
    with_texts = reasons.open_for("message", message_id) is not None
    trace = traces.of(access.rt(), message_id, with_texts=with_texts)
    if trace is None:
        raise NotFound
    return page(
        "messages/message.html", trace=trace, is_read=with_texts, once=resending.ONCE, **values
    )


def _arguments() -> Mapping[str, str]:
    """Returns what the address asks for, and only what makes sense."""
    names = {name: request.args.get(name, "").strip() for name in ("keyword", "carrier", "outcome")}
    asked = {name: value for name, value in names.items() if A_NAME.fullmatch(value)}
    if asked.get("outcome") not in set(Outcome):
        asked.pop("outcome", None)
    given = {name: days.read(request.args.get(name, "")) for name in ("since", "until")}
    asked |= {name: day.isoformat() for name, day in given.items() if day}
    phone_id = request.args.get("phone", "")
    return asked | ({"phone": phone_id} if re.fullmatch(r"[0-9]{1,18}", phone_id) else {})


def _faults(asked: Mapping[str, str]) -> Iterator[str]:
    """Returns why the list may be another than whoever asked believes."""
    left_out = [
        name for name in FILTERS if request.args.get(name, "").strip() and name not in asked
    ]
    if left_out:
        yield _("These filters were invalid and were ignored: {names}.", names=", ".join(left_out))
    if {"since", "until"} <= asked.keys() and asked["until"] < asked["since"]:
        yield _("The last day is before the first day.")
    rt = access.rt()
    for name, known in (("keyword", rt.configuration.usage), ("carrier", rt.carriers)):
        if name in asked and asked[name] not in known:
            yield _(
                "{name} is no longer in use. Only messages from that time are found.",
                name=asked[name],
            )


def _filters(asked: Mapping[str, str]) -> MessageFilters:
    """Reads the filters. Days are the scheme's, and the last one is included."""
    zone = access.rt().settings.zone
    return MessageFilters(
        phone_id=int(asked["phone"]) if "phone" in asked else None,
        keyword=asked.get("keyword"),
        outcome=asked.get("outcome"),
        carrier=asked.get("carrier"),
        since=days.begins(asked.get("since", ""), zone),
        until=days.ends(asked.get("until", ""), zone),
    )


def _ends() -> tuple[int, int] | None:
    """Returns where a page of a conversation goes on."""
    ends = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", request.values.get("before", ""))
    return (int(ends[1]), int(ends[2])) if ends else None


def _lines(rt: Runtime, filters: MessageFilters) -> Iterator[str]:
    yield spreadsheets.line(EXPORTED)
    for entry in message_log.walk(rt, filters):
        yield "".join(spreadsheets.line(_cells(rt, each)) for each in entry)


def _cells(rt: Runtime, each: LoggedMessage) -> tuple[object, ...]:
    local = each.received_at.astimezone(rt.settings.zone)
    return (
        each.id,
        each.reference,
        local.isoformat(timespec="seconds"),
        each.carrier,
        each.sender_id,
        each.number,
        each.keyword,
        each.outcome,
        each.reason,
        each.state,
        each.configuration,
        " ".join(sent.state for sent in each.replies),
        sum(sent.segments for sent in each.replies),
    )
