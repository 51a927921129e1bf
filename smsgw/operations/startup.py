"""Checks what must be true before a process starts: there is an installation, its schema is this
version's, and its key is ours."""

from contextlib import suppress
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.exc import SQLAlchemyError

from smsgw import logs, runtime
from smsgw.runtime import Runtime
from smsgw.settings import Settings
from smsgw.storage import schema_version
from smsgw.storage.crypto import NoHashing, Unreadable
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction
from smsgw.variables import SettingsError

log = logs.get(__name__)


class NotReady(Exception):
    """Its text says what to do."""


def opened(settings: Settings) -> Runtime:
    """Returns a runtime over what is there already. If the database is away, whoever uses it says
    so. Raises NotReady, SettingsError."""
    if settings.is_embedded and not settings.database_file.exists():
        raise NotReady(
            f"there is no installation in {settings.instance}: set SMSGW_HOME to the folder that "
            "holds instance/, or make one with smsgw migrate"
        )
    for name, path in settings.exposed_files.items():
        log.warning("others on this machine may read a secret", variable=name, path=path)
    rt = runtime.build(settings)
    with suppress(SQLAlchemyError):
        fault = schema_fault(rt)
        if fault is not None:
            rt.close()
            raise NotReady(fault)
    check_key(rt)
    return rt


def schema_fault(rt: Runtime) -> str | None:
    """Returns what is wrong with the service's schema, or the ledger's if we own it. Raises
    SQLAlchemyError."""
    fault = schema_version.fault(rt.service, "service", "smsgw migrate")
    if fault is None and rt.settings.ledger_url is None:
        fault = schema_version.fault(rt.ledger.engine, "ledger", "smsgw migrate")
    return f"the database cannot be used: {fault}" if fault else None


PHONES_TRIED = 10  # of whom one opens with the right key


def check_key(rt: Runtime) -> None:
    """Raises SettingsError where the database was written with another key: a phone would be taken
    for a stranger's, and what it is told could not be read again. One row that can be opened tells
    that the key is right; others may be damaged. Raises NotReady where no phone can be found."""
    stored = select(phones).where(phones.c.number.is_not(None)).order_by(phones.c.id.desc())
    try:
        with rt.reading() as tx:
            rows = tx.connection.execute(stored.limit(PHONES_TRIED)).all()
            if not rows or any(_opens(tx, row) for row in rows):
                return
    except NoHashing as error:
        rt.close()
        raise NotReady(f"the database cannot be used: {error}") from None
    except Unreadable:
        pass
    except SQLAlchemyError:
        return  # away, or not migrated: whoever uses it says so
    raise SettingsError("SMSGW_SECRET_KEY: the database was written with another one; set that")


def _opens(tx: Transaction, row: Row[Any]) -> bool:
    try:
        tx.vault.decrypt(row.number, Ciphertext.PHONE, row.hash)
    except Unreadable:
        return False
    return True
