"""Look-ups in the participant ledger: rows by an indexed key each, never a scan. What is small and
the same for everybody (contacts, offices, rates) is read whole and kept for a minute."""

import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Engine, Row, Select, bindparam, func, literal, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from handlers.ports import (
    Balance,
    Claim,
    Contact,
    LedgerDown,
    Office,
    Participant,
    Rate,
    YearPaid,
)
from smsgw.models.ledger import (
    balances,
    claims,
    contacts,
    contributions,
    offices,
    participants,
    programs,
    rates,
)

KEPT = 60.0  # seconds; every reply names the call centre
DIED_WITHIN = 0.5  # seconds: a dead connection shows at once
LEFT_ALONE = 3.0  # seconds
AWAY_KEPT = 5.0  # seconds before a ledger that was away is asked for one again
MOST_CLAIMS = 20
PAID = ("jht", "jp", "jkk", "jkm", "jkp")

Held = TypeVar("Held")
Rows = Sequence[Row[*tuple[Any, ...]]]

_nkp: BindParameter[str] = bindparam("nkp")
_participant = select(*(participants.c[each.name] for each in fields(Participant)))
PARTICIPANT = _participant.where(participants.c.nkp == _nkp)
PARTICIPANTS_OF = _participant.where(participants.c.nik == bindparam("nik")).order_by(
    participants.c.nkp
)
BALANCE = (
    select(*(balances.c[each.name] for each in fields(Balance)))
    .where(balances.c.nkp == _nkp)
    .order_by(balances.c.as_of.desc())
    .limit(1)
)
LAST_CONTRIBUTION = (
    select(contributions.c.month)
    .where(contributions.c.nkp == _nkp)
    .order_by(contributions.c.month.desc())
    .limit(1)
)
PAID_IN = select(func.count(), *(func.sum(contributions.c[each]) for each in PAID)).where(
    contributions.c.nkp == _nkp,
    contributions.c.month.between(bindparam("first"), bindparam("last")),
)
PENSION_MONTHS = select(func.count()).where(contributions.c.nkp == _nkp, contributions.c.jp > 0)
PROGRAMS = (
    select(programs.c.program)
    .where(programs.c.nkp == _nkp, programs.c.until.is_(None))
    .order_by(programs.c.program)
)
CLAIMS = (
    select(*(claims.c[each.name] for each in fields(Claim)))
    .where(claims.c.nkp == _nkp)
    .order_by(claims.c.filed_on.desc(), claims.c.claim_no.desc())
    .limit(MOST_CLAIMS)
)
OFFICES = select(*(offices.c[each.name] for each in fields(Office))).order_by(offices.c.code)
RATES = select(*(rates.c[each.name] for each in fields(Rate))).order_by(rates.c.effective_from)
PING: Select[tuple[int]] = select(literal(1))
CONTACTS = select(contacts.c.channel, contacts.c.value, contacts.c.hours)


class Circuit:
    """Spares everybody the wait for a ledger that did not answer just now: it is left alone for
    LEFT_ALONE seconds, then one look-up tries, while the others still do without."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._alone_until: float | None = None

    def may_pass(self) -> bool:
        if self._alone_until is None:
            return True
        with self._lock:
            if self._alone_until is not None and self._clock() < self._alone_until:
                return False
            if self._alone_until is not None:
                self._alone_until = self._clock() + LEFT_ALONE
            return True

    def failed(self) -> None:
        with self._lock:
            self._alone_until = self._clock() + LEFT_ALONE

    def worked(self) -> None:
        if self._alone_until is not None:
            with self._lock:
                self._alone_until = None


def _is_away(error: DBAPIError | NoConnection) -> bool:
    """What the ledger refuses (a missing right, a column) is no reason to leave it alone."""
    is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_cut or isinstance(error, OperationalError | NoConnection)


class SqlLedger:
    """handlers.ports.Ledger over a database, on an engine of its own."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self.engine = engine
        # Reads by one statement need no transaction; on PostgreSQL that saves two trips of four.
        on_postgres = engine.dialect.name == "postgresql"
        options = {"isolation_level": "AUTOCOMMIT"} if on_postgres else {"read_only": True}
        self._reading = engine.execution_options(**options)
        self._clock = clock
        self._circuit = Circuit(clock)
        self._kept: dict[str, tuple[float, Rows]] = {}

    def participant(self, nkp: str) -> Participant | None:
        return self._one(Participant, PARTICIPANT, nkp=nkp)

    def participants_of(self, nik: str) -> Sequence[Participant]:
        return [Participant(*row) for row in self._rows(PARTICIPANTS_OF, nik=nik)]

    def balance(self, nkp: str) -> Balance | None:
        return self._one(Balance, BALANCE, nkp=nkp)

    def last_contribution(self, nkp: str) -> date | None:
        return next((row.month for row in self._rows(LAST_CONTRIBUTION, nkp=nkp)), None)

    def paid_in(self, nkp: str, year: int) -> YearPaid:
        months = {"first": date(year, 1, 1), "last": date(year, 12, 1)}
        (row,) = self._rows(PAID_IN, nkp=nkp, **months)
        return YearPaid(row[0], *(Decimal(amount or 0) for amount in row[1:]))

    def pension_months(self, nkp: str) -> int:
        return int(self._rows(PENSION_MONTHS, nkp=nkp)[0][0])

    def programs(self, nkp: str) -> Sequence[str]:
        return [row.program for row in self._rows(PROGRAMS, nkp=nkp)]

    def claims(self, nkp: str) -> Sequence[Claim]:
        return [Claim(*row) for row in self._rows(CLAIMS, nkp=nkp)]

    def ping(self) -> None:
        """Raises LedgerDown."""
        self._rows(PING)

    def offices(self) -> Sequence[Office]:
        return [Office(*row) for row in self._all("offices", OFFICES)]

    def rates(self) -> Sequence[Rate]:
        return [Rate(*row) for row in self._all("rates", RATES)]

    def contact(self, channel: str) -> Contact | None:
        try:
            rows = self._all("contacts", CONTACTS)
        except LedgerDown:
            rows = self._kept.get("contacts", (0.0, ()))[1]
        return next((Contact(row.value, row.hours) for row in rows if row.channel == channel), None)

    def _all(self, name: str, statement: Select[Any]) -> Rows:
        read_at, rows = self._kept.get(name, (float("-inf"), ()))
        if self._clock() - read_at < KEPT:
            return rows
        try:
            rows = self._rows(statement)
        except LedgerDown:
            self._kept[name] = (self._clock() - KEPT + AWAY_KEPT, rows)
            raise
        self._kept[name] = (self._clock(), rows)
        return rows

    def _one(
        self, made: Callable[..., Held], statement: Select[Any], **keys: object
    ) -> Held | None:
        return next((made(*row) for row in self._rows(statement, **keys)), None)

    def _rows(self, statement: Select[*tuple[Any, ...]], **keys: object) -> Rows:
        if not self._circuit.may_pass():
            raise LedgerDown("away a moment ago")
        try:
            rows = self._read(statement, keys)
        except (DBAPIError, NoConnection) as error:
            if _is_away(error):
                self._circuit.failed()
            raise LedgerDown(type(error).__name__) from error
        self._circuit.worked()
        return rows

    def _read(self, statement: Select[*tuple[Any, ...]], keys: dict[str, object]) -> Rows:
        """Again on a new connection where the old one had died: asking before costs a trip. One
        that was cut because nobody answered was not dead; its time is over."""
        started = time.monotonic()
        try:
            with self._reading.connect() as connection:
                return connection.execute(statement, keys).all()
        except DBAPIError as error:
            if not error.connection_invalidated or time.monotonic() - started > DIED_WITHIN:
                raise
        with self._reading.connect() as connection:
            return connection.execute(statement, keys).all()
