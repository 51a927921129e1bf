"""Imports ledger files into PostgreSQL: copies them into tables of text, checks them there, and
writes the rows that say something new in one transaction at the end.

Whoever reads meanwhile neither waits nor sees half an import. The transaction that will write
begins first and holds a lock, so that a second import is refused; it holds no snapshot while files
are copied and checked. The tables of text are dropped by the import, or by the next one if it was
killed.
"""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from sqlalchemy import Connection, CreateTableAs, Engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from smsgw.ledger import csv_reading
from smsgw.ledger.csv_faults import NAMED, Fault, Faults, LoadError
from smsgw.ledger.csv_format import FILES
from smsgw.ledger.csv_reading import Unreadable
from smsgw.ledger.load_request import LoadRequest, LoadResult
from smsgw.ledger.rules import REFUSED_PHONES, PhoneNumber
from smsgw.ledger.staging import Staging, tables_left

LOCK = 4_927_561_380  # of this database: who holds it imports
AT_ONCE = 1_000  # rows that are read
# An import takes the time that it needs. Its server ends what a killed one left running.
SETTINGS = """
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL lock_timeout = 0;
    SET LOCAL work_mem = '128MB';
    SELECT set_config(name, '5s', true) FROM pg_settings
    WHERE name = 'client_connection_check_interval'
"""


def load(engine: Engine, request: LoadRequest, faults: Faults) -> dict[str, LoadResult]:
    """Returns what became of each file. Raises LoadError, having changed nothing."""
    imports = [_FileImport(engine, name, path, faults) for name, path in request.files.items()]
    try:
        with _transaction(engine) as writing:
            take_lock(writing)
            _drop_tables(engine)
            for each in imports:
                each.stage(request)
            faults.raise_if_any()
            results = {each.name: each.merge(writing, request) for each in imports}
    finally:
        _clear(engine)
    for name in results:
        _analyze(engine, name)
    return results


class _FileImport:
    def __init__(self, engine: Engine, name: str, path: Path, faults: Faults) -> None:
        self.name = name
        self._engine, self._path, self._faults = engine, path, faults
        self._staging = Staging(name, FILES[name])
        self._columns: list[str] = []  # in the file's order
        self._rows = self._bad = 0

    def stage(self, request: LoadRequest) -> None:
        """Copies the rows and notes what is wrong with them."""
        request.begin_step(f"reading {self.name}")
        with _transaction(self._engine) as connection:
            self._staging.rows.create(connection)
        try:
            with _transaction(self._engine) as connection:
                self._copy(connection, request)
        except Unreadable as error:
            self._faults.add_fatal(self._path.name, error.line, str(error))
            return
        request.begin_step(f"checking {self.name}")
        with _transaction(self._engine) as connection:
            self._check(connection)
            self._report(connection)
        if request.replace and self._rows == self._bad:
            self._faults.add_fatal(self._path.name, 1, csv_reading.NOTHING_TO_REPLACE)

    def _copy(self, connection: Connection, request: LoadRequest) -> None:
        batches = csv_reading.read(self._staging.file, self._path, request.since, request.progress)
        first = next(batches, None)
        if first is None:
            return
        self._columns = list(first.columns)
        driver = connection.connection.cursor()
        with driver.copy(self._staging.copy(self._columns)) as copy:
            for _, rows in chain([first], batches):
                written = io.StringIO()
                csv.writer(written).writerows(rows)
                copy.write(written.getvalue())
                self._rows += len(rows)

    def _check(self, connection: Connection) -> None:
        staging = self._staging
        self._refuse_phones(connection)
        connection.execute(CreateTableAs(staging.find_faults(), staging.faults.name))
        connection.execute(CreateTableAs(staging.find_repeated(), staging.repeated.name))
        if connection.execute(select(staging.repeated).limit(1)).first() is not None:
            connection.execute(staging.add_repeated())

    def _refuse_phones(self, connection: Connection) -> None:
        """Asks phonenumbers about the few numbers whose shape does not tell."""
        doubtful = self._staging.doubtful_phones()
        if doubtful is None:
            return
        numbers = connection.execute(doubtful, execution_options={"yield_per": AT_ONCE})
        rule = PhoneNumber()
        for few in numbers.scalars().partitions():
            refused = [{"number": number} for number in few if not rule.allows(number)]
            if refused:
                connection.execute(insert(REFUSED_PHONES), refused)

    def _report(self, connection: Connection) -> None:
        staging = self._staging
        self._bad = connection.execute(
            select(func.count()).select_from(staging.faults)
        ).scalar_one()
        if not self._bad:
            return
        named = staging.named_faults(self._columns)
        named = named if self._faults.are_written else named.limit(NAMED)
        told = 0
        for line, what, row, *fields in connection.execution_options(yield_per=1_000).execute(
            named
        ):
            shown = row or csv_reading.shown(fields)
            self._faults.add(Fault(self._path.name, line, what, shown))
            told += 1
        self._faults.add_unnamed(self._path.name, self._bad - told)
        self._faults.check_share(self._path.name, self._rows)

    def merge(self, connection: Connection, request: LoadRequest) -> LoadResult:
        request.begin_step(f"writing {self.name}")
        table = self._staging.file.table
        is_empty = connection.execute(select(table).limit(1)).first() is None
        write = self._staging.insert_all if is_empty else self._staging.merge
        connection.execute(write(has_faults=self._bad > 0))
        deleted = 0
        if request.replace and not is_empty:
            deleted = connection.execute(self._staging.delete_absent()).rowcount
        return LoadResult(self._rows - self._bad, deleted, self._bad)


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        connection.exec_driver_sql(SETTINGS)
        yield connection


def take_lock(connection: Connection) -> None:
    """Lets nobody else write the whole ledger until the transaction ends. Raises LoadError."""
    if not connection.execute(select(func.pg_try_advisory_xact_lock(LOCK))).scalar_one():
        holder = connection.execute(text(HOLDER), {"lock": LOCK}).first()
        who = f" (process {holder.pid} of the server, since {holder.since})" if holder else ""
        raise LoadError(f"another import is running{who}; wait until it has ended")


HOLDER = """
    SELECT a.pid, to_char(a.xact_start, 'HH24:MI:SS') AS since
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.database = (
        SELECT oid FROM pg_database WHERE datname = current_database()
    ) AND (l.classid::bigint << 32) + l.objid::bigint = :lock
"""


def _drop_tables(engine: Engine) -> None:
    """Drops what an import that was killed left behind, once its server has ended it."""
    with _transaction(engine) as connection:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {', '.join(tables_left())}")
        REFUSED_PHONES.create(connection)


def _clear(engine: Engine) -> None:
    """Drops the tables of this import, unless another one has begun, which has dropped them."""
    with suppress(DBAPIError), _transaction(engine) as connection:
        if connection.execute(select(func.pg_try_advisory_xact_lock(LOCK))).scalar_one():
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {', '.join(tables_left())}")


def _analyze(engine: Engine, name: str) -> None:
    """Lets the planner know how many rows there are now; if it cannot be, PostgreSQL does it
    later by itself."""
    with suppress(DBAPIError), _transaction(engine) as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '3s'")
        connection.exec_driver_sql(f"ANALYZE {name}")
