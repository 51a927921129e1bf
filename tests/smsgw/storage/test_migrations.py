import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, inspect, select

from smsgw import settings
from smsgw.runtime import Runtime
from smsgw.storage import engines, migrations, schema_version
from smsgw.storage.schema_version import Which
from smsgw.storage.tables.ledger import participants
from smsgw.storage.tables.types import service
from tests.conftest import KEY, P1, STRANGER, on_sqlite
from tests.support.commands import called, forked
from tests.support.conversation import say
from tests.support.waiting import LONGEST

METADATA = {"service": service, "ledger": participants.metadata}


@pytest.mark.parametrize("which", ["service", "ledger"])
def test_upgrade_creates_the_tables_and_downgrade_drops_them(
    database_url: str, which: Which
) -> None:
    engine = engines.engine(database_url)
    assert schema_version.current(engine, which) is None
    for _ in range(2):
        migrations.upgrade(engine, which)
        assert schema_version.current(engine, which) == schema_version.head(which)
        with engine.connect() as connection:
            options = {"version_table": schema_version.VERSION_TABLES[which], "compare_type": True}
            options["include_name"] = migrations.is_declared
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, METADATA[which]) == []
        migrations.downgrade(engine, which, "base")
        left = set(inspect(engine).get_table_names()) - set(schema_version.VERSION_TABLES.values())
        assert left == set()
    engine.dispose()


def test_a_database_with_data_is_upgraded(filled: Runtime) -> None:
    """There is no earlier version yet; data is kept."""
    held = count(filled)
    assert held["phones"] >= 2
    assert held["bindings"] >= 1
    migrations.upgrade(filled.service, "service")
    assert count(filled) == held
    assert say(filled, P1, "SALDO").verdict.outcome == "answered"


@pytest.fixture
def filled(rt: Runtime) -> Runtime:
    say(rt, P1, "SALDO")
    say(rt, STRANGER, "DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992#20098765432")
    say(rt, P1, "LAPOR perusahaan belum bayar")
    return rt


def count(rt: Runtime) -> dict[str, int]:
    with rt.reading() as tx:
        return {
            name: tx.connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in service.tables.items()
        }


def test_both_histories_share_a_database_and_two_migrators_do_not_race(
    environ: dict[str, str],
) -> None:
    with ThreadPoolExecutor(3) as pool:
        racing = pool.map(lambda _: forked(environ, "migrate"), range(3))
    assert [done.returncode for done in racing] == [0, 0, 0]
    engine = engines.engine(environ["DATABASE_URL"])
    ledger = engines.engine(settings.load(environ).participant_ledger_url)
    assert schema_version.current(engine, "service") == schema_version.head("service")
    assert schema_version.current(ledger, "ledger") == schema_version.head("ledger")
    for each in (engine, ledger):
        each.dispose()


@on_sqlite
def test_a_database_that_cannot_be_used_is_reported_with_the_cause(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "text.db").write_text("this is no database" * 100)
    for url, cause in (
        (f"sqlite:///{tmp_path}/text.db", "file is not a database"),
        ("postgresql://127.0.0.1:1/smsgw", "Connection refused"),
    ):
        done = called({**environ, "DATABASE_URL": url}, "migrate")
        assert done.returncode == 1
        assert cause in done.stderr


def test_a_blocking_reader_is_named_and_blocks_nobody_else(
    postgres_url: str,
) -> None:
    """The reader may be a pg_dump, an export or a report."""
    engine = engines.engine(postgres_url)
    migrations.upgrade(engine, "service")
    with engine.connect() as reader, ThreadPoolExecutor(1) as pool:
        reader.exec_driver_sql("SET application_name = 'an export'")
        reader.exec_driver_sql("SELECT * FROM messages")
        changing = pool.submit(migrations.downgrade, engine, "service", "base")
        waits = []
        while not changing.done():
            started = time.monotonic()
            with engine.connect() as other:
                other.exec_driver_sql("SELECT * FROM messages")
            waits.append(time.monotonic() - started)
            time.sleep(0.05)
        with pytest.raises(migrations.TablesInUse, match=r"messages: process \d+, an export, for"):
            changing.result()
    blocked = [each for each in waits if each > 1]
    assert blocked
    assert min(blocked) < 5  # once a try: a loaded machine delays one of them
    assert schema_version.current(engine, "service") == schema_version.head("service")
    migrations.downgrade(engine, "service", "base")  # when it has ended
    engine.dispose()


def test_a_retry_after_the_reader_ended_succeeds(postgres_url: str) -> None:
    engine = engines.engine(postgres_url)
    migrations.upgrade(engine, "service")
    with ThreadPoolExecutor(1) as pool:
        with engine.connect() as reader:
            reader.exec_driver_sql("SELECT * FROM messages")
            changing = pool.submit(migrations.downgrade, engine, "service", "base")
            time.sleep(4)
        changing.result(LONGEST)
    engine.dispose()


@pytest.mark.parametrize("table", ["messages", "alembic_version"])
def test_the_command_waits_only_if_there_is_work(
    postgres_url: str, redis_url: str, tmp_path: Path, table: str
) -> None:
    ours = {"DATABASE_URL": postgres_url, "SMSGW_SECRET_KEY": KEY, "REDIS_URL": redis_url}
    environ = {"SMSGW_HOME": str(tmp_path), **ours}
    assert forked(environ, "migrate").returncode == 0
    engine = engines.engine(postgres_url)
    with engine.connect() as holder:
        holder.exec_driver_sql(f"LOCK TABLE {table}")
        done = forked(environ, "migrate")
    is_free = table == "messages"
    assert (done.returncode == 0, "others use the tables" in done.stderr) == (is_free, not is_free)
    assert "Traceback" not in done.stderr
    engine.dispose()


def test_an_import_does_not_delay_the_start(tmp_path: Path) -> None:
    """SQLite has one writer, which is the import."""
    engine = engines.engine(f"sqlite:///{tmp_path}/ledger.db")
    migrations.upgrade(engine, "ledger")
    with engine.begin() as importing:
        importing.execute(participants.insert(), [{"nkp": "19012345678"}])
        started = time.monotonic()
        migrations.upgrade(engine, "ledger")
        assert time.monotonic() - started < migrations.PATIENCE / 2
    engine.dispose()
