import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from smsgw import transcript
from smsgw.transcript import TranscriptError

SMSGW = Path(sys.executable).parent / "smsgw"
HEAD = """
now: 2025-10-31T10:00:00+07:00
registered: {"+6281234567890": ["19012345678"]}
conversations:
- name: one
  steps:
"""


def written(tmp_path: Path, *steps: str) -> Path:
    path = tmp_path / "made.yaml"
    path.write_text(HEAD + "".join(f"  - {step}\n" for step in steps))
    return path


def replay(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SMSGW, "replay", *arguments],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )


def test_what_differs_is_told_and_update_writes_what_came(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '{from: "+6281234567890", text: SALDO, expect: {reply: nothing, outcome: answered}}',
        '{wait: 15m, expect: {also: [{to: "+6281234567890", contains: [x]}]}}',
    )
    differs = replay(path)
    assert differs.returncode == 1
    assert "made.yaml: one: step 1: reply: expected 'nothing', got 'Saldo JHT" in differs.stdout
    assert "step 2: also: nothing to +6281234567890 holds ['x']" in differs.stdout
    assert "2 steps, 2 differ" in differs.stderr
    replay(path, "--update")
    steps = yaml.safe_load(path.read_text())["conversations"][0]["steps"]
    assert "Rp123.456.789" in steps[0]["expect"]["reply"]
    assert steps[0]["expect"]["outcome"] == "answered"
    assert "1 differ" in replay(path).stderr


def test_json_is_an_object_a_step(tmp_path: Path) -> None:
    path = written(tmp_path, '{from: "+6281234567890", text: SALDO}', "{ledger: down}")
    done = replay(tmp_path, "--json")
    said, away = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0, path
    assert said["conversation"] == "one"
    assert (said["step"], said["agrees"], said["differs"]) == (1, True, [])
    assert (said["keyword"], said["outcome"], said["segments"]) == ("saldo", "answered", 1)
    assert away["reply"] is None
    assert (away["step"], away["segments"], away["also"]) == (2, 0, [])


def test_another_ledger_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    (folder / "contacts.csv").write_text("channel,value,hours,note\ncall_centre,1500,,\n")
    path = written(
        tmp_path, '{from: "+6281234567890", text: BANTUAN, expect: {contains: ["1500"]}}'
    )
    done = replay(path, "--ledger", folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_without_transcripts_is_no_success(tmp_path: Path) -> None:
    done = replay(tmp_path)
    assert done.returncode == 1
    assert "no transcripts" in done.stderr


def test_only_phones_are_registered(tmp_path: Path) -> None:
    path = written(tmp_path, "{wait: 1m}")
    path.write_text(path.read_text().replace("+6281234567890", "hello"))
    with pytest.raises(TranscriptError, match="registered, hello"):
        transcript.read(path)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ('{from: "+628", text: x, expect: {keyward: x}}', "steps 1, expect, keyward"),
        ('{from: "+628"}', "from and text go together"),
        ("{wait: soon}", "such as 15m"),
        ("{ledger: broken}", "'up' or 'down'"),
        ("{wait: 1m, ledger: up}", "one of from, wait, ledger"),
        ("{wait: 1m, expect: {same_reply_as: 1}}", "names an earlier step"),
        ("[", "while parsing"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, step: str, told: str) -> None:
    with pytest.raises(TranscriptError, match=told):
        transcript.read(written(tmp_path, step))
