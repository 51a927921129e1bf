"""Looks up rows of a ledger that is a database, by an indexed key, never by a scan."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from math import inf
from threading import BoundedSemaphore
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from handlers.ports import LedgerDown
from smsgw.ledger import faults
from smsgw.ledger.faults import Failures, FaultKind, LookUpFault, Unanswered
from smsgw.ledger.replica import Replica
from smsgw.ledger.row_ledger import RowLedger, Rows
from smsgw.ledger.server import DIED_WITHIN, Ask, Server
from smsgw.ledger.statements import (
    FOR_SEVERAL,
    FOR_SLICES,
    JOINED,
    LOOK_UPS,
    MOST_OF_SEVERAL,
    NOBODY,
    NUMBER_ON_FILE,
)
from smsgw.storage import deadlines
from smsgw.storage.bulk import BulkSelect

KEPT = 60.0  # seconds; every reply names the call centre
AT_ONCE = 10  # of one look-up; the engine has fifteen connections, so that others find one
APART = 30.0  # seconds in which look-ups that failed together are not made in one trip
PATIENCE = 1.0  # seconds for a place among them


class SqlLedger(RowLedger):
    """Reads a database, on an engine of its own. `replica` is asked first for all but the number on
    file."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float] = time.monotonic,
        *,
        zone: ZoneInfo | None = None,
        failures: Failures | None = None,
        replica: Replica | None = None,
    ) -> None:
        failures = failures or Failures()
        source = SqlSource(Server(engine, clock), replica, failures)
        super().__init__(source, clock, zone=zone, failures=failures)


class SqlSource:
    """Asks the primary or its replica. What its replica did not answer is counted in `failures`."""

    together = FOR_SEVERAL.keys()
    kept_for = KEPT

    def __init__(self, primary: Server, replica: Replica | None, failures: Failures) -> None:
        self.replica = replica
        self._primary = primary
        self._failures = failures
        self._places = {name: BoundedSemaphore(AT_ONCE) for name in LOOK_UPS}
        self._join_again = 0.0  # when several look-ups may be made in one trip again

    @property
    def engine(self) -> Engine:
        return self._primary.engine

    def read(self, name: str, keys: Mapping[str, object]) -> Rows:
        with _explaining(name), self._place(name):
            return self._ask(name, _asking(LOOK_UPS[name], keys))

    def read_several(
        self, lookups: Mapping[str, Sequence[str]], limit: float
    ) -> Iterator[tuple[str, Rows | Unanswered]]:
        """Asks on one connection to each server; `limit` is for each look-up there."""
        joined = self._read_joined(lookups, limit)
        if joined is not None:
            yield from joined
            return
        with closing(_Batch(limit)) as batch:
            for name, nkps in lookups.items():
                if any(each.circuit.is_closed for each in self._servers(name)):
                    yield from self._read_in(batch, name, nkps)

    def read_slice(self, name: str, nkps: Sequence[str], limit: float) -> Rows:
        ask = partial(_select, FOR_SLICES[name], list(nkps))
        with _explaining(name), self._place(name), deadlines.within(limit):
            return self._ask(name, lambda server: server.ask(ask), limit=limit)

    def look(self) -> Iterator[LookUpFault | None]:
        for name, statement in LOOK_UPS.items():
            keys = {key: NOBODY[key] for key in statement.compile().params if key in NOBODY}
            try:
                with _explaining(name):
                    self._ask(name, _asking(statement, keys), always=True)
                fault = None
            except Unanswered as error:
                fault = error.fault
            yield fault

    def close(self) -> None:
        for server in filter(None, (self._primary, self.replica)):
            server.engine.dispose()

    def _read_in(
        self, batch: "_Batch", name: str, nkps: Sequence[str]
    ) -> Iterator[tuple[str, Rows | Unanswered]]:
        ask = partial(batch.ask, partial(_select, FOR_SEVERAL[name], nkps))
        try:
            with _explaining(name), self._place(name):
                rows = self._ask(name, ask, limit=batch.limit)
        except LedgerDown:
            return
        except Unanswered as error:
            yield name, error
        else:
            yield name, _unless_too_many(name, rows)

    def _read_joined(
        self, lookups: Mapping[str, Sequence[str]], limit: float
    ) -> Sequence[tuple[str, Rows | Unanswered]] | None:
        """Asks for all in one trip. Returns None where that is not possible, or fails: asked for
        one after the other, they show which of them is at fault."""
        is_single = len(lookups) < 2 or self.replica is not None
        is_postgres = self.engine.dialect.name == "postgresql"
        if is_single or not is_postgres or time.monotonic() < self._join_again:
            return None
        if not self._primary.circuit.is_closed:
            return None
        free = [name for name in lookups if self._places[name].acquire(blocking=False)]
        try:
            if len(free) < len(lookups):
                return None
            with deadlines.within(limit):
                found = self._primary.ask(partial(JOINED.run, keys=lookups))
        except (DBAPIError, NoConnection):
            self._join_again = time.monotonic() + APART
            return None
        finally:
            for name in free:
                self._places[name].release()
        self._primary.circuit.record_success()
        return [(name, _unless_too_many(name, rows)) for name, rows in found.items()]

    def _servers(self, name: str) -> Iterator[Server]:
        """Yields who may answer, the best first. A number on file that has changed is another
        person's: a replica tells it only instead of a primary that is away."""
        if self.replica is None:
            yield self._primary
        elif name not in NUMBER_ON_FILE:
            if fault := self.replica.observe():
                self._failures.add(fault)
            yield from (self.replica, self._primary)
        else:
            yield self._primary
            if self.replica.is_trusted():
                yield self.replica

    def _ask(
        self,
        name: str,
        ask: Callable[[Server], Rows],
        *,
        always: bool = False,
        limit: float = inf,
    ) -> Rows:
        """Asks the first server that answers. `always`: also one that was away a moment ago;
        `limit`: the seconds after which the caller's time was over. Raises what the last one
        raised, LedgerDown where none was asked."""
        failure: DBAPIError | None = None
        for server in self._servers(name):
            if not always and not server.circuit.may_pass():
                continue
            started = time.monotonic()
            try:
                rows = ask(server)
            except DBAPIError as error:
                failure, fault = error, faults.of(name, error)
                self._record_away(server, fault, is_late=time.monotonic() - started >= limit)
                if not self._may_others_answer(server, fault):
                    break
            else:
                server.circuit.record_success()
                if failure is not None and server is self.replica:
                    self._failures.add(faults.of(name, failure))
                return rows
        raise failure or LedgerDown("away a moment ago")

    def _record_away(self, server: Server, fault: LookUpFault, *, is_late: bool) -> None:
        """Records whether a server was away, or answered, if only to refuse. A primary that
        `is_late` for many may be in time for each alone."""
        if server is self.replica:
            self._failures.add(replace(fault, name=faults.REPLICA))
        if not fault.is_whole:
            server.circuit.record_success()
        elif server is self.replica or not is_late:
            server.circuit.record_failure()

    def _may_others_answer(self, server: Server, fault: LookUpFault) -> bool:
        """Tells whether another server is asked too. What is slow would be slow there as well."""
        is_slow = fault.kind is FaultKind.SLOW and not fault.is_of_standby
        return fault.is_whole or (server is self.replica and not is_slow)

    @contextmanager
    def _place(self, name: str) -> Iterator[None]:
        """Raises NoConnection."""
        if not self._places[name].acquire(timeout=PATIENCE):
            raise NoConnection
        try:
            yield
        finally:
            self._places[name].release()


class _Batch:
    """Holds the one connection of a batch to each server, which is made when it is needed. `limit`
    is for each time that it is asked."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._connections: dict[Server, Connection] = {}

    def ask(self, ask: Ask[Rows], server: Server) -> Rows:
        """Asks on another connection where this one had died."""
        started = time.monotonic()
        with deadlines.within(self.limit):
            try:
                if server not in self._connections:
                    self._connections[server] = server.connect()
                return ask(self._connections[server])
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._disconnect(server)
                if time.monotonic() - started > DIED_WITHIN:
                    raise
            return server.ask(ask)

    def close(self) -> None:
        for server in list(self._connections):
            self._disconnect(server)

    def _disconnect(self, server: Server) -> None:
        connection = self._connections.pop(server, None)
        if connection is not None:
            connection.close()


@contextmanager
def _explaining(name: str) -> Iterator[None]:
    """Raises Unanswered for what the database raises."""
    try:
        yield
    except NoConnection as error:
        raise Unanswered(faults.of(name, error), was_asked=False) from error
    except DBAPIError as error:
        raise Unanswered(faults.of(name, error)) from error


def _asking(
    statement: Select[*tuple[Any, ...]], keys: Mapping[str, object]
) -> Callable[[Server], Rows]:
    return lambda server: server.ask(partial(_execute, statement, keys))


def _execute(
    statement: Select[*tuple[Any, ...]], keys: Mapping[str, object], connection: Connection
) -> Rows:
    return connection.execute(statement, keys).mappings().all()


def _select(select: BulkSelect, keys: Sequence[str], connection: Connection) -> Rows:
    return select.run(connection, keys).mappings().all()


def _unless_too_many(name: str, rows: Rows) -> Rows | Unanswered:
    if len(rows) < MOST_OF_SEVERAL:
        return rows
    return Unanswered(LookUpFault(name, FaultKind.SLOW, "TooManyRows"), was_asked=False)
