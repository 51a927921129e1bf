"""Tells whether this process lives, whether it can do its work, and how much it did."""

import hmac

from flask import Blueprint, Response, abort, current_app, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError
from sqlalchemy import Select, String, column, false, select, table, text, update
from sqlalchemy.exc import SQLAlchemyError

from smsgw import logs
from smsgw.operations import metrics, queue
from smsgw.runtime import Runtime
from smsgw.storage import deadlines, migrations
from smsgw.storage.crypto import Unreadable
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import bindings, phones
from smsgw.variables import LOOPBACK

VERSION: Select[str] = select(column("version_num", String)).select_from(
    table(migrations.VERSION_TABLES["service"])
)
WRITE_WITHIN = 1.0  # seconds
LOCKED_FOR = 900  # milliseconds; shorter, so that the connection is not cut
COUNTING_LIMIT = 60.0  # seconds for each figure of /metrics
WRITTEN = (phones.c.version, messages.c.state, replies.c.state, bindings.c.used_at)
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")

log = logs.get(__name__)
blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def live() -> Response:
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """Answers 503 only if the database fails: without the rest, messages are taken and answered
    later."""
    rt = _runtime()
    is_ready = has_database(rt)
    body: dict[str, object] = {"ready": is_ready}
    if _may_look():
        faults = rt.ledger.check()
        body["parts"] = {
            "database": is_ready,
            "ledger": not faults,
            **queue_parts(rt),
        }
        if faults:
            body["faults"] = {"ledger": [str(fault) for fault in faults]}
    return jsonify(body), 200 if is_ready else 503


@blueprint.get("/metrics")
def figures() -> Response:
    if not _may_look():
        abort(403)
    try:
        with deadlines.patient(COUNTING_LIMIT):
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


def has_database(rt: Runtime) -> bool:
    """Tells whether what a message needs written could be, within a second, in this version's
    schema, which another version may have changed meanwhile. Nothing is written."""
    try:
        with deadlines.within(WRITE_WITHIN), rt.writing() as tx:
            if tx.connection.dialect.name == "postgresql":
                tx.connection.execute(text(f"SET LOCAL lock_timeout = {LOCKED_FOR}"))
            at = tx.connection.execute(VERSION).scalar()
            for each in WRITTEN:
                nothing = update(each.table).where(false())
                tx.connection.execute(nothing.values({each: each}))
        rt.clock_check.is_right()  # the log says so where it is not
    except (SQLAlchemyError, Unreadable):
        return False
    if at != migrations.head("service"):
        log.error(
            "the database schema is a different version", at=at, needed=migrations.head("service")
        )
    return at == migrations.head("service")


def queue_parts(rt: Runtime) -> dict[str, bool | None]:
    """Returns what the worker and the clock say lies in the queue's server: None where that is
    broken."""
    try:
        if rt.redis is not None and queue.takes_hints(rt.redis):
            beats = {"worker": queue.WORKER_BEATS, "clock": queue.CLOCK_BEATS}
            alive = {name: bool(rt.redis.exists(key)) for name, key in beats.items()}
            return {"queue": True, **alive}
    except RedisError:
        pass
    return {"queue": False, "worker": None, "clock": None}
