"""Reads where the ledger is: a database and perhaps its replica, or a service that knows us."""

import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, SecretStr, field_validator

from smsgw import addresses
from smsgw.addresses import DatabaseAddress, LedgerAddress
from smsgw.variables import (
    Endpoint,
    SettingsError,
    at_least,
    is_loopback,
    variable,
    web_address,
)

SHORTEST_SECRET, SHORTEST_TOKEN = 32, 16  # characters
IN_A_HEADER = r"[\x21-\x7e]+"  # as it stands in a header
SCHEMES = ("https://", "http://")


class NoDatabase(SettingsError):
    """Says that the ledger is a service, where a database is needed."""


def is_service(address: str | None) -> bool:
    """Tells whether the ledger is called by HTTP."""
    return (address or "").lower().startswith(SCHEMES)


def _service(value: str) -> str:
    try:
        address = web_address(value)
    except ValueError:
        raise ValueError(
            "must be an address such as https://ledger.example/api: a host, no blank, and nothing "
            "after ? or #"
        ) from None
    if "@" in address:
        raise ValueError("holds a user or a password; set LEDGER_API_TOKEN or LEDGER_API_SECRET")
    if not address.lower().startswith("https://") and not is_loopback(address):
        raise ValueError("must begin with https://, unless the service is on this machine")
    return address


def _certificates(value: Path) -> Path:
    try:
        ssl.create_default_context(cafile=value)
    except (OSError, ssl.SSLError):
        raise ValueError("must be a readable file of certificates (PEM)") from None
    return value


def _token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(IN_A_HEADER, value.get_secret_value()):
        raise ValueError("may hold letters, digits and signs of ASCII, and no blank")
    return value


class LedgerAccess(Endpoint):
    """Holds where the ledger is, and what a LEDGER_URL that begins with https:// needs."""

    ledger_url: LedgerAddress | None = variable(
        "LEDGER_URL",
        None,
        "participant ledger, a database or a service; unset: in or beside the service database",
    )
    ledger_replica_url: DatabaseAddress | None = variable(
        "LEDGER_REPLICA_URL", None, "streaming replica of the ledger, which look-ups go to"
    )
    ledger_secret: Annotated[SecretStr, at_least(SHORTEST_SECRET)] | None = variable(
        "LEDGER_API_SECRET", None, "key that signs requests to a ledger that is a service"
    )
    ledger_token: Annotated[SecretStr, at_least(SHORTEST_TOKEN), AfterValidator(_token)] | None = (
        variable("LEDGER_API_TOKEN", None, "bearer token for it, instead of LEDGER_API_SECRET")
    )
    ledger_certificates: Annotated[Path, AfterValidator(_certificates)] | None = variable(
        "LEDGER_API_CA", None, "file of the certificates that its TLS is trusted by; unset: public"
    )

    @field_validator("ledger_url", mode="wrap")
    @classmethod
    def _read_service(cls, value: Any, read: Callable[[Any], Any]) -> Any:
        return _service(value) if isinstance(value, str) and is_service(value) else read(value)

    def access_faults(self, service_database: str | None) -> Iterator[tuple[str, str]]:
        """Yields (variable, what is wrong)."""
        ledger, replica = self.ledger_url or service_database, self.ledger_replica_url
        if replica is not None and (fault := addresses.replica_fault(replica, ledger)):
            yield "LEDGER_REPLICA_URL", fault
        yield from self._key_faults()

    def _key_faults(self) -> Iterator[tuple[str, str]]:
        keys = {"LEDGER_API_SECRET": self.ledger_secret, "LEDGER_API_TOKEN": self.ledger_token}
        given = [name for name, value in keys.items() if value is not None]
        if is_service(self.ledger_url):
            if not given:
                yield (
                    "LEDGER_API_SECRET",
                    "is needed with a LEDGER_URL of https://, or LEDGER_API_TOKEN",
                )
            if len(given) > 1:
                yield "LEDGER_API_TOKEN", "cannot be combined with LEDGER_API_SECRET; set one"
            return
        if self.ledger_certificates is not None:
            given.append("LEDGER_API_CA")
        for name in given:
            yield name, "is for a LEDGER_URL that begins with https://; unset it, or set that"
