"""Receives messages and reports from carriers. A message is acknowledged after its commit."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from smsgw import logs, responder
from smsgw.carriers.carrier import (
    Acknowledgement,
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
from smsgw.web import raw_requests
from smsgw.web.middleware import Places

FAILED = Acknowledgement(500, "failed")
FORBIDDEN = Acknowledgement(403, "forbidden")
NOT_STORED = Acknowledgement(503, "not stored, please try again")
FULL = Acknowledgement(503, "busy, please try again")
ALIKE = 16  # answers that are kept: those of one second hardly differ
RETRY_AFTER = {"Retry-After": "5"}

Receive = Callable[[WebhookRequest], Acknowledgement]

log = logs.get(__name__)


class Webhooks:
    """Answers what carriers send to the routes that they declare."""

    def __init__(self, rt: Runtime, places: Places, headers: Mapping[str, str]) -> None:
        """Takes `places`: how many requests are handled at once; `headers`: of each answer."""
        self._rt = rt
        self.headers = headers
        self._places = places
        self._written = lru_cache(ALIKE)(self._write)
        self._routes = {
            (method, f"/in/{route.path}"): (carrier, route)
            for carrier in rt.carriers.values()
            for route in carrier.routes
            for method in route.methods
        }

    def blueprint(self) -> Blueprint:
        """Builds the routes for Flask."""
        webhooks = Blueprint("webhooks", __name__)
        for (method, path), found in self._routes.items():
            webhooks.add_url_rule(
                path,
                endpoint=f"{method}{path}".replace("/", "_"),
                view_func=partial(self._view, *found),
                methods=[method],
                provide_automatic_options=False,
            )
        return webhooks

    def find(self, method: str, path: str) -> Receive | None:
        """Returns what answers such requests outside Flask, within the number of places."""
        found = self._routes.get((method, path))
        return partial(self._receive_in_place, *found) if found else None

    def write(self, made: Acknowledgement, *, is_last: bool) -> bytes:
        """Writes an answer outside Flask. `is_last`: the connection is closed afterwards."""
        return self._written(made, int(time.time()), is_last)

    def _write(self, made: Acknowledgement, second: int, is_last: bool) -> bytes:
        content = {"Content-Type": f"{made.media_type}; charset=utf-8"}
        headers = {**self.headers, **headers_of(made), **content}
        body = made.body.encode()
        return raw_requests.write(made.status, headers, body, second=second, is_last=is_last)

    def _view(self, carrier: Carrier, route: Route) -> Response:
        made = self._receive(carrier, route, _asked())
        return Response(made.body, made.status, headers_of(made), made.media_type)

    def _receive_in_place(
        self, carrier: Carrier, route: Route, asked: WebhookRequest
    ) -> Acknowledgement:
        if not self._places.take():
            return FULL
        try:
            return self._receive(carrier, route, asked)
        finally:
            self._places.give_back()

    def _receive(self, carrier: Carrier, route: Route, asked: WebhookRequest) -> Acknowledgement:
        """Acknowledges a request once all that it brought is stored. If one part cannot be stored,
        the carrier repeats the request, and what was stored before is recognised."""
        try:
            carrier.verify(asked)
            READ_AND_STORE[route.reads](self._rt, carrier, asked)
        except Forged:
            # A stranger, or a password, token or address of ours that is wrong: then all is lost.
            log.warning("webhook rejected", carrier=carrier.name, path=asked.path)
            return FORBIDDEN
        except Malformed as error:
            log.warning("invalid webhook", carrier=carrier.name, path=asked.path, why=str(error))
            return Acknowledgement(400, str(error))
        except (NotStored, DBAPIError, NoConnection, Unreadable):
            return NOT_STORED
        return route.acknowledgement


def headers_of(made: Acknowledgement) -> Mapping[str, str]:
    """Returns the headers of an answer, except its content's."""
    return RETRY_AFTER if made.status == NOT_STORED.status else {}


def _asked() -> WebhookRequest:
    """Returns Flask's request as carriers read one."""
    # As it stood in the request line: Flask's own path and address have their escapes undone.
    target = urlsplit(request.environ["RAW_URI"])
    if request.mimetype == raw_requests.FORM:
        form, body = raw_requests.read_form(request.get_data(cache=False)), b""
    else:
        form, body = tuple(request.form.items(multi=True)), request.get_data()
    return WebhookRequest(
        path=target.path,
        query=target.query,
        headers=dict(_headers(request.environ)),
        form=form,
        body=body,
        address=request.remote_addr or "",
    )


def _headers(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Returns the names in lower case, with the values."""
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-").lower(), value
        elif name in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value:
            yield name.replace("_", "-").lower(), value


def _store_messages(rt: Runtime, carrier: Carrier, asked: WebhookRequest) -> None:
    for sms in _storable(carrier.read_messages(asked)):
        for answer in _respond(rt, sms):
            jobs.hint_all(rt, answer)


def _storable(received: Sequence[IncomingSms]) -> Sequence[IncomingSms]:
    """Leaves out what cannot be stored, as no repetition would mend it. Raises Malformed if
    nothing remains."""
    faults_of = [sms.faults for sms in received]
    if not any(faults_of):
        return received
    faults = [fault for each in faults_of for fault in each]
    storable = [sms for sms, its in zip(received, faults_of, strict=True) if not its]
    if not storable:
        raise Malformed("; ".join(dict.fromkeys(faults)))
    for fault in faults:
        log.warning("invalid item in a webhook", why=fault)
    return storable


def _respond(rt: Runtime, sms: IncomingSms) -> Sequence[Answer]:
    if sms.part is not None:
        return fibers.in_pool(partial(long_messages.receive, rt, sms))
    answer = responder.respond(rt, sms)
    return [answer] if answer is not None else []


def _store_reports(rt: Runtime, carrier: Carrier, asked: WebhookRequest) -> None:
    fibers.in_pool(partial(_apply_reports, rt, carrier.read_reports(asked)))


def _apply_reports(rt: Runtime, reports: Sequence[Report]) -> None:
    for report in reports:
        with rt.writing() as tx:
            delivery_reports.apply_report(tx, report)


READ_AND_STORE = {Reads.MESSAGES: _store_messages, Reads.REPORTS: _store_reports}
