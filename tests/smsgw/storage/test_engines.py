"""Options of a PostgreSQL address reach the server, also through a pooler."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from structlog.testing import capture_logs

from smsgw.storage import engines as storage_engines
from tests.conftest import KEY, P1
from tests.support import foreign_ledger
from tests.support.commands import forked
from tests.support.processes import free_port
from tests.support.servers import die_with_parent
from tests.support.waiting import LONGEST

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
ABSENT = "no PgBouncer here: apt-get install pgbouncer"
LIMIT = 2.0
FORGET = "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$"  # plainly said, psycopg would notice
END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
USED_OFTEN = 12  # psycopg prepares a statement at its sixth use


def shown(url: str, name: str) -> str:
    engine = storage_engines.engine(url, limit=LIMIT)
    try:
        with engine.connect() as connection:
            return str(connection.execute(text(f"SHOW {name}")).scalar_one())
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("options", "names", "limit"),
    [
        ("-csearch_path%3Dpg_catalog", "pg_catalog", "2s"),
        ("-c%20search_path%3Dpg_catalog%20-c%20work_mem%3D1MB", "pg_catalog", "2s"),
        ("-csearch_path%3Dpg_catalog&application_name=x", "pg_catalog", "2s"),
        ("-cstatement_timeout%3D500%20-csearch_path%3Dpg_catalog", "pg_catalog", "500ms"),
        ("", '"$user", public', "2s"),
    ],
)
def test_options_of_an_address_are_kept_beside_ours(
    postgres_url: str, options: str, names: str, limit: str
) -> None:
    url = f"{postgres_url}&options={options}" if options else postgres_url
    assert (shown(url, "search_path"), shown(url, "statement_timeout")) == (names, limit)


def test_options_of_the_environment_are_kept_too(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-csearch_path=pg_catalog")
    assert shown(postgres_url, "search_path") == "pg_catalog"


@pytest.mark.parametrize(
    "said", ["prepare_threshold=0", "prepare_threshold=none", "pgbouncer=1", "pgbouncer=true"]
)
@pytest.mark.parametrize("limit", [None, LIMIT])
def test_prepared_statements_can_be_disabled_in_the_address(
    postgres_url: str, said: str, limit: float | None
) -> None:
    """A statement that was prepared is not there on another server's connection."""
    engine = storage_engines.engine(f"{postgres_url}&{said}", limit)
    with engine.connect() as connection:
        for _ in range(USED_OFTEN):
            connection.execute(text("SELECT 1"))
        prepared = text("SELECT count(*) FROM pg_prepared_statements")
        assert connection.execute(prepared).scalar_one() == 0
    engine.dispose()


def test_a_lost_statement_ends_its_connection_and_says_what_to_do(postgres_url: str) -> None:
    engine = storage_engines.engine(f"{postgres_url}&prepare_threshold=1")
    with engine.connect() as connection:
        for _ in range(2):
            connection.execute(text("SELECT 1"))
        connection.exec_driver_sql(FORGET)
        with capture_logs() as logged, pytest.raises(SQLAlchemyError):
            connection.execute(text("SELECT 1"))
    assert "add pgbouncer=1 to the address" in logged[0]["event"]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize("limit", [None, LIMIT])
def test_the_connection_that_was_used_last_is_used_again_for_an_hour(
    postgres_url: str, limit: float | None
) -> None:
    engine = storage_engines.engine(postgres_url, limit)
    with engine.connect() as last, engine.connect() as other:
        drivers = [each.connection.driver_connection for each in (last, other)]
    for _ in range(3):
        with engine.connect() as connection:
            assert connection.connection.driver_connection is drivers[0]
    with engine.connect() as connection:
        connection.connection._connection_record.starttime -= storage_engines.RENEWED_AFTER + 1
    with engine.connect() as connection:
        assert connection.connection.driver_connection not in drivers
    engine.dispose()


@pytest.fixture
def pooled(postgres_url: str, tmp_path: Path) -> Iterator[str]:
    """Returns the address of that database through a PgBouncer in transaction mode, with one server
    connection for all."""
    if PGBOUNCER is None:
        if os.environ.get("SMSGW_REQUIRE_PGBOUNCER"):
            pytest.fail(ABSENT)
        pytest.skip(ABSENT)
    parts = urlsplit(postgres_url)
    (folder,), name, port = parse_qs(parts.query)["host"], parts.path[1:], free_port()
    (tmp_path / "users").write_text('"postgres" ""\n')
    (tmp_path / "pgbouncer.ini").write_text(
        f"[databases]\n{name} = host={folder} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n"
        "server_round_robin = 1\n"
    )
    tmp_path.chmod(0o755)
    is_root = os.geteuid() == 0
    process = subprocess.Popen(
        [PGBOUNCER, "--quiet", *(["-u", "nobody"] if is_root else []), tmp_path / "pgbouncer.ini"],
        preexec_fn=die_with_parent(15),
    )
    url = f"postgresql://postgres@127.0.0.1:{port}/{name}"
    try:
        until = time.monotonic() + LONGEST
        while True:
            try:
                psycopg.connect(url).close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < until
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(LONGEST)


def test_the_service_works_behind_pgbouncers_transaction_mode(pooled: str, tmp_path: Path) -> None:
    environ = {"DATABASE_URL": f"{pooled}?pgbouncer=1", "SMSGW_SECRET_KEY": KEY}
    assert forked(environ, "migrate").returncode == 0
    for _ in range(3):
        done = forked(environ, "say", "SALDO", "--from", P1, "--json")
        assert '"outcome": "not_registered"' in done.stdout, done.stderr
    engines = [
        storage_engines.engine(f"{pooled}?pgbouncer=1", limit) for limit in (LIMIT, None, LIMIT)
    ]
    for _ in range(USED_OFTEN):
        for engine in engines:
            with engine.connect() as connection:
                assert connection.execute(text("SELECT count(*) FROM phones")).scalar_one() == 1
    for engine in engines:
        engine.dispose()


def test_the_doctor_says_what_pgbouncer_needs(pooled: str, tmp_path: Path) -> None:
    environ = {"DATABASE_URL": f"{pooled}?pgbouncer=1", "SMSGW_SECRET_KEY": KEY}
    forked(environ, "migrate")
    printed = forked(environ | {"LEDGER_URL": pooled}, "doctor").stdout
    assert "FIX  participant ledger" in printed
    assert "add pgbouncer=1 to the address" in printed
    with_options = f"{pooled}?pgbouncer=1&options=-csearch_path%3Dtheirs"
    printed = forked(environ | {"LEDGER_URL": with_options}, "doctor").stdout
    assert "ALTER ROLE … SET" in printed
    assert "add pgbouncer=1" not in printed


@pytest.mark.parametrize("through", ["pooled", "direct"])
def test_views_of_a_schema_are_found_by_ledger_and_service(
    pooled: str, postgres_url: str, through: str
) -> None:
    """PgBouncer takes no options; there the database's own search_path counts."""
    direct = storage_engines.engine(postgres_url)
    name = urlsplit(postgres_url).path[1:]
    with direct.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        foreign_ledger.make(connection)
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS ours")
        if through == "pooled":
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET search_path = ours, theirs")
            connection.exec_driver_sql(END_OTHERS)  # who connected before keeps the old one
    url = f"{pooled}?pgbouncer=1"
    if through == "direct":
        url = f"{postgres_url}&options=-csearch_path%3Dours,theirs"
    environ = {"DATABASE_URL": url, "LEDGER_URL": url, "SMSGW_SECRET_KEY": KEY}
    nkp, number = foreign_ledger.nkp(0), foreign_ledger.PHONES[0][1]
    try:
        assert forked(environ, "migrate").returncode == 0
        for text_, outcome in ((f"SALDO {nkp}", "confirm"), ("YA", "answered")):
            done = forked(environ, "say", text_, "--from", str(number), "--json")
            assert f'"outcome": "{outcome}"' in done.stdout, done.stderr
        checked = forked(environ, "ledger", "check").stdout
        assert "look-up" not in checked
        assert "FIX  participants.status: " in checked
    finally:
        with direct.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {name} RESET search_path")
            connection.exec_driver_sql("DROP SCHEMA ours, theirs, core CASCADE")
        direct.dispose()
