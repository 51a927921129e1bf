"""The participant ledger as handlers see it: look-ups by key, each of which may find it away."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Participant:
    """What the ledger holds of one NKP; any field but the key may be a hole."""

    nkp: str
    nik: str | None
    birth_date: date | None
    phone: str | None  # the number on file, E.164
    status: str | None  # AKTIF, TIDAK AKTIF


@dataclass(frozen=True, slots=True)
class Balance:
    """The JHT account as of a day, in rupiah."""

    as_of: date
    total: Decimal | None


class LedgerDown(Exception):
    """The ledger cannot be read now, or not within its time limit."""


class Ledger(Protocol):
    """`contact` serves what it knew while the ledger is away; others raise LedgerDown."""

    def participant(self, nkp: str) -> Participant | None: ...

    def balance(self, nkp: str) -> Balance | None:
        """The latest one."""

    def last_contribution(self, nkp: str) -> date | None:
        """The first day of the last month that was paid for."""

    def contact(self, channel: str) -> str | None:
        """How people reach `channel`, such as "call_centre"."""
