"""Receives messages and reports from carriers. A message is acknowledged after its commit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, Response, abort, current_app, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from smsgw import logs, responder
from smsgw.carriers.carrier import (
    Carrier,
    Forged,
    IncomingSms,
    Malformed,
    Reads,
    Report,
    Route,
    WebhookRequest,
)
from smsgw.messaging import delivery_reports
from smsgw.messaging.answer import Answer, NotStored
from smsgw.operations import jobs, long_messages
from smsgw.runtime import Runtime
from smsgw.storage import fibers
from smsgw.storage.crypto import Unreadable

NOT_STORED = "not stored, please try again"
RETRY_AFTER = {"Retry-After": "5"}

Form = tuple[tuple[str, str], ...]

log = logs.get(__name__)


def blueprint(carriers: Iterable[Carrier]) -> Blueprint:
    """Builds the routes that carriers declare."""
    webhooks = Blueprint("webhooks", __name__, url_prefix="/in")
    for carrier in carriers:
        for route in carrier.routes:
            webhooks.add_url_rule(
                f"/{route.path}",
                endpoint=route.path.replace("/", "_"),
                view_func=partial(_receive, carrier, route),
                methods=route.methods,
                provide_automatic_options=False,
            )
    return webhooks


def _receive(carrier: Carrier, route: Route) -> Response:
    """Acknowledges a request once all that it brought is stored. If one part cannot be stored, the
    carrier repeats the request, and what was stored before is recognised."""
    read_and_store = {Reads.MESSAGES: _store_messages, Reads.REPORTS: _store_reports}
    asked = _verified(carrier)
    try:
        read_and_store[route.reads](carrier, asked)
    except Malformed as error:
        _malformed(carrier, error)
    except (NotStored, DBAPIError, NoConnection, Unreadable):
        return Response(NOT_STORED, 503, RETRY_AFTER)
    reply = route.acknowledgement
    return Response(reply.body, reply.status, mimetype=reply.media_type)


def _store_messages(carrier: Carrier, asked: WebhookRequest) -> None:
    rt = _runtime()
    for sms in _storable(carrier.read_messages(asked)):
        for answer in _respond(rt, sms):
            jobs.hint_all(rt, answer)


def _storable(received: Sequence[IncomingSms]) -> Sequence[IncomingSms]:
    """Leaves out what cannot be stored, as no repetition would mend it. Raises Malformed if
    nothing remains."""
    faults = [fault for sms in received for fault in sms.faults]
    storable = [sms for sms in received if not sms.faults]
    if faults and not storable:
        raise Malformed("; ".join(dict.fromkeys(faults)))
    for fault in faults:
        log.warning("invalid item in a webhook", why=fault)
    return storable


def _respond(rt: Runtime, sms: IncomingSms) -> Sequence[Answer]:
    if sms.part is not None:
        return fibers.in_pool(partial(long_messages.receive, rt, sms))
    answer = responder.respond(rt, sms)
    return [answer] if answer is not None else []


def _store_reports(carrier: Carrier, asked: WebhookRequest) -> None:
    rt, reports = _runtime(), carrier.read_reports(asked)
    fibers.in_pool(partial(_apply_reports, rt, reports))


def _apply_reports(rt: Runtime, reports: Sequence[Report]) -> None:
    for report in reports:
        with rt.writing() as tx:
            delivery_reports.apply_report(tx, report)


def _malformed(carrier: Carrier, error: Malformed) -> NoReturn:
    log.warning("invalid webhook", carrier=carrier.name, path=request.path, why=str(error))
    abort(400, str(error))


def _runtime() -> Runtime:
    rt: Runtime = current_app.extensions["smsgw"]
    return rt


def _form_and_body() -> tuple[Form, bytes]:
    """Reads a form as werkzeug does, in half the time; what no form can be read of has none."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return tuple(request.form.items(multi=True)), request.get_data()
    try:
        text = request.get_data(cache=False).decode()
    except UnicodeDecodeError:
        return (), b""
    return tuple(parse_qsl(text, keep_blank_values=True, errors="werkzeug.url_quote")), b""


def _headers(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Returns the names in lower case, with the values."""
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-").lower(), value
        elif name in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value:
            yield name.replace("_", "-").lower(), value


def _verified(carrier: Carrier) -> WebhookRequest:
    # As it stood in the request line: Flask's own path and address have their escapes undone.
    target = urlsplit(request.environ["RAW_URI"])
    form, body = _form_and_body()
    asked = WebhookRequest(
        path=target.path,
        query=target.query,
        headers=dict(_headers(request.environ)),
        form=form,
        body=body,
        address=request.remote_addr or "",
    )
    try:
        carrier.verify(asked)
    except Forged:
        # A stranger, or a password, token or address of ours that is wrong: then all is lost.
        log.warning("webhook rejected", carrier=carrier.name, path=request.path)
        abort(403)
    return asked
