"""Declares the participant ledger as handlers see it: look-ups by key, each of which may find it
unavailable."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol


class Participant(NamedTuple):
    """Holds what the ledger says about one NKP; any field but the key may be empty."""

    nkp: str
    nik: str | None
    name: str | None
    birth_date: date | None
    phone: str | None  # the number on file, E.164
    status: str | None  # AKTIF, TIDAK AKTIF
    status_since: date | None
    status_reason: str | None
    emergency_name: str | None
    emergency_phone: str | None
    email: str | None
    has_many_phones: bool = False  # several rows say different things; `phone` is then None


class Balance(NamedTuple):
    """Holds the JHT account as of a day, in rupiah."""

    as_of: date
    contributions: Decimal | None
    returns: Decimal | None
    total: Decimal | None


@dataclass(frozen=True, slots=True)
class YearPaid:
    """Holds what was paid for the months of one year, in rupiah by programme."""

    months: int
    jht: Decimal
    jp: Decimal
    jkk: Decimal
    jkm: Decimal
    jkp: Decimal


@dataclass(frozen=True, slots=True)
class Claim:
    claim_no: str
    nkp: str
    program: str | None
    stage: str | None  # AGENDA … SELESAI, or DITOLAK
    filed_on: date | None
    updated_on: date | None
    amount: Decimal | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Office:
    name: str
    city: str
    address: str | None
    phone: str | None
    hours: str | None
    timezone: str | None


@dataclass(frozen=True, slots=True)
class Rate:
    program: str
    category: str
    item: str
    effective_from: date
    value: Decimal
    unit: str  # percent, rupiah


@dataclass(frozen=True, slots=True)
class Contact:
    value: str | None
    hours: str | None


class LedgerDown(Exception):
    """The ledger cannot be read now, or not within its time limit."""


class LookUpFailed(LedgerDown):
    """This look-up was refused, or took too long; others may be answered."""


class LookUpWaits(LookUpFailed):
    """Says that the ledger was not asked, since it failed for others a moment ago."""


class Ledger(Protocol):
    """Looks up participants. `contact` returns what it last read while the ledger is unavailable;
    the others raise LedgerDown."""

    def participant(self, nkp: str) -> Participant | None: ...

    def participants_of(self, nik: str) -> Sequence[Participant]:
        """Returns every NKP of a person, in order."""

    def balance(self, nkp: str, today: date) -> Balance | None:
        """Returns the latest balance up to `today`."""

    def last_contribution(self, nkp: str) -> date | None:
        """Returns the first day of the last month that was paid for."""

    def paid_in(self, nkp: str, year: int) -> YearPaid: ...

    def pension_months(self, nkp: str) -> int:
        """Returns for how many months JP was paid."""

    def programs(self, nkp: str) -> Sequence[str]:
        """Returns the programmes that have not ended: JHT, JKK …"""

    def claims(self, nkp: str) -> Sequence[Claim]:
        """Returns the claims, the latest first."""

    def offices(self) -> Sequence[Office]:
        """Returns all offices, by code."""

    def rates(self) -> Sequence[Rate]:
        """Returns all rates that ever applied, by date."""

    def contact(self, channel: str) -> Contact | None:
        """Returns how people reach `channel`, such as "call_centre"."""
