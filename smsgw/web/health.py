"""Whether this process lives, whether it can do its work, and how much it did."""

import hmac

from flask import Blueprint, Response, abort, current_app, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError
from sqlalchemy import Select, String, column, select, table
from sqlalchemy.exc import SQLAlchemyError

from handlers.ports import LedgerDown
from smsgw import jobs, logs, metrics, migrate
from smsgw.crypto import Unreadable
from smsgw.runtime import Runtime
from smsgw.settings import LOOPBACK

VERSION: Select[str] = select(column("version_num", String)).select_from(
    table(migrate.VERSION_TABLES["service"])
)
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")

log = logs.get(__name__)
blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def live() -> Response:
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """503 without the database alone: without the rest messages are taken, and answered later."""
    rt = _runtime()
    is_ready = _has_database(rt)
    told: dict[str, object] = {"ready": is_ready}
    if _may_look():
        told["parts"] = {
            "database": is_ready,
            "ledger": _has_ledger(rt),
            "queue": _has_queue(rt),
            "worker": _has(rt, jobs.WORKER_BEATS),
            "clock": _has(rt, jobs.CLOCK_BEATS),
        }
    return jsonify(told), 200 if is_ready else 503


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
    """With the token; without one set, from this machine, unless a public address is: then a proxy
    may stand on it that says nothing of whom it forwards."""
    settings = _runtime().settings
    token = settings.metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    if token is not None:
        return hmac.compare_digest(given, token.get_secret_value().encode())
    is_forwarded = any(name in request.headers for name in FORWARDED)
    is_local = settings.is_local and request.remote_addr in LOOPBACK
    return is_local and not is_forwarded


def _has_database(rt: Runtime) -> bool:
    """Of this version's schema, which another version may have changed meanwhile."""
    try:
        with rt.reading() as tx:
            at = tx.connection.execute(VERSION).scalar()
        rt.clock_check.is_right()  # the log says so where it is not
    except (SQLAlchemyError, Unreadable):
        return False
    if at != migrate.head("service"):
        log.error("the database's schema is another one", at=at, needed=migrate.head("service"))
    return at == migrate.head("service")


def _has_ledger(rt: Runtime) -> bool:
    try:
        rt.ledger.ping()
    except LedgerDown:
        return False
    return True


def _has_queue(rt: Runtime) -> bool:
    try:
        return rt.redis is not None and bool(rt.redis.ping())
    except RedisError:
        return False


def _has(rt: Runtime, beats: str) -> bool:
    try:
        return rt.redis is not None and bool(rt.redis.exists(beats))
    except RedisError:
        return False
