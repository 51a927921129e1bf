"""Whether this process lives, and whether it can do its work."""

from flask import Blueprint, Response, current_app, jsonify, request
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from smsgw.runtime import Runtime
from smsgw.settings import LOOPBACK

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def live() -> Response:
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """503 without the database; without the queue messages are still taken, and answered later."""
    rt: Runtime = current_app.extensions["smsgw"]
    parts = {"database": _database(rt), "queue": _queue(rt)}
    told: dict[str, object] = {"ready": parts["database"]}
    if request.remote_addr in LOOPBACK:
        told["parts"] = parts
    return jsonify(told), 200 if parts["database"] else 503


def _database(rt: Runtime) -> bool:
    try:
        with rt.reading() as tx:
            return bool(tx.connection.execute(text("SELECT 1")).scalar_one())
    except SQLAlchemyError:
        return False


def _queue(rt: Runtime) -> bool:
    try:
        return rt.redis is not None and bool(rt.redis.ping())
    except RedisError:
        return False
