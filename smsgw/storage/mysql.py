"""Makes engines for MySQL and MariaDB, which hold nothing but a scheme's own ledger."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pymysql
from pymysql.constants import CR, FIELD_TYPE
from pymysql.converters import convert_datetime, decoders
from sqlalchemy import URL, Engine, create_engine, event

from smsgw.storage import deadlines

DRIVER = "mysql+pymysql"  # speaks to MariaDB too
UNKNOWN_VARIABLE = 1193  # MySQL before 5.7
OFFSET = "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())"


def engine(address: URL, limit: float | None, cut_after: float | None) -> Engine:
    """Makes an engine whose statements run each by itself. The server ends what takes longer than
    `limit` seconds; its connection is cut after `cut_after`."""
    made = create_engine(
        address.set(drivername=DRIVER),
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        **({} if limit is None else {"pool_timeout": limit}),
    )

    @event.listens_for(made, "do_connect")
    def connect(_d: object, _r: object, _arguments: Any, options: dict[str, Any]) -> _Watched:
        return _connect(options, limit, cut_after)

    return made


def _connect(options: dict[str, Any], limit: float | None, cut_after: float | None) -> "_Watched":
    if limit is not None and cut_after is not None:
        seconds = deadlines.left(cut_after)
        if seconds < min(deadlines.HARDLY_ANY, limit / 2):
            raise pymysql.OperationalError("there is no time left to connect")
        options = options | {"connect_timeout": seconds}
    connection = _Watched(**options | {"autocommit": True, "defer_connect": True})
    connection.limit = cut_after
    connection.connect()
    if limit is not None:
        connection.limit_statements(limit)
    connection.read_times_with_offset()
    return connection


class _Watched(pymysql.connections.Connection):
    """Limits every wait, a look whether the connection still lives included. A TIMESTAMP comes with
    the session's offset; a DATETIME has none."""

    limit: float | None = None
    _waits = False

    def fileno(self) -> int:
        if self._sock is None:
            raise OSError("not connected")
        return int(self._sock.fileno())

    def connect(self, sock: socket.socket | None = None) -> Any:
        with self._limited():
            if sock is None and self.unix_socket:
                sock, self._secure = self._open(), True
            return super().connect(sock)

    def _open(self) -> socket.socket:
        """Connects to a socket file. PyMySQL would leave one open that does not connect."""
        opened = socket.socket(socket.AF_UNIX)
        try:
            opened.settimeout(self.connect_timeout)
            opened.connect(self.unix_socket)
        except OSError as error:
            opened.close()
            raise pymysql.OperationalError(CR.CR_CONNECTION_ERROR, str(error)) from None
        return opened

    def query(self, *args: Any, **kwargs: Any) -> Any:
        with self._limited():
            return super().query(*args, **kwargs)

    def ping(self, *args: Any, **kwargs: Any) -> Any:
        with self._limited():
            return super().ping(*args, **kwargs)

    def autocommit(self, *args: Any) -> Any:
        with self._limited():
            return super().autocommit(*args)

    def limit_statements(self, limit: float) -> None:
        """Lets the server end by itself what takes longer, so that it does not go on for nobody."""
        is_mariadb = "mariadb" in self.get_server_info().lower()
        name, value = ("statement_time", limit) if is_mariadb else ("execution_time", limit * 1000)
        try:
            self.query(f"SET SESSION max_{name} = {value if is_mariadb else round(value)}")
        except pymysql.Error as error:
            if error.args[:1] != (UNKNOWN_VARIABLE,):
                raise

    def read_times_with_offset(self) -> None:
        with self.cursor() as cursor:
            cursor.execute(OFFSET)
            row = cursor.fetchone()
        zone = timezone(timedelta(seconds=round((row[0] if row else 0) / 60) * 60))

        def read(written: str) -> object:
            found = convert_datetime(written)
            return found.replace(tzinfo=zone) if isinstance(found, datetime) else found

        self.decoders = {**decoders, FIELD_TYPE.TIMESTAMP: read}

    @contextmanager
    def _limited(self) -> Iterator[None]:
        if self.limit is None or self._waits:
            yield
            return
        self._waits = True
        try:
            with deadlines.cutting(self, self.limit):
                yield
        finally:
            self._waits = False
