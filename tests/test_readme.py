"""Runs every command of the README, and of the pages that took parts of it, as it is printed.

Two are not run here: `make run` does not end by itself, and the end-to-end tests start what it
starts; `make test` runs these tests.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
SETTINGS = (DOCS / "settings.md").read_text()
PAGES = (README, (DOCS / "console.md").read_text(), (DOCS / "carriers.md").read_text(), SETTINGS)
MOST_LINES = 120
BLOCKS = [block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)]
LINES = [line.partition("  #")[0].strip() for block in BLOCKS for line in block.splitlines()]
TRIED = [line for line in LINES if line.partition(" ")[0] in {".venv/bin/smsgw", "echo"}]
PASSWORD = "what is asked for\n"
SHOWN = "tests/transcripts/every-keyword.yaml"  # every file is replayed by test_transcripts.py
ELSEWHERE = [line for line in LINES if line not in TRIED]


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Sets up an installation with the demo data, and `.venv/bin/smsgw` wherever this one is."""
    home = tmp_path_factory.mktemp("readme")
    (home / ".venv").mkdir()
    (home / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (home / SHOWN).parent.mkdir(parents=True)
    (home / SHOWN).symlink_to(ROOT / SHOWN)
    made = {"PATH": os.environ["PATH"], "SMSGW_HOME": str(home), "SMSGW_DEMO": "1"}
    for step in ("migrate", "demo"):
        subprocess.run([home / ".venv/bin/smsgw", step], env=made, check=True)
    return made


def test_the_readmes_commands_work(environ: dict[str, str]) -> None:
    """Runs as after `smsgw run` was stopped; the doctor alone needs a queue."""
    queue = {"REDIS_URL": os.environ["SMSGW_TEST_REDIS_URL"]}
    said = [
        subprocess.run(
            line,
            shell=True,
            env=environ | (queue if "doctor" in line else {}),
            cwd=environ["SMSGW_HOME"],
            input=PASSWORD,
            capture_output=True,
            text=True,
        )
        for line in TRIED
    ]
    assert [done.returncode for done in said] == [0] * len(TRIED), [done.stderr for done in said]
    replies = [done.stdout for done in said]
    assert "Rp123.456.789" in replies[0]
    assert "Rp123.456.789" in replies[1]
    assert "Rp" not in replies[2]
    assert "Balas YA" in replies[3]
    assert "Rp36.125.500" in replies[4]
    assert "wrong_length" in replies[5]
    assert '"segments": 1' in replies[6]


def test_the_other_lines_are_settings_and_make() -> None:
    for line in ELSEWHERE:
        assert re.match(r"export [A-Z_]+=|make (run|test)$", line), line
    names = set(re.findall(r"([A-Z][A-Z_]+)=", "\n".join(ELSEWHERE)))
    documented = set(re.findall(r"`([A-Z_]+)`", SETTINGS))
    assert names
    assert names <= documented


def test_make_run_is_what_the_end_to_end_tests_start() -> None:
    make = shutil.which("make")
    assert make is not None
    planned = subprocess.run(
        [make, "--no-print-directory", "--dry-run", "--assume-old", ".venv/run.done", "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert planned.stdout.splitlines()[-1].endswith("SMSGW_DEMO=1 exec .venv/bin/smsgw run")
    tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("*.py"))
    assert re.search(r'\[SMSGW, "run"\]', tests)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES
