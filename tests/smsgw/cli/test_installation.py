"""Without a usable installation, a command says what to do."""

import sqlite3
import stat
from pathlib import Path

import pytest

from tests.conftest import P1, STRANGER
from tests.support import processes
from tests.support.commands import smsgw
from tests.support.twilio_api import TWILIO

COMMANDS = [
    "worker",
    "clock",
    "say SALDO --from 081234567890",
    "cases list",
    "cases erase x",
    "unknown list",
    "audit head",
    "audit verify",
    "keys rotate",
    "ledger make --participants 1",
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def made(home: Path) -> Path:
    assert smsgw(home, "migrate").returncode == 0
    return home


@pytest.mark.parametrize("command", COMMANDS)
def test_in_another_folder_nothing_is_left_behind(home: Path, command: str) -> None:
    done = smsgw(home, *command.split())
    assert (done.returncode, "set SMSGW_HOME" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
    assert list(home.iterdir()) == []


def test_a_missing_key_is_not_replaced(made: Path) -> None:
    key = made / "instance" / "secret_key"
    content = key.read_text()
    key.unlink()
    refused = [smsgw(made, *command) for command in (["cases", "list"], ["migrate"], ["doctor"])]
    for done in (*refused, processes.smsgw(made, "run")):
        assert (done.returncode, "restore it" in done.stderr) == (1, True), done.stderr
        assert not key.exists()
    key.write_text(content + "\n")  # as an editor leaves it
    assert smsgw(made, "cases", "list").returncode == 0


@pytest.mark.parametrize("secret", ["", "short", "\xff"])
def test_an_invalid_key_is_refused(home: Path, secret: str) -> None:
    (home / "instance").mkdir()
    (home / "instance" / "secret_key").write_bytes(secret.encode("latin-1"))
    done = smsgw(home, "migrate")
    assert (done.returncode, "secret_key" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
    assert not (home / "instance" / "smsgw.db").exists()


@pytest.mark.parametrize(
    "octets", [b"this is no database, though it is long enough to be" * 50, b""]
)
def test_a_file_that_is_not_a_database_is_reported(made: Path, octets: bytes) -> None:
    for each in (made / "instance").glob("smsgw.db*"):
        each.unlink()
    (made / "instance" / "smsgw.db").write_bytes(octets)
    for command in (["cases", "list"], ["audit", "verify"]):
        done = smsgw(made, *command)
        assert (done.returncode, "the database cannot be used" in done.stderr) == (1, True)
        assert "Traceback" not in done.stderr
    assert "it cannot be used" in smsgw(made, "doctor").stdout or octets == b""


def test_files_are_private(made: Path) -> None:
    key = made / "instance" / "secret_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "ok   files" in smsgw(made, "doctor").stdout
    (made / "instance").chmod(0o755)
    assert "chmod 700" in smsgw(made, "doctor").stdout


def test_nobody_speaks_for_a_real_phone(made: Path) -> None:
    """That holds if a carrier reaches people; one on this machine is a test's own."""
    real = smsgw(made, "say", "SALDO", "--from", P1, **TWILIO)
    assert (real.returncode, "would speak for a real phone" in real.stderr) == (1, True)
    here = {"TWILIO_API_BASE": "http://127.0.0.1:9"}
    assert smsgw(made, "say", "KONTAK", "--from", STRANGER, **TWILIO, **here).returncode == 0


def test_silence_is_explained(made: Path) -> None:
    done = smsgw(made, "say", "SALDO", "--from", "TELKOMSEL")
    assert done.stdout == "(no reply: this is no phone number that we answer)\n"


def test_replace_reports_deletions_and_refuses_an_empty_file(made: Path) -> None:
    smsgw(made, "ledger", "make", "--participants", "700")
    folder = made / "files"
    folder.mkdir()
    header = (
        "nkp,nik,name,birth_date,phone,email,category,status,status_since,status_reason,"
        "employer,emergency_name,emergency_phone\n"
    )
    (folder / "participants.csv").write_text(header)
    refused = smsgw(made, "ledger", "load", str(folder), "--replace")
    assert (refused.returncode, "would delete all" in refused.stderr) == (1, True)
    (folder / "participants.csv").write_text(header + "19012345678,,,,,,,,,,,,\n")
    done = smsgw(made, "ledger", "load", str(folder), "--replace")
    assert done.stdout == "participants: 1 rows, 700 deleted\n"
    with sqlite3.connect(made / "instance" / "smsgw.db") as file:
        held = file.execute("SELECT detail FROM audit WHERE act='ledger loaded'").fetchall()
    file.close()
    assert held == [("participants: 1 rows, 700 deleted",)]


def test_an_impossible_id_is_a_usage_error(made: Path) -> None:
    done = smsgw(made, "unknown", "close", "9" * 24)
    assert (done.returncode, "is not in the range" in done.stderr) == (2, True)


def test_the_documented_key_rotation_works(made: Path) -> None:
    key = made / "instance" / "secret_key"
    both = {"SMSGW_OLD_SECRET_KEY": key.read_text(), "SMSGW_SECRET_KEY": "n" * 40}
    assert smsgw(made, "keys", "rotate", **both).returncode == 0
    assert smsgw(made, "cases", "list").returncode == 0  # with the old one, still
    key.write_text("n" * 40)
    assert smsgw(made, "keys", "rotate").returncode == 0
    key.write_text(both["SMSGW_OLD_SECRET_KEY"])
    assert "SMSGW_SECRET_KEY" in smsgw(made, "cases", "list").stderr
