"""Look-ups in the participant ledger: one row by an indexed key each, never a scan."""

import time
from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import BindParameter, Engine, Row, Select, bindparam, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from handlers.ports import Balance, LedgerDown, Participant
from smsgw.models import balances, contacts, contributions, participants

CONTACTS_KEPT = 60.0  # seconds; every reply names the call centre
AWAY_KEPT = 5.0  # seconds before a ledger that was away is asked for one again

_nkp: BindParameter[str] = bindparam("nkp")
PARTICIPANT = select(
    participants.c.nkp,
    participants.c.nik,
    participants.c.birth_date,
    participants.c.phone,
    participants.c.status,
).where(participants.c.nkp == _nkp)
BALANCE = (
    select(balances.c.as_of, balances.c.total)
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
CONTACT = select(contacts.c.value).where(contacts.c.channel == bindparam("channel"))


class SqlLedger:
    """handlers.ports.Ledger over a database, on an engine of its own."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self.engine = engine
        # Reads of one row need no transaction; on PostgreSQL that saves two trips of four.
        on_postgres = engine.dialect.name == "postgresql"
        options = {"isolation_level": "AUTOCOMMIT"} if on_postgres else {"read_only": True}
        self._reading = engine.execution_options(**options)
        self._clock = clock
        self._contacts: dict[str, tuple[float, str | None]] = {}

    def participant(self, nkp: str) -> Participant | None:
        row = self._one(PARTICIPANT, nkp=nkp)
        return None if row is None else Participant(*row)

    def balance(self, nkp: str) -> Balance | None:
        row = self._one(BALANCE, nkp=nkp)
        return None if row is None else Balance(*row)

    def last_contribution(self, nkp: str) -> date | None:
        row = self._one(LAST_CONTRIBUTION, nkp=nkp)
        return None if row is None else row.month

    def contact(self, channel: str) -> str | None:
        """The last known value serves while the ledger is away."""
        read_at, value = self._contacts.get(channel, (float("-inf"), None))
        if self._clock() - read_at < CONTACTS_KEPT:
            return value
        try:
            row = self._one(CONTACT, channel=channel)
        except LedgerDown:
            self._contacts[channel] = (self._clock() - CONTACTS_KEPT + AWAY_KEPT, value)
            return value
        value = None if row is None else row.value
        self._contacts[channel] = (self._clock(), value)
        return value

    def _one(self, statement: Select[Any], **keys: str) -> Row[*tuple[Any, ...]] | None:
        try:
            return self._read(statement, keys)
        except (DBAPIError, NoConnection) as error:
            raise LedgerDown(type(error).__name__) from error

    def _read(self, statement: Select[Any], keys: dict[str, str]) -> Row[*tuple[Any, ...]] | None:
        """Again on a new connection where the old one had died: asking before costs a trip."""
        try:
            with self._reading.connect() as connection:
                return connection.execute(statement, keys).first()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        with self._reading.connect() as connection:
            return connection.execute(statement, keys).first()
