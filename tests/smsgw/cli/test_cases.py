"""The commands that hand out a copy write a file for its owner alone, and overwrite none."""

import json
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

from smsgw.backoffice import access_requests
from smsgw.runtime import Runtime
from tests.conftest import P1, STRANGER, Clock, on_sqlite
from tests.support.commands import called
from tests.support.conversation import say

NUMBER = "ADU-251031-0001"


def number_in(text: str) -> str:
    found = re.search(r"ADU-\d{6}-\d{4}", text)
    assert found
    return found[0]


@on_sqlite
def test_a_copy_is_a_file_for_its_owner_alone(
    rt: Runtime, environ: dict[str, str], tmp_path: Path, clock: Clock
) -> None:
    clock.now = datetime.now(UTC)  # as it is to the command
    number = number_in(say(rt, STRANGER, "DATA SAYA").reply.text)
    file = tmp_path / "copy.json"
    command = ("cases", "export", number, "--reason", "asked by SMS", "--to", file)
    first = called(environ, *command)
    assert (first.returncode, file.exists()) == (1, False)
    assert f"smsgw cases approve-export {number}" in first.stderr
    same = called(environ, "cases", "approve-export", number, "--reason", "fine")
    assert (same.returncode, "somebody else has to approve" in same.stderr) == (1, True)
    access_requests.approve(rt, number, "operator:budi", "KTP was checked")
    file.write_text("kept")
    again = called(environ, *command)
    assert (again.returncode, file.read_text()) == (1, "kept")
    assert "is not overwritten" in again.stderr
    file.unlink()
    done = called(environ, *command)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["phone"][0]["number"] == STRANGER
    assert "1  messages" in done.stdout
    assert "KTP" not in done.stdout


@on_sqlite
def test_a_withdrawn_request_is_closed_without_a_copy(
    rt: Runtime, environ: dict[str, str], tmp_path: Path
) -> None:
    say(rt, P1, "DATA SAYA")
    assert called(environ, "cases", "close", NUMBER).returncode == 0
    file = tmp_path / "copy.json"
    done = called(environ, "cases", "export", NUMBER, "--reason", "late", "--to", file)
    assert (done.returncode, "is closed" in done.stderr, file.exists()) == (1, True, False)


@on_sqlite
def test_a_reason_is_given_and_names_nobody(
    rt: Runtime, environ: dict[str, str], tmp_path: Path
) -> None:
    say(rt, P1, "DATA SAYA")
    for reason, message in ((" ", "it is empty"), (f"for {P1}", "may identify somebody")):
        command = ("cases", "export", NUMBER, "--reason", reason, "--to", tmp_path / "copy.json")
        done = called(environ, *command)
        assert (done.returncode, message in done.stderr) == (2, True)
