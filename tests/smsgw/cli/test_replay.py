"""Checks what `smsgw replay` prints and writes, and how it exits."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.commands import called
from tests.support.processes import SMSGW
from tests.support.waiting import LONGEST

PROJECT = Path(__file__).parents[3]
HEAD = """\
now: 2025-10-31T10:00:00+07:00
registered: {"+6281234567890": ["19012345678"]}
conversations:
"""
RIGHT = '{from: "+6281234567890", text: SALDO, expect: {outcome: answered}}'
OTHER = RIGHT.replace("SALDO", "IURAN")
WRONG = '{from: "+6281234567890", text: SALDO, expect: {outcome: answered, reply: nothing}}'


def conversation(name: str, *steps: str) -> str:
    return f"- name: {name}\n  steps:\n" + "".join(f"  - {step}\n" for step in steps)


def replay(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return called({}, "replay", *arguments, stdin=stdin)


def replay_in_a_process(*arguments: str | Path, **environ: str) -> str:
    return subprocess.run(
        [SMSGW, "replay", *arguments],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "made.yaml"
    made.write_text(HEAD + conversation("one", RIGHT) + conversation("two", WRONG, OTHER))
    return made


def test_a_difference_names_its_line_and_update_fixes_it(path: Path) -> None:
    differs = replay(path)
    assert differs.returncode == 1
    assert f"{path}:9: two, step 1\n  sent      +6281234567890: SALDO\n" in differs.stdout
    assert "    expected  [-nothing-]\n    got       {+Saldo JHT" in differs.stdout
    assert differs.stderr == "3 steps, 1 differ\n"
    before = path.read_text()
    shown = replay(path, "--diff")
    assert shown.returncode == 1
    assert (
        '+  - {from: "+6281234567890", text: SALDO, expect: {outcome: answered, reply: "Saldo'
        in (shown.stdout)
    )
    assert path.read_text() == before
    assert replay(path, "--update").returncode == 0
    assert "Rp123.456.789" in path.read_text()
    assert replay(path).returncode == 0


def test_update_leaves_every_file_alone_where_one_is_refused(path: Path) -> None:
    other = path.with_name("other.yaml")
    other.write_text(HEAD + conversation("three", RIGHT.replace("answered", "confirm")))
    before = path.read_text(), other.read_text()
    done = replay(path.parent, "--update")
    assert done.returncode == 1
    assert f"{other}:6: three: outcome: expected confirm, got answered" in done.stderr
    assert (path.read_text(), other.read_text()) == before
    assert replay(path.parent, "--update", "--force").returncode == 1  # the outcome still differs
    assert "Rp123.456.789" in other.read_text()


def test_json_is_an_object_a_step_then_the_totals(path: Path) -> None:
    done = replay(path, "--json", "--fail-fast")
    one, two, totals = map(json.loads, done.stdout.splitlines()[:2] + done.stdout.splitlines()[-1:])
    assert (one["conversation"], one["step"], one["agrees"], one["differs"]) == ("one", 1, True, [])
    assert (one["file"], one["line"], one["text"]) == (str(path), 6, "SALDO")
    assert (one["keyword"], one["outcome"], one["segments"]) == ("saldo", "answered", 1)
    assert two["differs"][0].startswith("reply: expected 'nothing', got 'Saldo JHT")
    assert (totals["totals"]["steps"], totals["totals"]["differ"]) == (3, 1)


def test_conversations_are_chosen_by_name_and_reported_to_ci(path: Path, tmp_path: Path) -> None:
    assert replay(path, "--only", "one").stderr == "1 steps, 0 differ\n"
    assert replay(path, "--only", "t*").stderr == "2 steps, 1 differ\n"
    unknown = replay(path, "--only", "onne")
    assert unknown.returncode == 2
    assert "no conversation is called 'onne'; did you mean 'one'?" in unknown.stderr
    report = tmp_path / "report.xml"
    assert replay(path, "--junit", report).returncode == 1
    suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 (our own)
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_all_files_are_read_before_any_runs(path: Path) -> None:
    path.with_name("a.yaml").write_text(HEAD + conversation("x", "{wait: soon}"))
    path.with_name("b.yml").write_text("- a\n")
    done = replay(path.parent)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "a.yaml:6:12: 'wait' is a number with s, m, h or d, such as 15m" in done.stderr
    assert "b.yml:1:1: the file is no mapping" in done.stderr
    assert done.stderr.endswith("2 faults in 2 files; nothing was run\n")
    printed = [json.loads(line) for line in replay(path.parent, "--json").stdout.splitlines()]
    assert [(Path(each["file"]).name, each["line"], each["column"]) for each in printed] == [
        ("a.yaml", 6, 12),
        ("b.yml", 1, 1),
    ]


def test_a_folder_is_read_by_name_without_what_is_hidden(tmp_path: Path) -> None:
    text = HEAD + conversation("one", RIGHT)
    for name in ("a.yaml", "b.yml", "C.YAML", ".hidden.yaml", "notes.txt"):
        (tmp_path / name).write_text(text)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "d.yaml").write_text(text)
    done = replay(tmp_path, tmp_path / "a.yaml", "--json")
    files = [Path(json.loads(line)["file"]).name for line in done.stdout.splitlines()[:-1]]
    assert files == ["C.YAML", "a.yaml", "b.yml"]


def test_a_keywords_file_beside_is_no_transcript(tmp_path: Path) -> None:
    shipped = (PROJECT / "smsgw" / "configuration" / "seeds" / "keywords.yaml").read_text()
    (tmp_path / "k.yaml").write_text(shipped.replace("Saldo JHT NKP", "Saldo Anda NKP"))
    expected = "{contains: [Saldo Anda]}"
    text = HEAD + conversation("one", RIGHT.replace("{outcome: answered}", expected))
    (tmp_path / "t.yaml").write_text(f"keywords: k.yaml\n{text}")
    assert replay(tmp_path).returncode == 0
    (tmp_path / "t.yaml").write_text(text)
    assert replay(tmp_path / "t.yaml", "--keywords", tmp_path / "k.yaml").returncode == 0
    (tmp_path / "k.yaml").write_text(shipped.replace("{total}", "{totl}", 1))
    broken = replay(tmp_path / "t.yaml", "--keywords", tmp_path / "k.yaml")
    assert broken.returncode == 2
    assert broken.stderr.startswith(f"{tmp_path / 'k.yaml'}: saldo.balance (id): {{totl}}")


@pytest.mark.parametrize("arguments", [(), ("nowhere.yaml",), ("empty",)])
def test_nothing_to_run_is_an_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "empty").mkdir()
    done = replay(*(tmp_path / each for each in arguments))
    assert done.returncode == 2
    assert any(word in done.stderr for word in ("name a file", "No such file", "no transcripts"))


def test_standard_input_and_another_ledger_are_read(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("channel,value,hours,note\ncall_centre,1500,,\n")
    step = '{from: "+6281234567890", text: BANTUAN, expect: {contains: ["1500"]}}'
    text = HEAD.replace('registered: {"+6281234567890": ["19012345678"]}\n', "")
    done = replay("-", "--ledger", tmp_path, stdin=text + conversation("one", step))
    assert done.returncode == 0, done.stdout + done.stderr
    other = tmp_path / "other"
    other.mkdir()
    (other / "contacts.csv").write_text("channel,value\ncall_centre,1500\n")
    broken = replay("-", "--ledger", other, stdin=text + conversation("one", step))
    assert broken.returncode == 2
    assert "contacts.csv:1: the columns must be" in broken.stderr


def test_replays_are_identical() -> None:
    """They do not depend on time zone, locale, hash seed or the number of processes. Each run
    differs from the first in all four."""
    paths = [
        PROJECT / "tests" / "transcripts" / f"{name}.yaml" for name in ("conversations", "limits")
    ]
    east = {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "424242"}
    west = {"TZ": "America/New_York", "PYTHONHASHSEED": "1"}
    printed = {
        replay_in_a_process(*paths, "--json", "--jobs", jobs, **environ)
        for jobs, environ in (
            ("1", {}),
            ("2", west | {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}),
            ("3", east | {"LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": "1"}),
        )
    }
    assert len(printed) == 1


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    """It leaves no file and no process."""
    text = HEAD + "".join(conversation(f"c{number}", RIGHT) for number in range(200))
    (tmp_path / "made.yaml").write_text(text)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(
            [SMSGW, "replay", tmp_path / "made.yaml", "--jobs", "2"],
            env={"PATH": os.environ["PATH"], "TMPDIR": str(temporary)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        process.stderr.readline()  # a hundred are done
        process.send_signal(number)
        process.wait(LONGEST)
        process.stderr.close()
        _wait_until_gone(process.pid)
        assert list(temporary.iterdir()) == []


def _wait_until_gone(group: int) -> None:
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("a process of the run is still there")


def test_the_schema_is_printed() -> None:
    assert json.loads(replay("--schema").stdout)["title"] == "Transcript"
