"""Reads addresses of databases and of the queue, as the environment gives them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from redis.connection import parse_url
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DATABASES = ("postgresql", "postgres", "postgresql+psycopg", "sqlite")
# What an address of PostgreSQL may say that is for us and not for libpq.
OURS_IN_ADDRESS = {
    "pgbouncer": r"[01]|true|false",
    "prepare_threshold": r"[0-9]{1,4}|none",
}

# Whose tables are read as the scheme's own ledger, and never written.
FOR_LEDGERS = ("mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql")
MYSQL_OPTIONS = {
    "charset",
    "ssl_ca",
    "ssl_capath",
    "ssl_cert",
    "ssl_check_hostname",
    "ssl_cipher",
    "ssl_key",
    "unix_socket",
}


def is_sqlite(address: str) -> bool:
    return make_url(address).get_backend_name() == "sqlite"


def is_mysql(address: str) -> bool:
    """Tells whether it is MySQL's or MariaDB's."""
    return make_url(address).get_backend_name() in FOR_LEDGERS


def sqlite_file(address: str | None) -> Path | None:
    """Returns SQLite's file, or None for another database or one in memory."""
    url = make_url(address) if address else None
    if url is None or url.get_backend_name() != "sqlite" or not url.database:
        return None
    return None if url.database == ":memory:" else Path(url.database)


def with_file(address: str, file: Path) -> str:
    """Returns the same address of SQLite with another file."""
    return make_url(address).set(database=str(file)).render_as_string(False)


def replica_fault(replica: str, ledger: str | None) -> str | None:
    """Returns why one address cannot be that of another's replica."""
    if not all(_kind(each or "").startswith("postgres") for each in (replica, ledger)):
        return "is for PostgreSQL, which LEDGER_URL has to be too; unset it"
    if replica == ledger:
        return "names the ledger itself; name its replica, or unset it"
    return None


def _kind(value: str) -> str:
    try:
        return make_url(value).drivername
    except (ArgumentError, ValueError):
        return ""


def _database(value: str) -> str:
    kind = _kind(value)
    if kind in FOR_LEDGERS:
        raise ValueError("must be PostgreSQL's or SQLite's; MySQL and MariaDB are for LEDGER_URL")
    if kind not in DATABASES:
        raise ValueError("must be an address such as postgresql://user@host/name or sqlite:///file")
    if kind != "sqlite":
        _check_options(make_url(value).normalized_query)
    return value


def _ledger(value: str) -> str:
    if _kind(value) in DATABASES:
        return _database(value)
    if _kind(value) not in FOR_LEDGERS:
        raise ValueError(
            "must be an address such as postgresql://user@host/name, mariadb://user@host/name or "
            "https://host/path; docs/ledger.md says how other databases are read"
        )
    try:
        import pymysql  # noqa: F401 - an extra
    except ImportError:
        raise ValueError(
            "needs the driver of MySQL and MariaDB: install requirements/mysql.lock instead of "
            "run.lock"
        ) from None
    for name in make_url(value).normalized_query:
        if name not in MYSQL_OPTIONS:
            known = ", ".join(sorted(MYSQL_OPTIONS))
            raise ValueError(f"has {name}; the options of a MySQL address are {known}")
    return value


def _queue(value: str) -> str:
    try:
        parse_url(value)
        is_port = urlsplit(value).port != 0
    except ValueError:
        is_port = False
    if not is_port:
        raise ValueError("must be an address such as redis://host:6379/0 or unix:///path")
    return value


def _check_options(options: Mapping[str, Sequence[str]]) -> None:
    """Checks options of PostgreSQL. Raises ValueError: the driver would take some, and fail at each
    statement."""
    if not options:
        return
    from psycopg import pq  # who has no such address need not wait for it

    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    for name, values in options.items():
        shape = OURS_IN_ADDRESS.get(name)
        if shape is None and name not in known:
            raise ValueError(f"has {name}, which is no option of a PostgreSQL address")
        if shape is not None and not all(re.fullmatch(shape, value.lower()) for value in values):
            raise ValueError(
                "behind PgBouncer's transaction mode, say pgbouncer=1; prepare_threshold is after "
                "how many uses a statement is prepared, and 0 or none prepares none"
            )


DatabaseAddress = Annotated[str, AfterValidator(_database)]
LedgerAddress = Annotated[str, AfterValidator(_ledger)]
QueueAddress = Annotated[str, AfterValidator(_queue)]
