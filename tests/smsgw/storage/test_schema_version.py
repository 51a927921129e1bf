import subprocess
import sys
from importlib import resources

import pytest
from alembic.script import ScriptDirectory

from smsgw.app import create_app
from smsgw.runtime import Runtime
from smsgw.storage import schema_version
from smsgw.storage.schema_version import Which
from tests.conftest import on_sqlite
from tests.support.waiting import eventually

WHICH: tuple[Which, ...] = ("service", "ledger")


@pytest.mark.parametrize(
    ("own", "at", "runs"),
    [
        ("0001", "0002_from_0001", True),
        ("0002_from_0001", "0003_from_0001", True),
        ("0002_from_0001", "0003_from_0002", True),
        ("0001", "0003_from_0002", False),
        ("0002", "0003", False),
        ("0003_from_0002", "0002_from_0001", False),
        ("0001", "0001_from_0001", False),
        ("0001", None, False),
        (None, "0002_from_0001", False),
    ],
)
def test_a_later_schema_says_which_versions_may_run_with_it(
    own: str | None, at: str | None, runs: bool
) -> None:
    assert schema_version.runs_with(own, at) == runs


@pytest.mark.parametrize(("revision", "runs"), [("9999_from_0001", True), ("9999", False)])
def test_a_process_starts_on_a_later_schema_that_allows_it(
    rt: Runtime, revision: str, runs: bool
) -> None:
    for which in WHICH:
        table = schema_version.VERSION_TABLES[which]
        engine = rt.service if which == "service" else rt.ledger.engine
        before = schema_version.current(engine, which)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE {table} SET version_num = '{revision}'")
        try:
            assert (schema_version.fault(engine, which, "smsgw migrate") is None) == runs
        finally:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"UPDATE {table} SET version_num = '{before}'")


@on_sqlite
@pytest.mark.parametrize(("revision", "status"), [("9999_from_0001", 200), ("9999", 503)])
def test_a_process_is_ready_on_a_later_schema_that_allows_it(
    rt: Runtime, revision: str, status: int
) -> None:
    with rt.service.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    with create_app(rt).test_client() as client:
        eventually(lambda: client.get("/readyz").status_code == status)


@pytest.mark.parametrize("which", WHICH)
def test_alembic_knows_the_same_revisions(which: Which) -> None:
    versions = resources.files("migrations") / "versions" / which
    scripts = ScriptDirectory(str(versions.parent.parent), version_locations=[str(versions)])
    found = [each.revision for each in scripts.walk_revisions()]
    assert found == list(reversed(schema_version.known(which)))
    assert scripts.get_heads() == [schema_version.head(which)]


@pytest.mark.parametrize("which", WHICH)
def test_each_revision_has_a_number_and_names_an_older_version(which: Which) -> None:
    for number, revision in enumerate(schema_version.known(which), 1):
        assert int(revision[:4]) == number
        later = schema_version.LATER.fullmatch(revision)
        assert revision == f"{number:04}" or (later and int(later["oldest"]) < number)


def test_a_process_starts_without_alembic() -> None:
    """It takes 9 MB and a tenth of the start."""
    starts = "import smsgw.app, smsgw.operations.worker, smsgw.operations.clock, sys"
    subprocess.run(
        [sys.executable, "-c", f"{starts}; assert 'alembic' not in sys.modules"], check=True
    )
