"""Looks up rows of the participant ledger by an indexed key, never by a scan. What is small and
the same for everybody (contacts, offices, rates) is read whole and kept for a minute."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from threading import BoundedSemaphore
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, CursorResult, Engine, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from handlers.ports import (
    Balance,
    Claim,
    Contact,
    LedgerDown,
    LookUpFailed,
    LookUpWaits,
    Office,
    Participant,
    Rate,
    YearPaid,
)
from smsgw.ledger import faults
from smsgw.ledger.circuit_breaker import Circuit
from smsgw.ledger.faults import Failures, FaultKind, LookUpFault
from smsgw.ledger.replica import Replica
from smsgw.ledger.server import Rows, Server
from smsgw.ledger.statements import LOOK_UPS, MOST_ROWS, NOBODY, NUMBER_ON_FILE
from smsgw.ledger.values import FIELDS, NEEDED, TABLES, Read, UnreadableValue, amount, day, text

KEPT = 60.0  # seconds; every reply names the call centre
AWAY_KEPT = 5.0  # seconds before a ledger that was away is asked for one again
AT_ONCE = 10  # of one look-up; the engine has fifteen connections, so that others find one
PATIENCE = 1.0  # seconds for a place among them
CHECKED_EVERY, CHECK_LIMIT = 10.0, 2.0  # seconds
REMEMBERED = 60.0  # seconds that a fault is told of, unless the look-up worked since

Record = TypeVar("Record")


class SqlLedger:
    """Implements handlers.ports.Ledger over a database, on an engine of its own. `failures` counts
    what it did not answer; `replica` is asked first for all but the number on file."""

    may_fetch = True  # what several messages look up, at once

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float] = time.monotonic,
        *,
        zone: ZoneInfo | None = None,
        failures: Failures | None = None,
        replica: Replica | None = None,
    ) -> None:
        self.engine = engine
        self.failures = failures or Failures()
        self.replica = replica
        self._primary = Server(engine, clock)
        self._clock = clock
        self._zone = zone or ZoneInfo("UTC")
        self._circuits = {name: Circuit(clock) for name in LOOK_UPS}
        self._places = {name: BoundedSemaphore(AT_ONCE) for name in LOOK_UPS}
        self._kept: dict[str, tuple[float, Rows]] = {}
        self._fetch_again: dict[str, float] = {}  # when several may be looked up at once again
        self._faults: dict[str, tuple[float, LookUpFault]] = {}
        self._checked: tuple[float, tuple[LookUpFault, ...]] = float("-inf"), ()

    def participant(self, nkp: str) -> Participant | None:
        rows = self._rows("participant", nkp=nkp)
        return self._merge_rows(
            [self._build(Participant, {**row._mapping, "nkp": nkp}) for row in rows]
        )

    def participants_of(self, nik: str) -> Sequence[Participant]:
        by_phone: dict[str, list[Participant]] = defaultdict(list)
        for each in self._build_all(Participant, self._rows("participants_of", nik=nik)):
            by_phone[each.nkp].append(each)
        agreed = (self._merge_rows(same) for same in by_phone.values())
        # Where NIKs are compared as floating point, one finds its neighbours too.
        return [each for each in agreed if each is not None and each.nik in {nik, None}]

    def balance(self, nkp: str, today: date) -> Balance | None:
        dated = (self._build(Balance, row._mapping) for row in self._rows("balance", nkp=nkp))
        return next((each for each in dated if each.as_of <= today), None)

    def last_contribution(self, nkp: str) -> date | None:
        for row in self._rows("last_contribution", nkp=nkp):
            month: date | None = self._value("contributions.month", row.month, day)
            if month is None:
                raise self._unreadable("contributions.month")
            return month.replace(day=1)
        return None

    def paid_in(self, nkp: str, year: int) -> YearPaid:
        span = {"first": date(year, 1, 1), "next": date(year + 1, 1, 1)}
        (row,) = self._rows("paid_in", nkp=nkp, **span)
        sums = (self._value("contributions.sum", value, amount) for value in row[1:])
        return YearPaid(int(row[0]), *(each or Decimal(0) for each in sums))

    def pension_months(self, nkp: str) -> int:
        return int(self._rows("pension_months", nkp=nkp)[0][0])

    def programs(self, nkp: str) -> Sequence[str]:
        found = (
            self._value("programs.program", row.program, text)
            for row in self._rows("programs", nkp=nkp)
        )
        return list(dict.fromkeys(each for each in found if each))

    def claims(self, nkp: str) -> Sequence[Claim]:
        return self._build_all(Claim, self._rows("claims", nkp=nkp), nkp=nkp)

    def offices(self) -> Sequence[Office]:
        return self._build_all(Office, self._all("offices"))

    def rates(self) -> Sequence[Rate]:
        return self._build_all(Rate, self._all("rates"))

    def contact(self, channel: str) -> Contact | None:
        try:
            rows = self._all("contacts")
        except LedgerDown:
            rows = self._kept.get("contacts", (0.0, ()))[1]
        found = (row for row in rows if row.channel == channel)
        return next((self._build(Contact, row._mapping) for row in found), None)

    def check(self) -> Sequence[LookUpFault]:
        """Returns what the ledger does not answer: what it did not lately, and what it does not
        when asked for somebody whom nobody is. Asked again every CHECKED_EVERY seconds."""
        at, found = self._checked
        if self._clock() - at >= CHECKED_EVERY:
            found = self._look()
            self._checked = self._clock(), found
        since = self._clock() - REMEMBERED
        lately = [fault for at, fault in self._faults.values() if at >= since]
        return list(dict.fromkeys([*lately, *found]))

    def _look(self) -> tuple[LookUpFault, ...]:
        """Looks until time is up, so that the caller gets an answer."""
        found: list[LookUpFault] = []
        until = time.monotonic() + CHECK_LIMIT
        for name, statement in LOOK_UPS.items():
            if time.monotonic() >= until or any(fault.is_whole for fault in found):
                break
            keys = {key: NOBODY[key] for key in statement.compile().params if key in NOBODY}
            try:
                self._ask_servers(name, _asking(statement, keys), always=True)
            except (DBAPIError, NoConnection) as error:
                fault = faults.of(name, error)
                self.failures.add(fault)
                found.append(fault)
        return tuple(found)

    def _all(self, name: str) -> Rows:
        read_at, rows = self._kept.get(name, (float("-inf"), ()))
        if self._clock() - read_at < KEPT:
            return rows
        try:
            rows = self._rows(name)
        except LedgerDown:
            self._kept[name] = (self._clock() - KEPT + AWAY_KEPT, rows)
            raise
        self._kept[name] = (self._clock(), rows)
        return rows

    def _merge_rows(self, rows: Sequence[Participant]) -> Participant | None:
        """Merges several rows of a participant: a value on which they differ is unknown."""
        if len(rows) < 2:
            return next(iter(rows), None)
        self.failures.unread("participants.nkp, which stands in several rows")
        values = {name: {getattr(each, name) for each in rows} for name in FIELDS[Participant]}
        agreed = {name: next(iter(it)) if len(it) == 1 else None for name, it in values.items()}
        if len(values["phone"]) == 1 and len(rows) < MOST_ROWS:
            return _maker(Participant)(**agreed)
        return _maker(Participant)(**agreed | {"phone": None, "has_many_phones": True})

    def _build_all(self, kind: type[Record], rows: Rows, **known: str) -> list[Record]:
        """Skips rows that lack a needed value."""
        values = []
        for row in rows:
            try:
                values.append(self._build(kind, {**row._mapping, **known}))
            except LookUpFailed:
                continue
        return values

    def _build(self, kind: type[Record], row: Mapping[Any, Any]) -> Record:
        """Raises LookUpFailed where what it needs cannot be read."""
        table, make = TABLES[kind], _maker(kind)
        values = {
            name: self._value(f"{table}.{name}", row[name], read)
            for name, read in FIELDS[kind].items()
        }
        for name in NEEDED.get(kind, ()):
            if values[name] is None:
                raise self._unreadable(f"{table}.{name}")
        return make(**values)

    def _value(self, column: str, value: Any, read: Read) -> Any:
        try:
            return None if value is None else read(value, self._zone)
        except UnreadableValue:
            self.failures.unread(column)
            return None

    def _unreadable(self, column: str) -> LookUpFailed:
        """Notes a row that is of no use without the value in `column`."""
        self._note(LookUpFault(column, FaultKind.REFUSED, UnreadableValue.__name__))
        return LookUpFailed(column)

    def _note(self, fault: LookUpFault) -> None:
        self._faults[fault.name] = self._clock(), fault
        self.failures.add(fault)

    def _rows(self, name: str, **keys: object) -> Rows:
        """Raises LedgerDown, or LookUpFailed where others may be answered."""
        circuit, key = self._circuits[name], next(iter(keys.values()), None)
        if not circuit.may_pass(key):
            raise LookUpWaits(name)
        try:
            with self._place(name):
                rows = self._ask_servers(name, _asking(LOOK_UPS[name], keys))
        except NoConnection as error:
            self._note(faults.of(name, error))
            raise LookUpWaits(name) from error
        except DBAPIError as error:
            raise self._record_fault(faults.of(name, error), key) from error
        circuit.record_success()
        self._faults.pop(name, None)
        return rows

    def _servers(self, name: str) -> Iterator[Server]:
        """Yields who may answer, the best first. A number on file that has changed is another
        person's: a replica tells it only instead of a primary that is away."""
        if self.replica is None:
            yield self._primary
        elif name not in NUMBER_ON_FILE:
            if fault := self.replica.observe():
                self.failures.add(fault)
            yield from (self.replica, self._primary)
        else:
            yield self._primary
            if self.replica.is_trusted():
                yield self.replica

    def _ask_servers(
        self, name: str, ask: Callable[[Server], Rows], *, always: bool = False
    ) -> Rows:
        """Asks the first server that answers. `always`: also one that was away a moment ago. Raises
        what the last one raised, LedgerDown where none was asked."""
        failure: DBAPIError | None = None
        for server in self._servers(name):
            if not always and not server.circuit.may_pass():
                continue
            started = time.monotonic()
            try:
                rows = ask(server)
            except DBAPIError as error:
                failure, fault = error, faults.of(name, error)
                self._record_away(server, fault, time.monotonic() - started)
                if not self._may_others_answer(server, fault):
                    break
            else:
                server.circuit.record_success()
                if failure is not None and server is self.replica:
                    self.failures.add(faults.of(name, failure))
                return rows
        raise failure or LedgerDown("away a moment ago")

    def _record_away(self, server: Server, fault: LookUpFault, seconds: float) -> None:
        """Records whether a server was away, or answered after `seconds`, if only to refuse."""
        if server is self.replica:
            self.failures.add(replace(fault, name=faults.REPLICA))
        if fault.is_whole:
            server.circuit.record_failure()
        else:
            server.circuit.record_success()

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

    def _record_fault(self, fault: LookUpFault, key: object) -> LedgerDown:
        self._note(fault)
        if fault.is_whole:
            return LedgerDown(str(fault.kind))
        if fault.kind is FaultKind.SLOW:
            self._circuits[fault.name].record_failure(key)
        return LookUpFailed(fault.name)

    def close(self) -> None:
        for server in filter(None, (self._primary, self.replica)):
            server.engine.dispose()


def _asking(
    statement: Select[*tuple[Any, ...]], keys: Mapping[str, object]
) -> Callable[[Server], Rows]:
    return lambda server: server.ask(partial(_execute, statement, keys))


def _execute(
    statement: Select[*tuple[Any, ...]], keys: Mapping[str, object], connection: Connection
) -> CursorResult[*tuple[Any, ...]]:
    return connection.execute(statement, keys)


def _maker(kind: type[Record]) -> Callable[..., Record]:
    return kind
