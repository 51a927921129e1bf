"""With another key or another schema, every process refuses to start and says why."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from smsgw.app import create_app
from smsgw.runtime import Runtime
from smsgw.storage import migrations, schema_version
from tests.support.commands import forked
from tests.support.processes import free_port, smsgw
from tests.support.waiting import eventually
from tests.support.web_process import web_process

OTHER = "another key than the database's own"
COMMANDS = [
    "run",
    "migrate",
    "worker",
    "clock",
    "say SALDO --from +6281234567890",
    "keys rotate",
    "audit head",
    "audit verify",
    "cases list",
    "unknown list",
    "doctor",
]

SCHEMA_COMMANDS = [
    *(each for each in COMMANDS if each not in {"run", "migrate"}),
    "operators list",
    "ledger make --participants 1",
    "keywords export -",
]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.db'}"


def run_all(
    environ: dict[str, str], what: str, commands: list[str] = COMMANDS
) -> dict[str, tuple[int, bool]]:
    """Returns for each command its exit code, and whether it says `what` in a sentence."""

    def run_command(command: str) -> tuple[int, bool]:
        if command == "run":  # what its children say is not the command's own output
            done = smsgw(Path(environ["SMSGW_HOME"]), command, **environ)
        else:
            done = forked(environ, *command.split())
        said = done.stdout + done.stderr
        return done.returncode, what in said and "Traceback" not in said

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(commands, pool.map(run_command, commands), strict=True))


def test_without_the_key_every_process_refuses_to_start(
    rt: Runtime, environ: dict[str, str], tmp_path: Path
) -> None:
    wrong = {"PATH": os.environ["PATH"], "PORT": str(free_port()), **environ}
    wrong |= {"SMSGW_SECRET_KEY": OTHER}

    assert run_all(wrong, "SMSGW_SECRET_KEY") == dict.fromkeys(COMMANDS, (1, True))
    with (
        pytest.raises(AssertionError, match="SMSGW_SECRET_KEY"),
        web_process(wrong, tmp_path / "web.log"),
    ):
        pass


@pytest.mark.parametrize("kind", ["empty", "another version's", "without the ledger's"])
def test_with_another_schema_every_process_refuses_to_start(
    rt: Runtime, environ: dict[str, str], tmp_path: Path, kind: str
) -> None:
    """It prints a sentence and sets an exit code; `run` and `migrate` fill an empty schema."""
    set_schema(rt, kind)
    wrong = {"PATH": os.environ["PATH"], "PORT": str(free_port()), **environ}
    commands = SCHEMA_COMMANDS if kind == "empty" else ["worker", "clock", "cases list", "doctor"]
    results = run_all(wrong, "run smsgw migrate", commands)
    assert results == dict.fromkeys(commands, (1, True))
    with (
        pytest.raises(AssertionError, match="Error: the database cannot be used") as raised,
        web_process(wrong, tmp_path / "web.log"),
    ):
        pass
    assert "Traceback" not in str(raised.value)


def set_schema(rt: Runtime, kind: str) -> None:
    if kind == "empty":
        migrations.downgrade(rt.service, "service", "base")
    with rt.service.begin() as connection:
        if kind == "another version's":
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
    if kind == "without the ledger's":
        with rt.ledger.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE ledger_version")


def test_a_running_process_notices_a_changed_schema(rt: Runtime) -> None:
    with create_app(rt).test_client() as client:
        eventually(lambda: client.get("/readyz").status_code == 200)
        set_schema(rt, "another version's")
        with capture_logs() as logged:
            answer = client.get("/readyz")
        assert (answer.status_code, answer.json["parts"]["database"]) == (503, False)
        assert {"at": "0099", "needed": schema_version.head("service")}.items() <= logged[0].items()
        with rt.service.begin() as connection:
            connection.exec_driver_sql("DROP TABLE alembic_version")
        assert client.get("/readyz").status_code == 503


def test_a_newer_schema_is_not_migrated(rt: Runtime, environ: dict[str, str]) -> None:
    set_schema(rt, "another version's")
    done = forked(environ, "migrate")
    assert (done.returncode, "start the version that it is for" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
