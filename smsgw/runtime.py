"""What a process holds: settings, database engines, queue connection, keys, carriers, the clock."""

import contextlib
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import URL, Connection, Engine, create_engine, event, select
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import SQLAlchemyError

from smsgw import carriers, gsm7, logs, phone
from smsgw.carriers.carrier import Carrier
from smsgw.configuration.compiler import Configuration, Published
from smsgw.ledger import SqlLedger
from smsgw.ledger.faults import Failures
from smsgw.messaging.rate_limits import Counters
from smsgw.settings import OURS_IN_ADDRESS, SHORTEST_SECRET, Settings, SettingsError
from smsgw.storage import deadlines, failed_checks, keys, local_redis, row_macs
from smsgw.storage.clock_check import ClockCheck, machine_now
from smsgw.storage.crypto import Part, Unreadable, Vault, Wrapper
from smsgw.storage.failed_checks import FailedCheck
from smsgw.storage.row_macs import Proof
from smsgw.storage.tables.operators import configurations
from smsgw.storage.tables.security import Ciphertext

log = logs.get(__name__)

LEDGER_LIMIT = 2.0  # seconds; a message is answered inside its webhook, whose carrier waits
SERVICE_LIMIT = 8.0  # seconds; Twilio waits for 15
SQLITE_LIMIT = 10.0  # seconds that a command waits for another writer
LOCK_LIMIT = 5.0  # seconds that a statement waits for others; shorter, so that its connection lives
CANCEL_TAKES = 0.25  # seconds that a live server has to end by itself what is over its limit
HINT_LIMIT = 1.0  # seconds
VERSIONS_TRIED = 10  # newest first, where some are not ours
PUBLISHED_WITHIN = 2.0  # seconds: every process asks for another configuration as often as that


class Outrun(Exception):
    """Another transaction was first; who reads again and decides anew may go on."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a store needs to read and write: nothing else is open while the network is."""

    connection: Connection
    vault: Vault
    now: datetime
    random: Random  # of codes; in a replay the same each time
    failed: list[FailedCheck] = field(default_factory=list)  # kept when the transaction is over

    def opened(
        self, sealed: bytes | None, column: Ciphertext, row: object, *named_by: Part
    ) -> str | None:
        """What stands in a row; None where it is empty or cannot be opened, which the log tells by
        the row's id: a row that is damaged is in nobody else's way. `named_by`: sealed.ROW."""
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
        """Whether we wrote the row with the id `row`; the log tells where not."""
        if proof.holds(self.vault, mac, values):
            return True
        self.note_failure(proof.table, row, "not ours")
        return False

    def note_failure(self, table: str, row: object, why: str, **more: str) -> None:
        """Of a row that fails its check; kept when the transaction is over."""
        name = row_macs.shown(row)
        log.error("a row failed its check", table=table, row=name, why=why, **more)
        self.failed.append(FailedCheck(table, name, why))

    def may_end_what_failed(self) -> bool:
        """Whether so few rows failed that what cannot be opened may be given up."""
        lately = failed_checks.count_since(self.connection, self.now - failed_checks.HOUR)
        return lately + len(self.failed) <= failed_checks.MANY_AN_HOUR


@dataclass(frozen=True)
class Runtime:
    settings: Settings
    service: Engine
    ledger: SqlLedger
    vault: Vault
    carriers: Mapping[str, Carrier]
    clock_check: ClockCheck
    redis_url: str | None = None
    redis: Redis | None = None  # for hints: gives up within a second
    counters: Counters = field(default_factory=Counters)
    published: Published = field(default_factory=Published)
    now: Callable[[], datetime] = machine_now
    random: Random = field(default_factory=SystemRandom)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A short read; on SQLite it does not wait for the one writer."""
        self.vault.refresh()
        begun = self.service.connect().execution_options(read_only=True)
        with self._noting(self.now()) as failed, begun as connection:
            yield Transaction(connection, self.vault, self.now(), self.random, failed)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Commits at its end, unless something was raised."""
        self.vault.refresh()
        with self._noting(self.now()) as failed, self.service.begin() as connection:
            yield Transaction(connection, self.vault, self.now(), self.random, failed)

    @contextmanager
    def _noting(self, now: datetime) -> Iterator[list[FailedCheck]]:
        """Keeps what failed in a transaction, in one of its own behind it."""
        failed: list[FailedCheck] = []
        try:
            yield failed
        finally:
            if failed:
                _keep(self.service, failed, now)

    @property
    def local(self) -> datetime:
        """Now, where the scheme is."""
        return self.now().astimezone(self.settings.zone)

    @property
    def today(self) -> date:
        """The scheme's."""
        return self.local.date()

    @property
    def configuration(self) -> Configuration:
        """The newest that was published."""
        self.published.refresh()
        return self.published.configuration

    @property
    def unasked(self) -> Carrier:
        """The carrier of messages that nobody asked for."""
        return self.carriers[self.settings.carriers[0]]

    def spend(self, sent: Iterable[tuple[str, str]]) -> None:
        """Of what the day may cost, texts to E.164 numbers; after the commit that sends them."""
        if not self.settings.limits_spending:
            return
        by_code = Counter[str]()
        for number, text in sent:
            by_code[phone.calling_code(number)] += gsm7.count(text).segments
        if by_code:
            self.counters.spend(self.today, by_code)

    def close(self) -> None:
        self.service.dispose()
        self.ledger.engine.dispose()


def build(settings: Settings, now: Callable[[], datetime] = machine_now) -> Runtime:
    queue = settings.redis_url or local_redis.url(settings.home)
    redis = hints(queue) if queue else None
    service = engine(settings.service_url, SERVICE_LIMIT, lock_limit=LOCK_LIMIT)
    wrapper = keeper(settings)
    vault = Vault(lambda: keys.load(service, wrapper, now), keys.KNOWN_WITHIN)
    return Runtime(
        settings=settings,
        service=service,
        ledger=SqlLedger(
            engine(settings.participant_ledger_url, limit=LEDGER_LIMIT),
            zone=settings.zone,
            failures=Failures(redis),
        ),
        vault=vault,
        carriers=carriers.build(settings),
        clock_check=ClockCheck(service),
        redis_url=queue,
        redis=redis,
        counters=Counters(redis),
        published=Published(
            lambda since: _published_since(service, vault, since, now),
            lambda: now().astimezone(settings.zone).date(),
            PUBLISHED_WITHIN,
        ),
        now=now,
    )


def _published_since(
    service: Engine, vault: Vault, version: int, now: Callable[[], datetime]
) -> tuple[int, str] | None:
    """None where nothing was, or the database is away: what answered goes on."""
    newer = (
        select(configurations)
        .where(configurations.c.version > version)
        .order_by(configurations.c.version.desc())
        .limit(VERSIONS_TRIED)
    )
    try:
        with service.connect().execution_options(read_only=True) as connection:
            found = connection.execute(newer).all()
    except SQLAlchemyError:
        return None
    for row in found:
        if row_macs.CONFIGURATION.holds(vault, row.mac, row._mapping):
            return row.version, row.text
        log.error("a row failed its check", table="configurations", row=row.version, why="not ours")
        _keep(service, [FailedCheck("configurations", str(row.version), "not ours")], now())
    return None


def _keep(service: Engine, failed: Sequence[FailedCheck], now: datetime) -> None:
    try:
        with service.begin() as connection:
            failed_checks.record(connection, failed, now)
    except SQLAlchemyError as error:
        log.warning("failed checks are not kept", error=type(error).__name__)


def hints(url: str) -> Redis:
    """A client that gives up at once: whoever hints keeps a carrier waiting."""
    return Redis.from_url(
        url,
        socket_connect_timeout=HINT_LIMIT,
        socket_timeout=HINT_LIMIT,
        retry=Retry(NoBackoff(), 0),
    )


def engine(url: str, limit: float | None = None, *, lock_limit: float | None = None) -> Engine:
    """The only place that makes engines. Errors never print parameters: they are people's data.

    `limit`: seconds after which connecting, or whatever else is waited for, is given up, even of a
    server that is frozen. `lock_limit`: seconds after which a statement that waits for others is;
    where there is none, the server itself ends statements after `limit`, and a connection that
    died meanwhile shows when it is used, and not before.
    """
    address = make_url(url)
    if address.drivername in {"postgres", "postgresql"}:
        address = address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() != "sqlite":
        options = _postgres_options(address, limit, lock_limit)
        address = address.difference_update_query(OURS_IN_ADDRESS)
        made = create_engine(address, hide_parameters=True, **options)
        event.listen(made, "handle_error", _name_pooler)
        if limit is not None:
            deadlines.watch(made, limit + CANCEL_TAKES)
        return made
    waits = limit or SQLITE_LIMIT
    made = create_engine(address, connect_args={"timeout": waits}, hide_parameters=True)
    event.listen(made, "do_connect", _make_private)
    event.listen(made, "connect", _prepare_sqlite)
    event.listen(made, "begin", partial(_begin_sqlite, waits))
    return made


def keeper(settings: Settings) -> Wrapper:
    """Of the keys in the database."""
    old = settings.old_secret_key
    return Wrapper([secret_key(settings), *([old.get_secret_value()] if old else [])])


def secret_key(settings: Settings) -> str:
    """SMSGW_SECRET_KEY; an embedded installation without one makes its own and keeps it. Raises
    SettingsError."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    file = settings.instance / "secret_key"
    try:
        return _kept(file) or _made(settings, file)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be used ({error})") from None


def _kept(file: Path) -> str | None:
    if not file.exists():
        return None
    secret = file.read_text("utf-8").strip()
    if len(secret) < SHORTEST_SECRET:
        told = f"holds {len(secret)} characters, {SHORTEST_SECRET} at least"
        raise SettingsError(f"{file}: {told}; restore it from its backup")
    return secret


def _made(settings: Settings, file: Path) -> str:
    """On the disk before it is used: what it seals opens with no other."""
    if settings.database_file.exists():
        raise SettingsError(
            f"{file}: is missing, and {settings.database_file.name} opens with it alone; restore it"
        )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f"secret_key.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secrets.token_urlsafe(48))
        opened.flush()
        os.fsync(opened.fileno())
    try:
        file.hardlink_to(fresh)  # fails where another process was first, whose key then counts
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return file.read_text("utf-8")


def _postgres_options(
    address: URL, limit: float | None, lock_limit: float | None
) -> dict[str, Any]:
    """What the address says of preparing statements, and its `options` beside ours: libpq takes
    the last of each, so that the address's counts. PgBouncer takes none of ours: there `overdue`
    alone keeps the limit."""
    said = {name: values[-1].lower() for name, values in address.normalized_query.items()}
    is_pooled = said.get("pgbouncer") in {"1", "true"}
    threshold = "0" if is_pooled else said.get("prepare_threshold")
    arguments: dict[str, Any] = {}
    if threshold is not None:
        arguments["prepare_threshold"] = int(threshold.replace("none", "0")) or None
    if limit is None:
        return {"pool_pre_ping": True, "connect_args": arguments}
    milliseconds = round(limit * 1000)
    arguments["connect_timeout"] = max(2, round(limit))  # libpq takes a shorter one for two seconds
    arguments["tcp_user_timeout"] = milliseconds
    if not is_pooled:
        theirs = address.normalized_query.get("options") or (os.environ.get("PGOPTIONS", ""),)
        ours = f"-c statement_timeout={milliseconds}"
        if lock_limit is not None:
            ours = f"-c lock_timeout={round(lock_limit * 1000)}"
        arguments["options"] = " ".join([ours, *filter(None, theirs)])
    is_tested = lock_limit is not None
    return {"pool_timeout": limit, "pool_pre_ping": is_tested, "connect_args": arguments}


def _name_pooler(context: ExceptionContext) -> None:
    """The connection is of no more use: what it prepared was prepared on another server's."""
    if isinstance(context.original_exception, InvalidSqlStatementName | DuplicatePreparedStatement):
        log.error("a prepared statement is lost; behind PgBouncer, add pgbouncer=1 to the address")
        context.invalidate_pool_on_disconnect = False
        context.is_disconnect = True


def _make_private(_dialect: object, _record: object, arguments: list[Any], _: object) -> None:
    """A new file is for nobody else; SQLite would make it as the umask has it."""
    file = Path(str(arguments[0]))
    if arguments and file.parent.is_dir() and str(file) != ":memory:":
        with contextlib.suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # what is destroyed does not lie in free pages


def _begin_sqlite(limit: float, connection: Connection) -> None:
    # A transaction that reads and then writes loses updates unless it is the writer from its start.
    options = connection.get_execution_options()
    if options.get("read_only"):
        connection.exec_driver_sql("BEGIN")
        return
    limit = options.get("waits_for_writer", limit)
    milliseconds = max(0, round(min(limit, deadlines.left(limit)) * 1000))
    driver = connection.connection.cursor()
    driver.execute(f"PRAGMA busy_timeout={milliseconds}")
    driver.close()
    connection.exec_driver_sql("BEGIN IMMEDIATE")
