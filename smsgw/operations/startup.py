"""What has to be true before a process starts: there is an installation, its schema is this
version's, and its key is ours."""

from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from smsgw import runtime
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.settings import Settings
from smsgw.storage import migrations


class NotReady(Exception):
    """Its text says what to do."""


def opened(settings: Settings) -> Runtime:
    """A runtime over what is there already. Where the database is away whoever uses it says so.
    Raises NotReady, SettingsError."""
    if settings.is_embedded and not settings.database_file.exists():
        raise NotReady(
            f"there is no installation in {settings.instance}: set SMSGW_HOME to the folder that "
            "holds instance/, or make one with smsgw migrate"
        )
    rt = runtime.build(settings)
    with suppress(SQLAlchemyError):
        fault = schema_fault(rt)
        if fault is not None:
            rt.close()
            raise NotReady(fault)
    phone_state.check_key(rt)
    return rt


def schema_fault(rt: Runtime) -> str | None:
    """Of the service's schema, and of the ledger's where that is in our hands. Raises
    SQLAlchemyError."""
    fault = migrations.fault(rt.service, "service", "smsgw migrate")
    if fault is None and rt.settings.ledger_url is None:
        fault = migrations.fault(rt.ledger.engine, "ledger", "smsgw migrate")
    return f"the database cannot be used: {fault}" if fault else None
