"""Runs `smsgw ledger load` and `ledger decoys` as their users do."""

import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from smsgw.ledger import staged_import
from smsgw.ledger.csv_import import reference_folder
from smsgw.storage import engines, migrations
from tests.conftest import P1
from tests.support import processes
from tests.support.commands import forked, smsgw

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


def people(home: Path, good: int, bad: int) -> Path:
    folder = home / "files"
    folder.mkdir(exist_ok=True)
    rows = [f"{10_000_000_000 + number}{',' * 12}\n" for number in range(good)]
    rows += [f"{number},,Siti Aminah{',' * 10}\n" for number in range(bad)]
    (folder / "participants.csv").write_text(COLUMNS + "".join(rows))
    return folder


def test_bad_rows_are_left_out_if_that_is_asked_for(home: Path) -> None:
    folder, path = people(home, 999, 1), home / "bad.csv"
    refused = smsgw(home, "ledger", "load", folder)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "participants.csv:1001: nkp has 1 digits, 11 are needed" in refused.stderr
    assert "Siti" not in refused.stderr
    loaded = smsgw(home, "ledger", "load", folder, "--reject", path)
    assert (loaded.returncode, loaded.stdout) == (0, "participants: 999 rows, 1 left out\n")
    assert f"{path} holds the rows that were left out; it is personal data" in loaded.stderr
    assert "Siti" not in loaded.stderr
    assert "Siti Aminah" in path.read_text()


def test_more_bad_rows_than_the_share_refuse_all(home: Path) -> None:
    folder, path = people(home, 98, 2), home / "bad.csv"
    for share, code in (("1.9%", 1), ("2%", 0)):
        done = smsgw(home, "ledger", "load", folder, "--reject", path, "--at-most", share)
        assert done.returncode == code
        assert ("2 of 100 rows are bad (2.00%), and at most 1.9%" in done.stderr) is bool(code)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--at-most", "1%"), "--at-most needs --reject FILE"),
        (("--reject", "bad.csv", "--at-most", "0.1"), "must be a share of a file's rows such as"),
        (("--reject", "bad.csv", "--at-most", "101%"), "must be a share of a file's rows such as"),
        (("--replace", "--since", "2025-10-01"), "--replace would delete what --since leaves out"),
        (("--since", "01-10-2025"), "does not match the format '%Y-%m-%d'"),
    ],
)
def test_options_that_contradict_are_refused(
    home: Path, options: tuple[str, ...], says: str
) -> None:
    done = smsgw(home, "ledger", "load", reference_folder(), *options)
    assert done.returncode == 2
    assert says in done.stderr


def test_only_what_is_newer_is_loaded_if_that_is_asked_for(home: Path) -> None:
    done = smsgw(home, "ledger", "load", reference_folder(), "--since", "2025-09-15")
    counts = dict(line.split(": ") for line in done.stdout.splitlines())
    assert counts["participants"] == "11 rows"
    assert int(counts["contributions"].split()[0]) < 20


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


def test_a_service_has_nothing_to_load_into(home: Path) -> None:
    service = {"LEDGER_URL": "https://ledger.example/api", "LEDGER_API_TOKEN": "a-token-for-tests"}
    for command in (("load", reference_folder()), ("make", "--participants", "2")):
        done = smsgw(home, "ledger", *command, **service)
        assert done.returncode == 1
        assert "there is nothing to load into. The scheme fills its ledger itself" in done.stderr
    done = smsgw(home, "ledger", "decoys", "--count", "5", **service)
    assert (done.returncode, "decoys need a database" in done.stderr) == (1, True)
    done = smsgw(home, "ledger", "check", **service)
    assert (done.returncode, "no tables to check; run smsgw doctor" in done.stderr) == (1, True)
    done = smsgw(home, "migrate", "--ledger", **service)
    assert (done.returncode, "no schema of ours to migrate" in done.stderr) == (1, True)
    assert smsgw(home, "migrate", **service).returncode == 0


def test_none_are_made_during_an_import(home: Path, postgres_url: str) -> None:
    engine = engines.engine(postgres_url)
    migrations.upgrade(engine, "ledger")
    with engine.begin() as importing:
        staged_import.take_lock(importing)
        environ = {"SMSGW_HOME": str(home), "LEDGER_URL": postgres_url}
        done = forked(environ, "ledger", "make", "--participants", "2")
    engine.dispose()
    assert done.returncode == 1
    assert re.search(r"nothing was made\nanother import is running \(process \d+ ", done.stderr)


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
