"""Tells whether each part works that a message and its reply need."""

from redis.exceptions import RedisError
from sqlalchemy import false, text, update
from sqlalchemy.exc import SQLAlchemyError

from smsgw import logs
from smsgw.operations import queue
from smsgw.runtime import Runtime
from smsgw.storage import deadlines, schema_version
from smsgw.storage.crypto import Unreadable
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import bindings, phones

VERSION = schema_version.stored("service")
WRITE_WITHIN = 1.0  # seconds
LOCKED_FOR = 900  # milliseconds; shorter, so that the connection is not cut
WRITTEN = (phones.c.version, messages.c.state, replies.c.state, bindings.c.used_at)

log = logs.get(__name__)


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
    is_usable = schema_version.is_usable("service", at)
    if not is_usable:
        needed = schema_version.head("service")
        log.error("the database schema is a different version", at=at, needed=needed)
    return is_usable


def parts_beside_database(rt: Runtime) -> dict[str, bool | None]:
    """Returns the state of each other part: None where it is not known."""
    return {"ledger": not rt.ledger.check(), **queue_parts(rt)}


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
