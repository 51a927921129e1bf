"""Defines a transaction as stores use it, and the conflict that makes one start again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from sqlalchemy import Connection

from smsgw import logs
from smsgw.storage import failed_checks, row_macs
from smsgw.storage.crypto import Part, Unreadable, Vault
from smsgw.storage.failed_checks import FailedCheck
from smsgw.storage.kept_connection import KeptConnection
from smsgw.storage.row_macs import Proof
from smsgw.storage.tables.security import Ciphertext

log = logs.get(__name__)


class Conflict(Exception):
    """Says that another transaction was first; the caller may read again and decide anew."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """Holds what a store needs to read and write. None is open while the network is."""

    connection: Connection
    vault: Vault
    now: datetime
    random: Random  # of codes; in a replay the same each time
    failed: list[FailedCheck] = field(default_factory=list)  # kept when the transaction is over
    kept: KeptConnection | None = None  # for a statement that is all there is to write

    def opened(
        self, sealed: bytes | None, column: Ciphertext, row: object, *named_by: Part
    ) -> str | None:
        """Returns what stands in a row; None where it is empty or cannot be opened, which the log
        tells by the row's id: a row that is damaged is in nobody else's way. `named_by` is
        what sealed.ROW lists."""
        if sealed is None:
            return None
        try:
            return self.vault.decrypt(sealed, column, *named_by)
        except Unreadable as error:
            self.note_failure(column.partition(".")[0], row, "unreadable", error=str(error))
            return None

    def is_ours(
        self, proof: Proof, mac: bytes | None, row: object, values: Mapping[Any, Any]
    ) -> bool:
        """Tells whether we wrote the row with the id `row`; the log tells where not."""
        if proof.holds(self.vault, mac, values):
            return True
        self.note_failure(proof.table, row, "not ours")
        return False

    def note_failure(self, table: str, row: object, why: str, **more: str) -> None:
        """Notes a row that fails its check; the note is stored when the transaction is over."""
        name = row_macs.shown(row)
        log.error("a row failed its check", table=table, row=name, why=why, **more)
        self.failed.append(FailedCheck(table, name, why))

    def may_end_what_failed(self) -> bool:
        """Tells whether so few rows failed that what cannot be opened may be given up."""
        lately = failed_checks.count_since(self.connection, self.now - failed_checks.HOUR)
        return lately + len(self.failed) <= failed_checks.MANY_AN_HOUR
