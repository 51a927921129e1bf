"""Every command of the README, and of the pages that took parts of it, run as it stands there.

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
    """An installation with the demo data, and `.venv/bin/smsgw` wherever this one is."""
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


def test_a_newcomer_adds_a_keyword(tmp_path: Path) -> None:
    """Follows docs/adding.md alone: its blocks, where it says they go."""
    steps = ADDING.partition("\n## A keyword\n")[2].partition("\n## ")[0]
    (handler,) = re.findall(r"```python\n(.*?)```", steps, re.DOTALL)
    (line,) = re.findall(r"```text\n(.*?)```", steps, re.DOTALL)
    entry, conversation = re.findall(r"```yaml\n(.*?)```", steps, re.DOTALL)
    _copy(tmp_path)
    (tmp_path / "handlers" / "jam.py").write_text(handler)
    _insert(tmp_path / "handlers" / "__init__.py", "    iuran,\n", "    jam,\n")
    _insert(tmp_path / "handlers" / "__init__.py", '    "iuran": iuran,\n', line)
    (keywords,) = (tmp_path / "smsgw").rglob("keywords.yaml")
    _insert(keywords, "\nkeywords:\n", entry)
    (tmp_path / "jam.yaml").write_text(conversation)
    done = subprocess.run(
        [sys.executable, "-c", "from smsgw.cli import main; main()", "replay", "jam.yaml"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "1 steps, 0 differ\n"), done.stdout


def test_a_newcomer_adds_a_carrier(tmp_path: Path) -> None:
    """Follows docs/adding.md alone: a message comes in, and its reply goes out."""
    steps = ADDING.partition("\n## A carrier in code\n")[2].partition("\n## ")[0]
    (carrier,) = re.findall(r"```python\n(.*?)```", steps, re.DOTALL)
    (line,) = re.findall(r"```text\n(.*?)```", steps, re.DOTALL)
    _copy(tmp_path)
    carriers = tmp_path / "smsgw" / "carriers"
    (carriers / "acme.py").write_text(carrier)
    _insert(carriers / "__init__.py", "from smsgw.carriers import ", "acme, ")
    _insert(carriers / "__init__.py", '    "kannel": kannel.KannelSettings,\n', line)
    with web_stub() as stub:
        stub.answers.append((200, b""))
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path),
            "SMSGW_HOME": str(tmp_path),
            "SMSGW_CARRIER": "acme",
            "ACME_URL": stub.url,
            "ACME_KEY": "key",
            "ACME_FROM": "2757",
        }
        done = [_run(tmp_path, environ, program) for program in (MIGRATES, DOCTOR, RECEIVES)]
    assert [each.returncode for each in done[::2]] == [0, 0], done[2].stderr
    assert "ok   acme" in done[1].stdout
    assert done[2].stdout.split("\n")[-2:] == ["403 200 400 200", ""]


MIGRATES = "from smsgw.cli import main; main(['migrate'])"
DOCTOR = "from smsgw.cli import main; main(['doctor'])"
RECEIVES = """
from smsgw.app import create_app
client, sms = create_app().test_client(), {"id": "1", "from": "+6281234567890", "to": "2757"}
def post(path, key, **form):
    return client.post(path, data=form, headers={"X-Acme-Key": key}).status_code
print(post("/in/acme", "x", **sms), post("/in/acme", "key", **sms, text="SALDO"),
      post("/in/acme", "key", **sms), post("/in/acme/status?out=1", "key", status="failed"))
"""


def _run(folder: Path, environ: dict[str, str], program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


def _copy(folder: Path) -> None:
    for package in ("grammar", "handlers", "smsgw", "migrations"):
        shutil.copytree(ROOT / package, folder / package)


def _insert(file: Path, after: str, text: str) -> None:
    content = file.read_text()
    assert content.count(after) == 1
    file.write_text(content.replace(after, after + text))


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
