import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from smsgw import migrate, models, runtime
from smsgw.migrate import Which
from smsgw.models.ledger import participants

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


def test_bindings_of_the_first_version_live_on(database_url: str) -> None:
    engine = runtime.engine(database_url)
    migrate.upgrade(engine, "service", "0001")
    row = {"hash": b"h", "cipher": b"c", "at": "2025-10-31 03:00:00+00:00"}
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO phones (id, hash, number, version) VALUES (1, :hash, :cipher, 1)"),
            row,
        )
        connection.execute(
            text(
                "INSERT INTO bindings"
                " (id, phone_id, nkp_hash, nkp, bound_at, consent, consented_at)"
                " VALUES (1, 1, :hash, :cipher, :at, :cipher, :at)"
            ),
            row,
        )
    migrate.upgrade(engine, "service")
    with engine.connect() as connection:
        held = connection.execute(
            select(
                models.bindings.c.bound_at, models.bindings.c.used_at, models.phones.c.language
            ).join_from(models.bindings, models.phones)
        ).one()
    assert held.bound_at == held.used_at
    assert held.language == "id"
    engine.dispose()


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
