"""Tries the examples of docs/testing.md from an empty folder."""

import re
import subprocess
from pathlib import Path

import pytest

from smsgw.transcripts import format as transcripts
from smsgw.transcripts.values import OFFICER_REASONS, OUTCOMES, QUESTIONS, REASONS
from tests.support.commands import called

GUIDE = (Path(__file__).parents[1] / "docs" / "testing.md").read_text("utf-8")
FILE = re.compile(r"`([\w/]+\.(?:yaml|csv))`:\n\n```(?:yaml|csv)\n(.*?)```", re.DOTALL)
PARTS = (
    transcripts.Transcript,
    transcripts.Start,
    transcripts.Binding,
    transcripts.Settings,
    transcripts.Conversation,
    transcripts.Step,
    transcripts.Officer,
    transcripts.Expectation,
    transcripts.Also,
    transcripts.State,
)


def replay(*arguments: str) -> subprocess.CompletedProcess[str]:
    return called({}, "replay", *arguments)


def test_the_examples_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = FILE.findall(GUIDE)
    assert [name for name, _ in files] == [
        "balance.yaml",
        "world.yaml",
        "people/participants.csv",
        "people/balances.csv",
        "steps.yaml",
        "expectations.yaml",
    ]
    for name, text in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = replay(".")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "disclosure      1      1        0" in done.stderr
    updated = replay("balance.yaml", "--update")
    assert updated.returncode == 0
    assert "Rp123.456.789" in (tmp_path / "balance.yaml").read_text()
    (tmp_path / "balance.yaml").write_text(files[0][1].replace("keyword: saldo", "keyword: salod"))
    broken = replay("balance.yaml")
    assert broken.returncode == 2
    assert "balance.yaml:8:23: there is no keyword 'salod'; did you mean 'saldo'?" in broken.stderr
    assert "1 fault in 1 file; nothing was run" in broken.stderr


def test_every_key_is_documented() -> None:
    shown = " ".join(text for _, text in FILE.findall(GUIDE))
    for part in PARTS:
        for name, field in part.model_fields.items():
            key = field.alias or name
            assert re.search(rf"\b{key}:", GUIDE) or f"`{key}`" in GUIDE, key
            assert re.search(rf"\b{key}:", shown) or key in {
                "keywords",
                "publish",
                "publish_ledger",
                "announce",
                "erase",
                "hand_out",
            }, key
    for name in (*OUTCOMES, *REASONS, *OFFICER_REASONS, *QUESTIONS):
        assert f"`{name}`" in GUIDE, name
