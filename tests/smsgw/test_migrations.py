import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, inspect, select

from smsgw import migrate, models, runtime
from smsgw.migrate import Which
from smsgw.models.ledger import participants
from smsgw.runtime import Runtime
from tests.conftest import P1, STRANGER
from tests.smsgw.test_responder import say

METADATA = {"service": models.service, "ledger": participants.metadata}


@pytest.mark.parametrize("which", ["service", "ledger"])
def test_up_makes_the_models_and_down_unmakes_them(database_url: str, which: Which) -> None:
    engine = runtime.engine(database_url)
    assert migrate.current(engine, which) is None
    for _ in range(2):
        migrate.upgrade(engine, which)
        assert migrate.current(engine, which) == migrate.head(which)
        with engine.connect() as connection:
            options = {"version_table": migrate.VERSION_TABLES[which], "compare_type": True}
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, METADATA[which]) == []
        migrate.downgrade(engine, which, "base")
        left = set(inspect(engine).get_table_names()) - set(migrate.VERSION_TABLES.values())
        assert left == set()
    engine.dispose()


def test_a_filled_database_is_brought_up_to_date(filled: Runtime) -> None:
    """From each version before the newest, of which there is none yet; what is held stays."""
    held = count(filled)
    assert held["phones"] >= 2
    assert held["bindings"] >= 1
    migrate.upgrade(filled.service, "service")
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
            for name, table in models.service.tables.items()
        }


def test_both_histories_share_a_database_and_two_migrators_do_not_race(
    environ: dict[str, str],
) -> None:
    smsgw = Path(sys.executable).parent / "smsgw"
    environ["PATH"] = os.environ["PATH"]
    racing = [subprocess.Popen([smsgw, "migrate"], env=environ) for _ in range(3)]
    assert [process.wait(60) for process in racing] == [0, 0, 0]
    engine = runtime.engine(environ["DATABASE_URL"])
    assert migrate.current(engine, "service") == migrate.head("service")
    assert migrate.current(engine, "ledger") == migrate.head("ledger")
    engine.dispose()
