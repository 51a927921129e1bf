"""Runs `smsgw ledger decoys` as its users do."""

import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from smsgw.ledger.csv_import import reference_folder
from tests.conftest import P1
from tests.support import processes
from tests.support.commands import smsgw

BETWEEN = ("--between", "50000000000", "50000000999")
HEAD = "nkp,nik,name,birth_date,phone,email,category,status,status_since,status_reason"
COLUMNS = f"{HEAD},employer,emergency_name,emergency_phone\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Makes an installation with the reference ledger."""
    assert smsgw(tmp_path, "migrate").returncode == 0
    assert smsgw(tmp_path, "ledger", "load", reference_folder()).returncode == 0
    return tmp_path


def decoys(home: Path, *options: str) -> str:
    done = smsgw(home, "ledger", "decoys", *options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(home: Path, *options: str) -> str:
    done = smsgw(home, "ledger", "decoys", *options)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_it_prints_the_number_of_decoys_and_when_a_scan_is_noticed(home: Path) -> None:
    assert smsgw(home, "ledger", "decoys").stdout == "0 decoys\n"
    printed = decoys(home, "--count", "20", *BETWEEN)
    assert printed == (
        "20 decoys\n"
        "density between 50000000000 and 50000000999: 2.00%\n"
        "half of all scans there are noticed within 484 numbers, 95 % within 782\n"
    )
    assert decoys(home, *BETWEEN) == printed
    assert decoys(home) == (
        "20 decoys\ndensity near issued numbers: 0.00%\na scan there is not noticed\n"
    )
    more = decoys(home, "--count", "11")
    assert re.match(r"31 decoys\ndensity near issued numbers: [01]\.\d\d%\nhalf of", more)
    assert decoys(home, "--clear") == "31 decoys are off the list\n"
    assert decoys(home, "--clear") == "0 decoys are off the list\n"
    verified = processes.smsgw(home, "audit", "verify")
    assert "forged" not in verified.stdout + verified.stderr


def test_invalid_arguments_are_refused(home: Path) -> None:
    assert "11 digits" in refused(home, "--count", "5", "--between", "500", "600")
    assert "larger one" in refused(home, "--count", "5", "--between", *BETWEEN[:0:-1])
    assert "only 1000 numbers are free there" in refused(home, "--count", "1001", *BETWEEN)
    assert "--clear" in refused(home, "--clear", "--count", "5")
    assert "--clear" in refused(home, "--clear", *BETWEEN)
    assert "0 is not in the range" in refused(home, "--count", "0")
    assert decoys(home) == "0 decoys\n"


def test_without_its_tables_it_says_what_to_run(home: Path) -> None:
    with sqlite3.connect(home / "instance" / "smsgw.db") as database:
        database.execute("DROP TABLE decoys")
    for options in ((), ("--clear",), ("--count", "5")):
        assert "run smsgw migrate" in refused(home, *options)
    loaded = smsgw(home, "ledger", "load", reference_folder())
    assert (loaded.returncode, "participants: 11 rows" in loaded.stdout) == (0, True)
    assert "decoys that were issued are still listed" in loaded.stderr


def test_an_unavailable_ledger_is_reported(home: Path) -> None:
    done = smsgw(home, "ledger", "decoys", "--count", "5", LEDGER_URL=f"sqlite:///{home}/none.db")
    assert done.returncode == 1
    assert "the ledger could not be read" in done.stderr
    assert decoys(home) == "0 decoys\n"


def test_imported_numbers_are_removed_from_the_decoys(home: Path) -> None:
    decoys(home, "--count", "10", "--between", "50000000000", "50000000009")
    decoys(home, "--count", "4", "--between", "90000000000", "90000000003")
    folder = home / "issued"
    folder.mkdir()
    rows = [f"5000000000{number}{',' * 12}\n" for number in range(3)]
    (folder / "participants.csv").write_text(COLUMNS + "".join(rows))
    loaded = smsgw(home, "ledger", "load", folder)
    assert loaded.stdout == "participants: 3 rows\ndecoys: 3 removed, which are issued now\n"
    made = smsgw(home, "ledger", "make", "--participants", "2")
    assert made.stdout == "2 participants\ndecoys: 2 removed, which are issued now\n"
    assert decoys(home).startswith("9 decoys\n")
    shutil.copy(reference_folder() / "contacts.csv", folder)
    (folder / "participants.csv").unlink()
    assert smsgw(home, "ledger", "load", folder).stdout.count("\n") == 1


def test_a_decoy_gets_the_same_reply_as_any_wrong_number(home: Path) -> None:
    decoys(home, "--count", "1000", *BETWEEN)
    said = [
        smsgw(home, "say", f"SALDO {nkp}", "--from", P1, "--json").stdout
        for nkp in ("50000000007", "60000000007")
    ]
    assert said[0] == said[1]
    assert '"outcome": "not_registered"' in said[0]
