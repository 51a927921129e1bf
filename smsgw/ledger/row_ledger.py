"""Answers look-ups from rows of the ledger, wherever they come from. What is small and the same for
everybody (contacts, offices, rates) is read whole and kept for a while."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

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
from smsgw.ledger.circuit_breaker import Circuit
from smsgw.ledger.faults import Failures, FaultKind, LookUpFault, Unanswered
from smsgw.ledger.replica import Replica
from smsgw.ledger.statements import LOOK_UPS, MOST_ROWS, PAID
from smsgw.ledger.values import FIELDS, NEEDED, TABLES, Read, UnreadableValue, amount, day, text

AWAY_KEPT = 5.0  # seconds before a ledger that was away is asked for one again
CHECKED_EVERY, CHECK_LIMIT = 10.0, 2.0  # seconds
REMEMBERED = 60.0  # seconds that a fault is told of, unless the look-up worked since

Record = TypeVar("Record")
Rows = Sequence[Mapping[Any, Any]]


class Source(Protocol):
    """Reads rows by the name of a look-up and its keys."""

    @property
    def together(self) -> Collection[str]:
        """Returns the look-ups by NKP or NIK that are made for several at once."""

    @property
    def kept_for(self) -> float:
        """Returns for how many seconds what was just read whole may be kept."""

    @property
    def engine(self) -> Engine:
        """Raises NoDatabase where the ledger is none."""

    @property
    def replica(self) -> Replica | None:
        """Returns a replica that look-ups go to."""

    def read(self, name: str, keys: Mapping[str, object]) -> Rows:
        """Raises Unanswered, or LedgerDown where nobody is asked who was away a moment ago."""

    def read_several(
        self, lookups: Mapping[str, Sequence[str]], limit: float
    ) -> Iterator[tuple[str, Rows | Unanswered]]:
        """Yields what each look-up finds for all its numbers, each row with its number as `key`;
        none for those that were not tried after a failure. `limit` is in seconds."""

    def read_slice(self, name: str, nkps: Sequence[str], limit: float) -> Rows:
        """Reads what one look-up finds for many participants, each row with its NKP as `key`.
        Raises Unanswered, LedgerDown."""

    def look(self) -> Iterator[LookUpFault | None]:
        """Asks for somebody whom nobody is. Yields, for each look-up that was made, what was wrong
        with it."""

    def close(self) -> None: ...


class RowLedger:
    """Implements handlers.ports.Ledger. `zone` is the scheme's time zone; `failures` counts what
    the ledger did not answer."""

    may_fetch = True  # what several messages look up, at once

    def __init__(
        self,
        source: Source,
        clock: Callable[[], float] = time.monotonic,
        *,
        zone: ZoneInfo | None = None,
        failures: Failures | None = None,
    ) -> None:
        self.failures = failures or Failures()
        self._source = source
        self._clock = clock
        self._zone = zone or ZoneInfo("UTC")
        self._circuits = {name: Circuit(clock) for name in LOOK_UPS}
        self._kept: dict[str, tuple[float, Rows]] = {}  # until when
        self._fetch_again: dict[str, float] = {}  # when several may be looked up at once again
        self._faults: dict[str, tuple[float, LookUpFault]] = {}
        self._checked: tuple[float, tuple[LookUpFault, ...]] = float("-inf"), ()

    @property
    def engine(self) -> Engine:
        """Returns the ledger's database. Raises NoDatabase where it is none."""
        return self._source.engine

    @property
    def replica(self) -> Replica | None:
        return self._source.replica

    @property
    def fetched_together(self) -> Collection[str]:
        """Returns the look-ups that are made for several messages at once."""
        return self._source.together if self.may_fetch else ()

    def close(self) -> None:
        self._source.close()

    def participant(self, nkp: str) -> Participant | None:
        rows = self._rows("participant", nkp=nkp)
        return self._merge_rows([self._build(Participant, row, nkp=nkp) for row in rows])

    def participants_of(self, nik: str) -> Sequence[Participant]:
        by_phone: dict[str, list[Participant]] = defaultdict(list)
        for each in self._build_all(Participant, self._rows("participants_of", nik=nik)):
            by_phone[each.nkp].append(each)
        agreed = (self._merge_rows(same) for same in by_phone.values())
        # Where NIKs are compared as floating point, one finds its neighbours too.
        return [each for each in agreed if each is not None and each.nik in {nik, None}]

    def balance(self, nkp: str, today: date) -> Balance | None:
        dated = (self._build(Balance, row) for row in self._rows("balance", nkp=nkp))
        return next((each for each in dated if each.as_of <= today), None)

    def last_contribution(self, nkp: str) -> date | None:
        for row in self._rows("last_contribution", nkp=nkp):
            month: date | None = self._value("contributions.month", row["month"], day)
            if month is None:
                raise self._unreadable("contributions.month")
            return month.replace(day=1)
        return None

    def paid_in(self, nkp: str, year: int) -> YearPaid:
        span = {"first": date(year, 1, 1), "next": date(year + 1, 1, 1)}
        rows = self._rows("paid_in", nkp=nkp, **span)
        row = next((row for row in rows if row.get("year", year) == year), None)
        if row is None:
            return YearPaid(0, *[Decimal(0)] * len(PAID))
        sums = (
            self._value("contributions.sum", value, amount)
            for value in (row[name] for name in PAID)
        )
        return YearPaid(int(row["months"]), *(each or Decimal(0) for each in sums))

    def pension_months(self, nkp: str) -> int:
        rows = self._rows("pension_months", nkp=nkp)
        return int(rows[0]["months"]) if rows else 0

    def programs(self, nkp: str) -> Sequence[str]:
        found = (
            self._value("programs.program", row["program"], text)
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
        found = (row for row in rows if row["channel"] == channel)
        return next((self._build(Contact, row) for row in found), None)

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
        for fault in self._source.look():
            if fault is not None:
                self.failures.add(fault)
                found.append(fault)
            if time.monotonic() >= until or any(fault.is_whole for fault in found):
                break
        return tuple(found)

    def _all(self, name: str) -> Rows:
        until, rows = self._kept.get(name, (float("-inf"), ()))
        if self._clock() < until:
            return rows
        try:
            rows = self._rows(name)
        except LedgerDown:
            if name in self._kept:  # what was never read is not told to be empty
                self._kept[name] = (self._clock() + AWAY_KEPT, rows)
            raise
        self._kept[name] = (self._clock() + self._source.kept_for, rows)
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
                values.append(self._build(kind, row, **known))
            except LookUpFailed:
                continue
        return values

    def _build(self, kind: type[Record], row: Mapping[Any, Any], **known: str) -> Record:
        """Takes `known`: what need not stand in the row. Raises LookUpFailed where what it needs
        cannot be read."""
        table, make = TABLES[kind], _maker(kind)
        values = {}
        for name, read in FIELDS[kind].items():
            value = known[name] if name in known else row[name]
            is_empty = value is None
            values[name] = None if is_empty else self._value(f"{table}.{name}", value, read)
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
            rows = self._source.read(name, keys)
        except Unanswered as error:
            if error.was_asked:
                raise self._record_fault(error.fault, key) from error
            self._note(error.fault)
            raise LookUpWaits(name) from error
        circuit.record_success()
        self._faults.pop(name, None)
        return rows

    def _record_fault(self, fault: LookUpFault, key: object) -> LedgerDown:
        self._note(fault)
        if fault.is_whole:
            return LedgerDown(str(fault.kind))
        if fault.kind is FaultKind.SLOW:
            self._circuits[fault.name].record_failure(key)
        return LookUpFailed(fault.name)


def _maker(kind: type[Record]) -> Callable[..., Record]:
    return kind
