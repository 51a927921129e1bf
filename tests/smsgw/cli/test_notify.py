"""`smsgw notify` counts, switches on, pauses, stops and reports."""

from pathlib import Path

import pytest

from tests.support.commands import smsgw


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert smsgw(tmp_path, "migrate").returncode == 0
    assert smsgw(tmp_path, "migrate", "--ledger").returncode == 0
    return tmp_path


def test_a_kind_is_counted_switched_on_paused_and_stopped(home: Path) -> None:
    planned = smsgw(home, "notify", "plan", "balance").stdout
    assert planned == "0 of 0 subscribers would get one now\n0 segments, Rp0\n"
    assert smsgw(home, "notify", "run", "balance").stdout == "nobody is to be told anything now\n"
    assert smsgw(home, "notify", "pause", "balance").stdout == "balance is paused\n"
    report = smsgw(home, "notify", "report").stdout
    assert "balance      paused        0 subscribed     0 opted out  none" in report
    assert "today 0 of 20000 segments are used" in report
    assert smsgw(home, "notify", "pause", "balance", "--resume").stdout == "balance goes on\n"
    stopped = smsgw(home, "notify", "pause", "balance", "--stop").stdout
    assert stopped == "balance is off; 0 were dropped\n"
    assert "balance      off" in smsgw(home, "notify", "report").stdout


TEXTS = ("--id", "Kantor tutup", "--en", "Office closed")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "balance"), "count first who would get one: smsgw notify plan balance"),
        (("run", "balance", "--approve", "7"), "7 is no run that is under way"),
        (("pause", "claim"), "claim is off"),
        (("pause", "claim", "--resume"), "claim is not paused"),
        (("pause", "claim", "--resume", "--stop"), "--resume and --stop exclude each other"),
        (("plan", "news"), "'news' is not one of"),
        (("announce", "claim", *TEXTS), "kind: This kind is off, so its subscribers get nothing"),
        (
            ("announce", "claim", *TEXTS, "--office", "J01", "--program", "JHT"),
            "exclude each other",
        ),
        (
            ("announce", "claim", *TEXTS, "--until", "2020-01-01"),
            "until: Choose a day from today on",
        ),
        (("announce", "claim", "--id", "[x]", "--en", "x"), "id: An SMS cannot contain this"),
    ],
)
def test_a_mistake_says_what_to_do(home: Path, arguments: tuple[str, ...], says: str) -> None:
    done = smsgw(home, "notify", *arguments)
    assert done.returncode != 0
    assert says in done.stderr


def test_a_list_of_nkps_names_its_faulty_lines(home: Path) -> None:
    smsgw(home, "notify", "plan", "balance")
    smsgw(home, "notify", "run", "balance")
    (home / "list.txt").write_text("19012345678\n\n123\n1901234567x\n")
    done = smsgw(home, "notify", "announce", "balance", *TEXTS, "--list", str(home / "list.txt"))
    assert "no NKP in line 3, 4" in done.stderr
    (home / "list.txt").write_text("19012345678\n")
    done = smsgw(home, "notify", "announce", "balance", *TEXTS, "--list", str(home / "list.txt"))
    assert "looks for who is told" in done.stdout
