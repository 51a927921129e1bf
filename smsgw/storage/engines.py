"""Makes database engines, with limits for everything that waits."""

import contextlib
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from smsgw import addresses, logs
from smsgw.addresses import OURS_IN_ADDRESS
from smsgw.storage import deadlines

log = logs.get(__name__)

# Seconds. PostgreSQL estimates the cost of a general plan once for each connection. If it did so
# before a table had statistics, it may go on planning the statement at each use.
RENEWED_AFTER = 3600
IDLE = 1.0  # seconds after which a connection may have died unnoticed
SQLITE_LIMIT = 10.0  # seconds that a command waits for another writer

# Of a page that an index leads to, where the next one of a table costs 1. PostgreSQL takes 4 by
# itself, as of a turning disk, and in a new database goes on reading a table that has grown since.
LOOK_UP_COST = 1.1

CANCEL_TAKES = 0.25  # seconds that a live server has to end by itself what is over its limit


def engine(url: str, limit: float | None = None, *, lock_limit: float | None = None) -> Engine:
    """Makes an engine, and nothing else does. Errors never print parameters: they are people's
    data.

    `limit`: seconds after which connecting, or whatever else is waited for, is given up, even of a
    server that is frozen. `lock_limit`: seconds after which a statement that waits for others is;
    where there is none, the server itself ends statements after `limit`, and a connection that
    died meanwhile shows when it is used, and not before.
    """
    address = make_url(url)
    if address.drivername in {"postgres", "postgresql"}:
        address = address.set(drivername="postgresql+psycopg")
    if addresses.is_mysql(url):
        from smsgw.storage import mysql  # whose driver is an extra

        return mysql.engine(address, limit, None if limit is None else limit + CANCEL_TAKES)
    if address.get_backend_name() != "sqlite":
        options = _postgres_options(address, limit, lock_limit)
        address = address.difference_update_query(OURS_IN_ADDRESS)
        # The connection that was used last has the most statements prepared; ten stay open.
        pool = {
            "pool_size": 10,
            "max_overflow": 5,
            "pool_use_lifo": True,
            "pool_recycle": RENEWED_AFTER,
        }
        new_engine = create_engine(address, hide_parameters=True, **pool, **options)
        event.listen(new_engine, "handle_error", _name_pooler)
        if limit is not None:
            deadlines.watch(new_engine, limit + CANCEL_TAKES)
        if limit is None or lock_limit is not None:
            _test_what_was_idle(new_engine)
        return new_engine
    waits = limit or SQLITE_LIMIT
    new_engine = create_engine(address, connect_args={"timeout": waits}, hide_parameters=True)
    event.listen(new_engine, "do_connect", _make_private)
    event.listen(new_engine, "connect", _prepare_sqlite)
    event.listen(new_engine, "begin", partial(_begin_sqlite, waits))
    return new_engine


def reading(made: Engine) -> Engine:
    """Returns an engine for short reads. On PostgreSQL each statement runs by itself: a transaction
    would cost two trips more, and where one is rolled back, psycopg forgets what it prepared on the
    connection. On MySQL each does anyway. On SQLite none waits for the one writer."""
    if made.dialect.name == "postgresql":
        return made.execution_options(isolation_level="AUTOCOMMIT")
    return made.execution_options(read_only=True)


def _postgres_options(
    address: URL, limit: float | None, lock_limit: float | None
) -> dict[str, Any]:
    """Returns what the address says of preparing statements, and its `options` beside ours: libpq
    takes the last of each, so that the address's counts. PgBouncer takes none of ours: there
    `overdue` alone keeps the limit."""
    options = {name: values[-1].lower() for name, values in address.normalized_query.items()}
    is_pooled = options.get("pgbouncer") in {"1", "true"}
    threshold = "0" if is_pooled else options.get("prepare_threshold")
    arguments: dict[str, Any] = {}
    if threshold is not None:
        arguments["prepare_threshold"] = int(threshold.replace("none", "0")) or None
    if limit is None:
        return {"connect_args": arguments}
    milliseconds = round(limit * 1000)
    arguments["connect_timeout"] = max(2, round(limit))  # libpq takes a shorter one for two seconds
    arguments["tcp_user_timeout"] = milliseconds
    if not is_pooled:
        theirs = address.normalized_query.get("options") or (os.environ.get("PGOPTIONS", ""),)
        ours = f"-c statement_timeout={milliseconds}"
        if lock_limit is not None:
            ours = f"-c lock_timeout={round(lock_limit * 1000)} -c random_page_cost={LOOK_UP_COST}"
        arguments["options"] = " ".join([ours, *filter(None, theirs)])
    return {"pool_timeout": limit, "connect_args": arguments}


def _test_what_was_idle(made: Engine) -> None:
    """Asks a connection whether it lives before it is used again, which costs a trip, unless it was
    in use a moment ago."""

    @event.listens_for(made, "checkin")
    def stamp(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(made, "checkout")
    def test(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) < IDLE:
            return
        try:
            made.dialect.do_ping(connection)
        except made.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error


def _name_pooler(context: ExceptionContext) -> None:
    """Drops a connection that is of no more use: what it prepared was prepared on another
    server's."""
    if isinstance(context.original_exception, InvalidSqlStatementName | DuplicatePreparedStatement):
        log.error("a prepared statement is lost; behind PgBouncer, add pgbouncer=1 to the address")
        context.invalidate_pool_on_disconnect = False
        context.is_disconnect = True


def _make_private(_dialect: object, _record: object, arguments: list[Any], _: object) -> None:
    """Makes a new file that nobody else may read; SQLite would make it as the umask has it."""
    file = Path(str(arguments[0]))
    if arguments and file.parent.is_dir() and str(file) != ":memory:":
        with contextlib.suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # what is destroyed does not lie in free pages


def _begin_sqlite(limit: float, connection: Connection) -> None:
    # A transaction that reads and then writes loses updates unless it is the writer from its start.
    options = connection.get_execution_options()
    if options.get("read_only"):
        connection.exec_driver_sql("BEGIN")
        return
    limit = options.get("waits_for_writer", limit)
    milliseconds = max(0, round(min(limit, deadlines.left(limit)) * 1000))
    driver = connection.connection.cursor()
    driver.execute(f"PRAGMA busy_timeout={milliseconds}")
    driver.close()
    connection.exec_driver_sql("BEGIN IMMEDIATE")
