"""Holds what a process needs: settings, database engines, queue connection, keys, carriers, the
clock."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from random import Random, SystemRandom

from argon2 import PasswordHasher
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from smsgw import carriers, gsm7, logs, phone
from smsgw.carriers.carrier import Carrier
from smsgw.configuration.compiler import Configuration
from smsgw.configuration.live import LiveConfiguration
from smsgw.ledger import service_client
from smsgw.ledger.faults import Failures
from smsgw.ledger.http_ledger import HttpLedger
from smsgw.ledger.replica import Replica
from smsgw.ledger.row_ledger import RowLedger
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.ledger_access import is_service
from smsgw.settings import Settings
from smsgw.storage import (
    engines,
    failed_checks,
    kept_connection,
    keys,
    local_redis,
    row_macs,
)
from smsgw.storage.clock_check import ClockCheck, machine_now
from smsgw.storage.counters import Counters
from smsgw.storage.crypto import Vault
from smsgw.storage.delivery_locks import DeliveryLocks
from smsgw.storage.failed_checks import FailedCheck
from smsgw.storage.group_commit import CallCoalescer, GroupCommit
from smsgw.storage.kept_connection import KeptConnection
from smsgw.storage.keys import key_wrapper
from smsgw.storage.monthly_ids import months_ago
from smsgw.storage.tables.operators import configurations
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

LEDGER_LIMIT = 2.0  # seconds; a message is answered inside its webhook, whose carrier waits
SERVICE_LIMIT = 8.0  # seconds; Twilio waits for 15
LOCK_LIMIT = 5.0  # seconds that a statement waits for others; shorter, so that its connection lives
HINT_LIMIT = 1.0  # seconds
VERSIONS_TRIED = 10  # newest first, where some are not ours
PUBLISHED_WITHIN = 2.0  # seconds: every process asks for another configuration as often as that


@dataclass(frozen=True)
class Runtime:
    settings: Settings
    service: Engine
    ledger: RowLedger
    vault: Vault
    carriers: Mapping[str, Carrier]
    clock_check: ClockCheck
    redis_url: str | None = None
    redis: Redis | None = None  # for hints: gives up within a second
    counters: Counters = field(default_factory=Counters)
    deliveries: DeliveryLocks = field(default_factory=DeliveryLocks)
    published: LiveConfiguration = field(default_factory=LiveConfiguration)
    batches: GroupCommit = field(default_factory=GroupCommit)
    hints: CallCoalescer = field(default_factory=CallCoalescer)
    now: Callable[[], datetime] = machine_now
    random: Random = field(default_factory=SystemRandom)
    # Argon2id as RFC 9106 has it where memory is short.
    passwords: PasswordHasher = field(default_factory=PasswordHasher)

    @contextmanager
    def reading(self, *, streams: bool = False) -> Iterator[Transaction]:
        """Begins a short read; on SQLite it does not wait for the one writer. `streams` puts it in
        a transaction, which rows that are fetched some at a time need."""
        self.vault.refresh()
        begun: AbstractContextManager[Connection]
        if streams:
            begun = self.service.execution_options(read_only=True).connect()
        else:
            begun = self._reading.connect() if self._kept is None else self._kept.taken()
        with self._note_failures(self.now()) as failed, begun as connection:
            yield Transaction(connection, self.vault, self.now(), self.random, failed)

    @cached_property
    def _reading(self) -> Engine:
        return engines.reading(self.service)

    @cached_property
    def _kept(self) -> KeptConnection | None:
        return kept_connection.of(self.service)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Commits at its end, unless something was raised."""
        self.vault.refresh()
        with self._note_failures(self.now()) as failed, self.service.begin() as connection:
            yield Transaction(connection, self.vault, self.now(), self.random, failed, self._kept)

    @contextmanager
    def writing_at_once(self) -> Iterator[Transaction]:
        """Begins a write of one statement, which PostgreSQL commits by itself: a transaction would
        cost two trips more. Elsewhere, it is a transaction."""
        if self.service.dialect.name != "postgresql":
            with self.writing() as tx:
                yield tx
            return
        with self.reading() as tx:
            yield tx

    @contextmanager
    def _note_failures(self, now: datetime) -> Iterator[list[FailedCheck]]:
        """Keeps what failed in a transaction, in one of its own behind it."""
        failed: list[FailedCheck] = []
        try:
            yield failed
        finally:
            if failed:
                _keep(self.service, failed, now)

    @property
    def local(self) -> datetime:
        """Returns the time where the scheme is."""
        return self.now().astimezone(self.settings.zone)

    @property
    def today(self) -> date:
        """Returns the day where the scheme is."""
        return self.local.date()

    @property
    def rows_since(self) -> datetime:
        """Returns the first instant, by UTC, whose messages and replies are kept."""
        return months_ago(self.now(), self.settings.row_months)

    @property
    def configuration(self) -> Configuration:
        """Returns the newest configuration that was published."""
        self.published.refresh()
        return self.published.configuration

    @property
    def default_carrier(self) -> Carrier:
        """Returns the carrier of messages that nobody asked for."""
        return self.carriers[self.settings.carriers[0]]

    def spend(self, sent: Iterable[tuple[str, str]]) -> None:
        """Counts texts to E.164 numbers against the day's budget; call it after the commit that
        sends them."""
        if not self.settings.limits_spending:
            return
        by_code = Counter[str]()
        for number, text in sent:
            by_code[phone.calling_code(number)] += gsm7.count(text).segments
        if by_code:
            self.counters.spend(self.today, by_code)

    def close(self) -> None:
        self.service.dispose()
        self.ledger.close()


def build(settings: Settings, now: Callable[[], datetime] = machine_now) -> Runtime:
    queue = settings.redis_url or local_redis.url(settings.home)
    redis = hints(queue) if queue else None
    service = engines.engine(settings.service_url, SERVICE_LIMIT, lock_limit=LOCK_LIMIT)
    wrapper = key_wrapper(settings)
    vault = Vault(lambda: keys.load(service, wrapper, now), keys.KNOWN_WITHIN)
    return Runtime(
        settings=settings,
        service=service,
        ledger=_ledger(settings, Failures(redis)),
        vault=vault,
        carriers=carriers.build(settings.carriers, settings.of_carriers),
        clock_check=ClockCheck(service),
        redis_url=queue,
        redis=redis,
        counters=Counters(redis),
        published=LiveConfiguration(
            lambda since: _published_since(service, vault, since, now),
            lambda: now().astimezone(settings.zone).date(),
            PUBLISHED_WITHIN,
        ),
        now=now,
    )


def _ledger(settings: Settings, failures: Failures) -> RowLedger:
    zone = settings.zone
    if is_service(settings.ledger_url):
        client = service_client.connect(settings, settings.ledger_url or "", LEDGER_LIMIT)
        return HttpLedger(client, zone=zone, failures=failures)
    engine = engines.engine(settings.participant_ledger_url, limit=LEDGER_LIMIT)
    return SqlLedger(engine, zone=zone, failures=failures, replica=_replica(settings))


def _replica(settings: Settings) -> Replica | None:
    url = settings.ledger_replica_url
    return None if url is None else Replica(engines.engine(url, limit=LEDGER_LIMIT))


def _published_since(
    service: Engine, vault: Vault, version: int, now: Callable[[], datetime]
) -> tuple[int, str] | None:
    """Returns None if there is no newer version or the database is unavailable: the process then
    keeps its version."""
    newer = (
        select(configurations)
        .where(configurations.c.version > version)
        .order_by(configurations.c.version.desc())
        .limit(VERSIONS_TRIED)
    )
    try:
        with engines.reading(service).connect() as connection:
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
        log.warning("failed checks could not be stored", error=type(error).__name__)


def hints(url: str) -> Redis:
    """Returns a client that gives up at once, as a carrier waits while we hint."""
    return Redis.from_url(
        url,
        socket_connect_timeout=HINT_LIMIT,
        socket_timeout=HINT_LIMIT,
        retry=Retry(NoBackoff(), 0),
    )
