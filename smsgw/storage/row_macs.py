"""Proves that we wrote a row which grants a right or denies one, by a keyed hash of what it says.

Whoever can write to the database but does not have the secret can make no such row and change none.
A MAC begins with the version of the list of columns that it covers.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from smsgw.storage.crypto import Vault, json_list, json_of


@dataclass(frozen=True, slots=True)
class Proof:
    """Says what the MAC of a table's rows covers. Every version here can be read; new rows have
    `written`."""

    table: str
    versions: Mapping[int, tuple[str, ...]]  # names of columns
    written: int = 1
    key: str = "id"  # the column that names a row

    @property
    def columns(self) -> frozenset[str]:
        """Returns all that some version covers."""
        return frozenset(chain.from_iterable(self.versions.values()))

    def make(self, vault: Vault, row: Mapping[Any, Any]) -> bytes:
        """Returns 33 octets: the version, then the hash. `row` holds values by column."""
        return bytes([self.written]) + self._hash(vault, self.written, row)

    def holds(self, vault: Vault, mac: bytes | None, row: Mapping[Any, Any]) -> bool:
        if not mac or mac[0] not in self.versions:
            return False
        return hmac.compare_digest(mac[1:], self._hash(vault, mac[0], row))

    def _hash(self, vault: Vault, version: int, row: Mapping[Any, Any]) -> bytes:
        pairs = [f'["{name}", {json_of(row[name])}]' for name in self.versions[version]]
        return vault.mac(f'["{self.table}", {version}, {json_list(pairs)}]', "mac")


def shown(key: object) -> str:
    """Returns what names a row, as logs and findings write it: of a hash its first octets."""
    return key.hex()[:12] if isinstance(key, bytes) else str(key)


# `phone` is the hash of the number, which finds the phone: no other row can take its place.
BINDING = Proof(
    "bindings",
    {1: ("phone", "nkp_hash", "on_file_hash", "made_by", "tells_from", "consented_at")},
)
OPERATOR = Proof(
    "operators",
    {
        1: (
            *("id", "name", "role", "password", "once_hash", "once_until"),
            *("added_by", "invited_by", "disabled_at"),
        )
    },
)
SESSION = Proof("sessions", {1: ("hash", "operator_id", "made_at")}, key="hash")
CONFIGURATION = Proof(
    "configurations", {1: ("version", "text", "published_at", "published_by")}, key="version"
)
FREEZE = Proof("freezes", {1: ("nkp_hash", "at", "until", "ended_at")})
CASE_EXPORT = Proof(
    "case_exports",
    {1: ("case_id", "asked_by", "asked_at", "approved_by", "approved_at")},
    key="case_id",
)
FREEZE_COUNT = Proof("freeze_counts", {1: ("nkp_hash", "freezes")}, key="nkp_hash")
PLANNED_CHANGE = Proof(
    "planned_changes", {1: ("table_name", "before", "after", "holds_from", "planned_by")}
)
# `phone` as in BINDING.
SUBSCRIPTION = Proof("subscriptions", {1: ("phone", "kind", "consented_at")})
NOTIFICATION_KIND = Proof(
    "notification_kinds", {1: ("kind", "is_on", "is_paused", "changed_by")}, key="kind"
)
NOTIFICATION_RUN = Proof(
    "notification_runs",
    {
        1: (
            *("kind", "is_dry", "started_by", "started_at", "audience", "audience_of"),
            *("text_id", "text_en", "expires_at", "approved_by", "approved_at"),
        )
    },
)
