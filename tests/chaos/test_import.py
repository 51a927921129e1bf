"""Imports a ledger into an installation of one machine, with SQLite, while messages come."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
import requests

from smsgw.ledger.csv_import import reference_folder
from tests.chaos.environment import write_contributions
from tests.support.processes import SMSGW, Service
from tests.support.twilio_api import twilio_stub
from tests.support.waiting import LONGEST

ROWS, PEOPLE = 30_000, 12_000  # some seconds each
PATIENCE = 5.0  # seconds; before, each message waited ten and was refused


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with twilio_stub() as stub:
        made = Service(tmp_path_factory.mktemp("home"), stub)
        yield made
        made.process.terminate()
        made.process.wait(30)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes the reference ledger without its contributions, and many contributions of others."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("participants", "balances"):
        file = reference_folder() / f"{name}.csv"
        (folder / file.name).write_bytes(file.read_bytes())
    write_contributions(folder, ROWS)
    return folder


@pytest.mark.parametrize("command", ["load", "load --replace", "make"])
def test_messages_are_stored_while_the_ledger_is_written(
    service: Service, files: Path, command: str
) -> None:
    given = ["--participants", str(PEOPLE)] if command == "make" else [str(files)]
    log = service.home / "import.log"
    with log.open("wb") as log_file:
        writing = subprocess.Popen(
            [SMSGW, "ledger", *command.split(), *given],
            env=service.environ,
            stdout=log_file,
            stderr=log_file,
        )
    took, number = [], 0
    while writing.poll() is None:
        number += 1
        started = time.monotonic()
        sender = f"+6281{len(command):02}{number:07}"
        assert service.text(f"SM-{command}-{number}", "KONTAK", sender) == 200
        ready = requests.get(f"http://127.0.0.1:{service.port}/readyz", timeout=LONGEST)
        assert ready.json()["ready"], ready.text
        took.append(time.monotonic() - started)
        time.sleep(0.1)
    assert writing.returncode == 0, log.read_text()
    assert number >= 5
    assert median(took) < PATIENCE
