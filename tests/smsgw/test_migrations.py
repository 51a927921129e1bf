from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from smsgw import migrate, models, runtime
from smsgw.migrate import Which

METADATA = {"service": models.service, "ledger": models.ledger}


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


def test_both_histories_share_a_database_and_two_migrators_do_not_race(database_url: str) -> None:
    engine = runtime.engine(database_url)
    is_postgres = engine.dialect.name == "postgresql"
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: migrate.upgrade(engine, "service"), range(3 if is_postgres else 1)))
    migrate.upgrade(engine, "ledger")
    assert migrate.current(engine, "service") == migrate.head("service")
    assert migrate.current(engine, "ledger") == migrate.head("ledger")
    engine.dispose()
