"""`smsgw doctor`: tell which part of an installation does not work, and what to do."""

import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import isfinite
from urllib.parse import urlsplit

import click
from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from smsgw import runtime
from smsgw import settings as environment
from smsgw.carriers.carrier import Carrier, Ending, SendError
from smsgw.ledger.inspection import inspection
from smsgw.ledger.replica import MEASURED_EVERY, Replica
from smsgw.ledger_access import is_service
from smsgw.operations import queue, startup
from smsgw.registry import holidays
from smsgw.runtime import Runtime
from smsgw.storage import clock_check, keys, partitions, schema_version
from smsgw.storage.crypto import Unreadable
from smsgw.variables import SettingsError

POOLER_REFUSES = "unsupported startup parameter"  # as PgBouncer says it
POOLED = "behind PgBouncer, add pgbouncer=1 to the address"
POOLED_OPTIONS = "PgBouncer takes no options: put them into ALTER ROLE … SET instead"
CHECK_ADDRESS = "check its address, its rights, its file"
OPEN_QUEUE = "anybody on its network can write there; REDIS_URL wants a password, or a socket"


@click.command()
def doctor() -> None:
    """Check this installation end to end and say what to fix."""
    rt = runtime.build(environment.load())
    faults = {part: check(rt) for part, check in CHECKS.items()}
    if rt.ledger.replica is not None:
        faults["ledger's replica"] = replica_fault(rt.ledger.replica)
    carriers = (carrier for carrier in rt.carriers.values() if carrier.routes)
    faults |= {carrier.name: _carrier(carrier) for carrier in carriers}
    for part, fault in faults.items():
        click.echo(f"FIX  {part}: {fault}" if fault else f"ok   {_named(rt, part)}")
    if note := holidays_note(rt):
        click.echo(f"note holidays: {note}")
    if any(faults.values()):
        raise SystemExit(1)


def _named(rt: Runtime, part: str) -> str:
    """Names which keys these are, so that a backup of that day can be told from another."""
    if part != "keys":
        return part
    try:
        return f"keys (secret {keys.secret_id(rt.settings)}, data key {rt.vault.active})"
    except (SettingsError, SQLAlchemyError):
        return part


def _service(rt: Runtime) -> str | None:
    return _schema(rt, "service", "smsgw migrate")


def _partitions(rt: Runtime) -> str | None:
    """Checks that rows have a place of their own until the end of the next month."""
    if not partitions.has_partitions(rt.service):
        return None
    try:
        with rt.service.connect() as connection:
            missing = partitions.missing(connection, rt.now(), ahead=1)
            strays = partitions.strays(connection)
    except partitions.Busy:
        return "somebody holds the tables for long; try again later"
    except SQLAlchemyError:
        return "they cannot be read; see the service database"
    if missing:
        months = ", ".join(f"20{month // 100}-{month % 100:02}" for month in missing)
        return f"there are none for {months}; run smsgw migrate, then see the log of the clock"
    if strays:
        return "rows are in the default one; the clock moves them within an hour, or see its log"
    return None


def _ledger(rt: Runtime) -> str | None:
    if is_service(rt.settings.ledger_url):
        return _contacts(rt, "let the service name one in /reference")
    is_apart = rt.settings.ledger_url is not None  # else `smsgw migrate` makes both
    with contextlib.suppress(SQLAlchemyError):  # what is wrong shows below
        if is_apart and inspection.is_foreign(rt.ledger.engine):
            return _foreign(rt) or _contacts(rt)
    own = "smsgw migrate --ledger, or make views over your own tables (docs/ledger.md)"
    return _schema(rt, "ledger", own if is_apart else "smsgw migrate") or _contacts(rt)


def _foreign(rt: Runtime) -> str | None:
    found = inspection.Inspection(rt.ledger.engine, rt.settings.zone).findings()
    findings = [str(each) for each in found if not each.is_note]
    if len(findings) < 2:
        return next(iter(findings), None)
    return f"{findings[0]} (and {len(findings) - 1} more: run smsgw ledger check)"


def _schema(rt: Runtime, which: schema_version.Which, remedy: str) -> str | None:
    engine = rt.service if which == "service" else rt.ledger.engine
    try:
        return schema_version.fault(engine, which, remedy)
    except SQLAlchemyError as error:
        cause = _cause(error)
        return f"it cannot be used ({cause}); {_remedy(engine, cause)}"


def _remedy(engine: Engine, cause: str) -> str:
    if POOLER_REFUSES not in cause:
        return CHECK_ADDRESS
    return POOLED_OPTIONS if "options" in engine.url.query else POOLED


def _cause(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or type(error).__name__).strip().partition("\n")[0]


def _contacts(rt: Runtime, remedy: str = "run smsgw ledger load") -> str | None:
    faults = rt.ledger.check()
    if faults:
        return "; ".join(map(str, faults))
    if rt.ledger.contact("call_centre") is None:
        return f"contacts has no call_centre, which replies name; {remedy}"
    return None


def replica_fault(replica: Replica) -> str | None:
    try:
        standing = replica.measure()
        if not standing.is_trusted:  # the first look does not show what an idle primary has
            time.sleep(MEASURED_EVERY)
            standing = replica.measure()
    except SQLAlchemyError as error:
        return f"it cannot be used ({_cause(error)}), and LEDGER_URL is asked; {CHECK_ADDRESS}"
    if not standing.follows:
        return "it follows no primary; set LEDGER_REPLICA_URL to a streaming replica, or unset it"
    if standing.is_trusted:
        return None
    if standing.is_hidden:
        return "it may be behind; on the primary, GRANT pg_read_all_stats to its role, to see"
    by = f"{standing.lag:.0f} s" if isfinite(standing.lag) else "nobody knows how far"
    return f"it is behind ({by}); look whether it is connected to its primary, and replays"


def holidays_note(rt: Runtime) -> str | None:
    """Returns what is to be done in time, which makes no installation faulty today."""
    try:
        with rt.reading() as tx:
            year = holidays.missing_year(tx, rt.today, rt.settings.holidays)
    except (SQLAlchemyError, Unreadable):  # said above
        return None
    if year is None:
        return None
    return f"{year} has none yet; add them in the console, or by smsgw holidays add"


def _keys(rt: Runtime) -> str | None:
    try:
        startup.check_key(rt)
    except SettingsError as error:
        return str(error)
    return None


def _clock(rt: Runtime) -> str | None:
    try:
        skew = rt.clock_check.compare()
    except SQLAlchemyError:
        return "there is no database to compare it with"
    if abs(skew) <= clock_check.APART:
        return None
    way = "ahead of" if skew > timedelta() else "behind"
    by = timedelta(seconds=round(abs(skew).total_seconds()))
    return (
        f"this machine's is {by} {way} the database's, and nothing expires or is destroyed; set "
        "whichever is wrong (timedatectl set-ntp true)"
    )


def _queue(rt: Runtime) -> str | None:
    try:
        if rt.redis is not None and queue.takes_hints(rt.redis):
            return OPEN_QUEUE if is_exposed(rt.redis_url or "") else None
    except RedisError as error:
        if rt.settings.redis_url is not None:
            return f"it takes no hints ({type(error).__name__}); check REDIS_URL, memory and rights"
    return "set REDIS_URL, or start smsgw run, which keeps a server of its own"


def is_exposed(address: str) -> bool:
    """Tells whether others can write to this Redis: they would move limits and hold up replies,
    although no job but ours is run."""
    parts = urlsplit(address)
    is_here = parts.scheme == "unix" or parts.hostname in {None, "localhost", "127.0.0.1", "::1"}
    return not is_here and not parts.password


def _files(rt: Runtime) -> str | None:
    """Checks that others cannot read the files: they hold the key, and perhaps the ledger."""
    folder = rt.settings.instance
    if rt.settings.is_embedded and folder.stat().st_mode & 0o077:
        return f"others on this machine may look into {folder}; chmod 700 it"
    if paths := rt.settings.exposed_files.values():
        return f"others on this machine may read {', '.join(paths)}; chmod o-r, or the folder o-x"
    return None


def _carrier(carrier: Carrier) -> str | None:
    try:
        return carrier.misconfigured()
    except SendError as error:
        if error.ending is Ending.RETRY:
            return f"it cannot be asked now ({error.code}); check the network, then try again"
        return f"it does not tell the number's settings ({error.code}); check the account's token"


CHECKS: Mapping[str, Callable[[Runtime], str | None]] = {
    "service database": _service,
    "partitions": _partitions,
    "participant ledger": _ledger,
    "keys": _keys,
    "clock": _clock,
    "files": _files,
    "queue": _queue,
}
