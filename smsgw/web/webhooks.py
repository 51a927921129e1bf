"""Where carriers deliver messages and reports. A message is acknowledged after its commit."""

from typing import NoReturn
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from smsgw import logs, responder
from smsgw.carriers.carrier import Carrier, Forged, Malformed, WebhookRequest
from smsgw.messaging import delivery_reports
from smsgw.messaging.answer import NotStored
from smsgw.operations import jobs
from smsgw.runtime import Runtime
from smsgw.storage.crypto import Unreadable

NO_REPLY_HERE = '<?xml version="1.0" encoding="UTF-8"?><Response/>'  # it leaves by REST
NOT_STORED = "not stored, please try again"
RETRY_AFTER = {"Retry-After": "5"}

log = logs.get(__name__)

blueprint = Blueprint("webhooks", __name__, url_prefix="/in")


@blueprint.post("/twilio")
def twilio_message() -> Response:
    return _taken("twilio") or Response(NO_REPLY_HERE, mimetype="text/xml")


@blueprint.post("/twilio/status")
def twilio_report() -> Response:
    return _noted("twilio") or Response(status=204)


@blueprint.route("/kannel", methods=["GET", "POST"])
def kannel_message() -> Response:
    return _taken("kannel") or Response(mimetype="text/plain")


@blueprint.get("/kannel/status")
def kannel_report() -> Response:
    return _noted("kannel") or Response(mimetype="text/plain")


def _taken(name: str) -> Response | None:
    """Stores and answers a message; None where the carrier may be told that all is well."""
    rt, carrier = _runtime(), _carrier(name)
    asked = _verified(carrier)
    try:
        answer = responder.respond(rt, carrier.read(asked))
    except Malformed as error:
        _malformed(carrier, error)
    except NotStored:
        return Response(NOT_STORED, 503, RETRY_AFTER)
    if answer is not None:
        jobs.hint_all(rt, answer)
    return None


def _noted(name: str) -> Response | None:
    """Applies a status report."""
    rt, carrier = _runtime(), _carrier(name)
    asked = _verified(carrier)
    try:
        report = carrier.read_report(asked)
        if report is not None:
            with rt.writing() as tx:
                delivery_reports.apply_report(tx, report)
    except Malformed as error:
        _malformed(carrier, error)
    except (DBAPIError, NoConnection, Unreadable):
        return Response(NOT_STORED, 503, RETRY_AFTER)
    return None


def _malformed(carrier: Carrier, error: Malformed) -> NoReturn:
    log.warning("a webhook made no sense", carrier=carrier.name, path=request.path, why=str(error))
    abort(400, str(error))


def _runtime() -> Runtime:
    rt: Runtime = current_app.extensions["smsgw"]
    return rt


def _carrier(name: str) -> Carrier:
    found = _runtime().carriers.get(name)
    if found is None:
        abort(404)
    return found


def _verified(carrier: Carrier) -> WebhookRequest:
    # As it stood in the request line: Flask's own path and address have their escapes undone.
    target = urlsplit(request.environ["RAW_URI"])
    asked = WebhookRequest(
        path=target.path,
        query=target.query,
        headers={name.lower(): value for name, value in request.headers.items()},
        form=tuple(request.form.items(multi=True)),
        body=request.get_data(),
        address=request.remote_addr or "",
    )
    try:
        carrier.verify(asked)
    except Forged:
        # A stranger, or a password, token or address of ours that is wrong: then all is lost.
        log.warning("a webhook was refused", carrier=carrier.name, path=request.path)
        abort(403)
    return asked
