"""Restores a dump into an empty database, to prove that it can be read, and tries a change of keys
there."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Column, Engine, MetaData, Table, func, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from smsgw import runtime
from smsgw.addresses import OURS_IN_ADDRESS
from smsgw.operations import audit_chain, integrity, key_rotation, startup
from smsgw.operations.audit_chain import Head
from smsgw.runtime import Runtime
from smsgw.settings import Settings
from smsgw.storage import engines, keys
from smsgw.storage.crypto import Unreadable
from smsgw.storage.tables.types import Instant, service
from smsgw.variables import SettingsError

ACTOR = "drill"
FINDINGS = 20  # told of one drill
_KEY_FILE = re.compile(r"^secret ([0-9a-f]{8})$", re.MULTILINE)
# Only a database with this table is changed by the drill of keys.
_mark = Table("smsgw_drill", MetaData(), Column("restored_at", Instant, nullable=False))


class DrillFailed(Exception):
    """Its text says what was not as it should be, and what to do."""


def restore(settings: Settings, dump: Path, url: str, known: Head | None) -> Iterator[str]:
    """Restores a dump, and yields what that proved, one sentence each. Raises DrillFailed."""
    yield _check_key_file(settings, dump)
    _check_empty(url)
    _call_pg_restore(dump, url)
    yield f"{dump.name} is restored"
    with _opened(settings, url) as rt:
        fault = startup.schema_fault(rt)
        if fault is not None:
            raise DrillFailed(f"its schema is another version's: {fault}")
        _check_secret(rt)
        yield f"secret {keys.secret_id(settings)} opens it; data key {rt.vault.active} encrypts"
        yield _verify(rt, known)
        yield from _counts(rt)
        _mark.create(rt.service)
        with rt.writing() as tx:
            tx.connection.execute(insert(_mark).values(restored_at=tx.now))


def change_keys(settings: Settings, url: str) -> Iterator[str]:
    """Rotates a restored copy to another secret and back, and yields what that proved. Raises
    DrillFailed."""
    if not _is_copy(url):
        raise DrillFailed("this database was not made by smsgw drill restore; nothing was changed")
    today = settings.secret_key or SecretStr(keys.secret_key(settings))
    other = SecretStr(secrets.token_urlsafe(48))
    for old, new, name in ((today, other, "a new secret"), (other, today, "today's secret")):
        count = _rotate(settings, url, new, old)
        yield f"{count} values are encrypted anew, under {name} and the one before it"
        _rotate(settings, url, new, None)
        if _opens(settings, url, old):
            raise DrillFailed(f"after the change to {name}, the secret before it still opens keys")
        if not _opens(settings, url, new):
            raise DrillFailed(f"after the change to {name}, it opens nothing")
        yield f"after the second rotation {name} opens them, and the secret before it is refused"
    with _opened(settings, url) as rt:
        yield _verify(rt, None)


def _check_key_file(settings: Settings, dump: Path) -> str:
    """Compares the secret with the file beside the dump, in which `smsgw keys show` wrote its
    id."""
    own, file = keys.secret_id(settings), dump.with_name(dump.name + ".keys")
    if not file.exists():
        return f"no {file.name} says which secret the dump is under; write one with each backup"
    found = _KEY_FILE.search(file.read_text("utf-8", "replace"))
    if found is None:
        raise DrillFailed(f"{file} names no secret; it is what smsgw keys show prints")
    if found[1] != own:
        raise DrillFailed(
            f"{dump.name} is under secret {found[1]}, and SMSGW_SECRET_KEY is {own}; set the other"
        )
    return f"{file.name} names secret {own}, as SMSGW_SECRET_KEY is"


def _check_empty(url: str) -> None:
    if make_url(url).get_backend_name() != "postgresql":
        raise DrillFailed("a dump of PostgreSQL is restored into PostgreSQL")
    with _disposed_engine(url) as engine:
        try:
            tables = inspect(engine).get_table_names()
        except SQLAlchemyError as error:
            raise DrillFailed(f"it cannot be used ({type(error).__name__}); create it") from None
    if tables:
        raise DrillFailed("that database is not empty; nothing was restored. Create another one")


def _call_pg_restore(dump: Path, url: str) -> None:
    program = shutil.which("pg_restore")
    if program is None:
        raise DrillFailed("pg_restore is not in PATH; install PostgreSQL's client programs")
    address = make_url(url).set(drivername="postgresql").difference_update_query(OURS_IN_ADDRESS)
    password = {"PGPASSWORD": str(address.password)} if address.password else {}
    target = address._replace(password=None).render_as_string()  # arguments are seen by all
    done = subprocess.run(
        [program, "--no-owner", "--exit-on-error", f"--dbname={target}", str(dump)],
        env={**os.environ, **password},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        told = done.stderr.strip().partition("\n")[0]
        raise DrillFailed(f"pg_restore failed: {told}")


def _check_secret(rt: Runtime) -> None:
    try:
        startup.check_key(rt)
    except (SettingsError, Unreadable) as error:
        raise DrillFailed(str(error)) from None


def _verify(rt: Runtime, known: Head | None) -> str:
    with rt.reading(streams=True) as tx:
        found = audit_chain.verify(tx, known)
        others = integrity.findings(tx, keys.key_wrapper(rt.settings), rt.rows_since)
        findings = [*found.findings, *islice(others, FINDINGS)]
    if findings:
        raise DrillFailed("\n".join(findings))
    return f"{found.head.number} rows of the audit log and every ciphertext verified"


def _counts(rt: Runtime) -> Iterator[str]:
    with rt.reading() as tx:
        for name, table in sorted(service.tables.items()):
            rows = tx.connection.execute(select(func.count()).select_from(table)).scalar_one()
            if rows:
                yield f"{rows:>10}  {name}"


def _is_copy(url: str) -> bool:
    with _disposed_engine(url) as engine:
        return bool(inspect(engine).has_table(_mark.name))


def _rotate(settings: Settings, url: str, secret: SecretStr, old: SecretStr | None) -> int:
    """Rotates without waiting for other processes: nobody else uses a copy."""
    with _opened(_under(settings, secret, old), url) as rt:
        return key_rotation.rotate(rt, ACTOR, lambda _: None, wait=lambda _: None)


def _opens(settings: Settings, url: str, secret: SecretStr) -> bool:
    with _opened(_under(settings, secret, None), url) as rt:
        try:
            rt.vault.refresh()
            startup.check_key(rt)
        except (SettingsError, Unreadable):
            return False
    return True


def _under(settings: Settings, secret: SecretStr, old: SecretStr | None) -> Settings:
    return settings.model_copy(update={"secret_key": secret, "old_secret_key": old})


@contextmanager
def _opened(settings: Settings, url: str) -> Iterator[Runtime]:
    """Opens the copy as an installation of its own."""
    own = {"database_url": url, "ledger_url": None, "ledger_replica_url": None}
    rt = runtime.build(settings.model_copy(update=own))
    with closing(rt):
        yield rt


@contextmanager
def _disposed_engine(url: str) -> Iterator[Engine]:
    made = engines.engine(url)
    try:
        yield made
    finally:
        made.dispose()
