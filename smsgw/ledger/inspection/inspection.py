"""Checks a ledger that somebody else keeps, before people meet what is wrong with it.

It reads samples and plans, and counts nothing: the tables may have any size. Each statement has the
engine's time limit, and all of them together ENOUGH seconds.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Select, Table, inspect, select, type_coerce
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.types import TypeEngine

from smsgw.ledger import faults
from smsgw.ledger.faults import FaultKind, LookUpFault
from smsgw.ledger.inspection import columns, contents, plans, replica, rights
from smsgw.ledger.inspection.finding import Finding
from smsgw.ledger.statements import FOR_SEVERAL, PING
from smsgw.ledger.values import RawType, nkp_of, read_nkp
from smsgw.storage import engines, schema_version
from smsgw.storage.bulk import BulkSelect
from smsgw.storage.tables.ledger import participants

ENOUGH = 60.0  # seconds
SAMPLED = 500  # rows of a table from its beginning, and as many of the newest participants
PEOPLE, THEIR_ROWS = 40, 1_000  # whose rows are looked up where a table is too large to begin with
DOUBLES_AMONG = 100  # participants
SCATTER = 7_919  # a prime: who is picked shares no digit
MOST_WHOLE = 5_000  # rows of what is read whole every minute
READ_WHOLE = {"offices", "rates", "contacts"}
BY_PEOPLE = {"balances", "contributions", "programs"}
LATEST = timedelta(seconds=60)  # that a replica may be behind

Row = Mapping[Any, Any]


class Inspection:
    """Inspects a ledger once. `analyze` also runs each look-up and takes the time. `is_ours`: its
    tables are filled by us, so that rights to write are none too many."""

    def __init__(
        self,
        engine: Engine,
        zone: ZoneInfo,
        *,
        analyze: bool = False,
        is_ours: bool = False,
        latest: timedelta = LATEST,
    ) -> None:
        self._engine = engines.reading(engine)
        self._zone = zone
        self._analyze, self._is_ours, self._latest = analyze, is_ours, latest
        self._until = time.monotonic() + ENOUGH
        self._columns: dict[str, Mapping[str, TypeEngine[Any]]] = {}
        self._rows: dict[str, Sequence[Row]] = {}
        self._faulty: set[str] = set()  # tables of which something is said already
        self._is_over = False

    def findings(self) -> Iterator[Finding]:
        """Yields what is to be done first, first."""
        yield from self._try("connection", self._greet)
        for table in columns.ALL:
            yield from self._try(table.name, partial(self._check_columns, table))
        if not self._is_ours:
            yield from self._try(rights.PLACE, rights.check)
        yield from self._try(replica.PLACE, partial(replica.check, at_most=self._latest))
        yield from self._contents()
        yield from self._plans()
        if time.monotonic() >= self._until:
            problem = f"the check ended after {ENOUGH:.0f} s, before it had seen everything"
            yield Finding("ledger", problem, "mend what is slow, then run it again")

    def _contents(self) -> Iterator[Finding]:
        for table in columns.ALL:
            if self._columns.get(table.name):
                yield from self._try(table.name, partial(self._check_rows, table))
        yield from self._try("participants", self._look_for_doubles)
        if "contacts" in self._rows:
            yield from contents.channels(self._rows["contacts"])

    def _plans(self) -> Iterator[Finding]:
        for name, table_name, ask in plans.asked(self._nkps(PEOPLE), self._nik()):
            if table_name not in self._faulty:
                explain = partial(plans.check, name=name, ask=ask, analyze=self._analyze)
                yield from self._try(f"look-up {name}", explain)

    def _try(
        self, place: str, check: Callable[[Connection], Iterable[Finding]]
    ) -> Iterator[Finding]:
        """Yields what a part of the check finds, or why it could not be done."""
        if self._is_over or time.monotonic() >= self._until:
            return
        try:
            with self._engine.connect() as connection:
                yield from check(connection)
        except (DBAPIError, NoConnection) as error:
            fault = faults.of(place, error)
            self._is_over = fault.is_whole
            self._faulty.add(place)
            yield _not_answered(place, fault, self._cause(error) if fault.is_whole else None)

    def _cause(self, error: DBAPIError | NoConnection) -> str:
        """Returns the first line of what the driver says of a connection."""
        return str(getattr(error, "orig", None) or type(error).__name__).strip().partition("\n")[0]

    def _greet(self, connection: Connection) -> Iterable[Finding]:
        connection.execute(PING)
        return ()

    def _check_columns(self, table: Table, connection: Connection) -> Iterator[Finding]:
        there = columns.of(connection, table)
        self._columns[table.name] = there
        if not columns.READ[table.name].keys() <= there.keys():
            self._faulty.add(table.name)
        yield from columns.check(table, there)

    def _check_rows(self, table: Table, connection: Connection) -> Iterator[Finding]:
        rows = self._sample(table, connection)
        self._rows[table.name] = rows
        if not rows and (finding := contents.nothing(table.name)):
            yield finding
        if table.name in READ_WHOLE and len(rows) >= MOST_WHOLE:
            problem = f"it has {MOST_WHOLE} rows or more, and is read whole every minute"
            yield Finding(table.name, problem, "show only what people ask for")
        yield from contents.check(table.name, rows, self._zone)

    def _sample(self, table: Table, connection: Connection) -> Sequence[Row]:
        """Reads some rows from a table's beginning. Of what a view may have to compute as a whole
        it reads some people's."""
        some = self._select(table)
        if table.name in BY_PEOPLE:
            return self._of_people(table, connection, some) if self._nkps(PEOPLE) else []
        most = MOST_WHOLE if table.name in READ_WHOLE else SAMPLED
        rows = _all(connection, some.limit(most))
        newest = some.order_by(table.c.nkp.desc()) if table is participants else None
        if newest is None or len(rows) < SAMPLED or "nkp" not in self._columns[table.name]:
            return rows
        return [*rows, *self._newest(connection, newest.limit(SAMPLED), rows)]

    def _newest(
        self, connection: Connection, statement: Select[*tuple[Any, ...]], known: Sequence[Row]
    ) -> Sequence[Row]:
        """Reads rows that are not known yet; none where there is no index to find them by."""
        try:
            rows = _all(connection, statement)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return []
        nkps = {row["nkp"] for row in known}
        return [row for row in rows if row["nkp"] not in nkps]

    def _of_people(
        self, table: Table, connection: Connection, some: Select[*tuple[Any, ...]]
    ) -> Sequence[Row]:
        if "nkp" not in self._columns[table.name]:
            return []
        key = type_coerce(table.c.nkp, RawType())
        theirs = BulkSelect(some.limit(THEIR_ROWS).where, key, is_typed=False)
        found = theirs.run(connection, self._nkps(PEOPLE))
        return [row._mapping for row in found]

    def _select(self, table: Table) -> Select[*tuple[Any, ...]]:
        there = self._columns[table.name]
        names = [name for name in columns.READ[table.name] if name in there]
        return select(*(type_coerce(table.c[name], RawType()).label(name) for name in names))

    def _look_for_doubles(self, connection: Connection) -> Iterator[Finding]:
        """Looks participants up whose other rows may stand anywhere."""
        nkps = self._nkps(DOUBLES_AMONG)
        if "participants" in self._faulty or not nkps:
            return
        sampled = self._rows["participants"]
        if not list(contents.twice("participants", sampled, self._zone)):  # it is said already
            rows = FOR_SEVERAL["participant"].run(connection, nkps)
            theirs = [{"nkp": nkp_of(row.key)} for row in rows]
            yield from contents.twice("participants", theirs, self._zone)

    def _nkps(self, most: int) -> Sequence[str]:
        """Returns NKPs of the sample, from all over it."""
        read = (read_nkp(row.get("nkp")) for row in self._rows.get("participants", ()))
        known = list(dict.fromkeys(nkp for nkp in read if nkp))
        places = {place * SCATTER % len(known) for place in range(most)} if known else ()
        return sorted(known[place] for place in places)

    def _nik(self) -> str | None:
        read = columns.READ["participants"]["nik"]
        for row in self._rows.get("participants", ()):
            if row.get("nik") is not None and (
                nik := contents.as_read(read, row["nik"], self._zone)
            ):
                return str(nik)
        return None


def is_ours(engine: Engine) -> bool:
    """Tells whether the ledger's tables are ours. Raises SQLAlchemyError."""
    has_schema = engine.dialect.name in schema_version.HAVE_SCHEMAS
    return has_schema and schema_version.current(engine, "ledger") is not None


def is_foreign(engine: Engine) -> bool:
    """Tells whether somebody else keeps the ledger: not where it has no tables at all. Raises
    SQLAlchemyError."""
    if engine.dialect.name not in schema_version.HAVE_SCHEMAS:
        return True
    if is_ours(engine):
        return False
    with engines.reading(engine).connect() as connection:
        there = inspect(connection)
        return any(there.has_table(table.name) for table in columns.ALL)


def _all(connection: Connection, statement: Select[*tuple[Any, ...]]) -> Sequence[Row]:
    return [row._mapping for row in connection.execute(statement)]


def _not_answered(place: str, fault: LookUpFault, cause: str | None) -> Finding:
    code = f" {fault.code}" if fault.code else ""
    told = cause or fault.detail
    why = f"{fault.error}{code}" + (f": {told}" if told else "")
    if fault.is_whole:
        remedy = "check LEDGER_URL, the server, the network, and the role's password and rights"
        return Finding("connection", f"the ledger cannot be read ({why})", remedy)
    if fault.kind is FaultKind.SLOW:
        return Finding(place, "it takes longer than the time limit of a look-up", plans.INDEX)
    remedy = "see what the server's own log says of it, and change the view"
    if fault.code == "42501" or "denied" in (told or ""):
        remedy = "GRANT SELECT on it, and USAGE on its schema, to LEDGER_URL's role"
    return Finding(place, f"it is refused ({why})", remedy)
