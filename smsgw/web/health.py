"""Tells whether this process lives, whether it can do its work, and how much it did."""

import hmac

from flask import Blueprint, Response, abort, current_app, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from smsgw.operations import metrics, readiness
from smsgw.runtime import Runtime
from smsgw.storage.crypto import Unreadable
from smsgw.variables import LOOPBACK

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def live() -> Response:
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Answers 503 only if the database fails: without the rest, messages are taken and answered
    later."""
    rt = _runtime()
    is_ready = readiness.has_database(rt)
    body: dict[str, object] = {"ready": is_ready}
    if _may_look():
        body["parts"] = {"database": is_ready, **readiness.parts_beside_database(rt)}
        if faults := rt.ledger.check():
            body["faults"] = {"ledger": [str(fault) for fault in faults]}
    return jsonify(body), 200 if is_ready else 503


@blueprint.get("/metrics")
def figures() -> Response:
    if not _may_look():
        abort(403)
    try:
        return Response(metrics.text(_runtime()), content_type=CONTENT_TYPE_LATEST)
    except (SQLAlchemyError, Unreadable):
        abort(503)


def _runtime() -> Runtime:
    rt: Runtime = current_app.extensions["smsgw"]
    return rt


def _may_look() -> bool:
    """Allows the token; if none is set, this machine, unless there is a public address: a proxy on
    this machine may not say for whom it forwards."""
    settings = _runtime().settings
    token = settings.metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    if token is not None:
        return hmac.compare_digest(given, token.get_secret_value().encode())
    is_forwarded = any(name in request.headers for name in FORWARDED)
    is_local = settings.is_local and request.remote_addr in LOOPBACK
    return is_local and not is_forwarded
