"""Looks up what a message names, and what its phone named before."""

from dataclasses import dataclass
from typing import NamedTuple

from smsgw.storage.crypto import Vault


class NamedIdentities(NamedTuple):
    """Holds what a message names and has to be looked up."""

    code: str | None = None
    case: str | None = None
    identity: bool = False  # an NKP, or a NIK
    asked_codes: bool = False  # those that were sent here
    notified: bool = False  # what the phone is notified of


NOTHING_NAMED = NamedIdentities()
NOBODY: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Former:
    """Holds NKPs by their hashes: the numbers themselves are destroyed long before they stop to
    count."""

    vault: Vault
    hashes: frozenset[bytes]

    def __contains__(self, nkp: object) -> bool:
        return bool(self.hashes) and self.vault.hash(str(nkp), "nkp") in self.hashes
