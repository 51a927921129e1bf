"""Answers the look-ups of a batch of messages from rows that were read for all of them at once."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from handlers.ports import LedgerDown
from smsgw.ledger import faults
from smsgw.ledger.faults import LookUpFault
from smsgw.ledger.server import DIED_WITHIN, Ask, Rows, Server
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.ledger.statements import FOR_SEVERAL, MOST_OF_SEVERAL
from smsgw.ledger.values import nkp_of
from smsgw.storage import deadlines

LIMIT = 0.75  # seconds: shorter than a look-up's, since a whole batch waits
LEFT_ALONE = (
    30.0  # seconds in which a look-up that failed for a batch is made by each message alone
)

Lookups = Mapping[str, Collection[str]]  # NKPs by the name of a look-up


class NotFetched(Exception):
    """The look-up was not read for the batch."""


class BatchLedger(SqlLedger):
    """Knows what was read for the batch, and what is the same for everybody. Any other look-up
    raises NotFetched."""

    def __init__(self, ledger: SqlLedger, lookups: Lookups) -> None:
        vars(self).update(vars(ledger))  # it is one ledger all the same
        self._fetched: dict[tuple[str, str], Rows] = {}
        self._connections: dict[Server, Connection] = {}
        try:
            for name, nkps in lookups.items():
                if nkps and name in FOR_SEVERAL and self._may_fetch(name):
                    self._fetch(name, sorted(nkps))
        finally:
            for server in list(self._connections):
                self._disconnect(server)

    def _rows(self, name: str, **keys: object) -> Rows:
        if not keys:
            return super()._rows(name)
        nkp = keys.get("nkp")
        if len(keys) > 1 or (name, nkp) not in self._fetched:
            raise NotFetched
        return self._fetched[name, str(nkp)]

    def _may_fetch(self, name: str) -> bool:
        """A look-up that failed a moment ago is tried by one message alone, as its circuit says."""
        is_due = time.monotonic() >= self._fetch_again.get(name, 0.0)
        is_well = is_due and self._circuits[name].is_closed
        return is_well and any(each.circuit.is_closed for each in self._servers(name))

    def _fetch(self, name: str, nkps: list[str]) -> None:
        """Leaves the look-up to each message alone where it fails."""
        try:
            rows = self._read(name, nkps)
        except NotFetched:
            return
        found = defaultdict(list)
        for row in rows:
            found[nkp_of(row.key)].append(row)
        # Otherwise NKPs are written in another way there, or there may be more rows.
        if found.keys() <= set(nkps) and len(rows) < MOST_OF_SEVERAL:
            self._fetched |= {(name, nkp): found[nkp] for nkp in nkps}

    def _read(self, name: str, nkps: list[str]) -> Rows:
        """Raises NotFetched."""
        ask = partial(FOR_SEVERAL[name].run, keys=nkps)
        started = time.monotonic()
        try:
            with self._place(name):
                return self._ask_servers(name, partial(self._ask_on_one, ask))
        except (NoConnection, LedgerDown):
            raise NotFetched from None
        except DBAPIError as error:
            self._fetch_again[name] = time.monotonic() + LEFT_ALONE
            fault = faults.of(name, error)
            # A slow look-up may be slow for one NKP, which shows when each is looked up alone.
            if fault.is_whole and time.monotonic() - started < LIMIT:
                self._record_fault(fault, None)
            raise NotFetched from None

    def _record_away(self, server: Server, fault: LookUpFault, seconds: float) -> None:
        """Leaves a primary that took too long for the batch to each message alone."""
        if server is self.replica or (fault.is_whole and seconds < LIMIT):
            super()._record_away(server, fault, seconds)

    def _ask_on_one(self, ask: Ask, server: Server) -> Rows:
        """Asks on the one connection of the batch to this server, and on another where it had
        died."""
        started = time.monotonic()
        with deadlines.within(LIMIT):
            try:
                if server not in self._connections:
                    self._connections[server] = server.connect()
                return ask(self._connections[server]).all()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._disconnect(server)
                if time.monotonic() - started > DIED_WITHIN:
                    raise
            return server.ask(ask)

    def _disconnect(self, server: Server) -> None:
        connection = self._connections.pop(server, None)
        if connection is not None:
            connection.close()
