"""No personal data is stored in the clear where it does not belong."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from tests.support import leak_scan

ROOT = Path(__file__).parents[2]


@dataclass
class Spoken:
    said: set[str]
    leaks: list[str]
    pages: list[str]
    log: list[str]


@pytest.fixture(scope="module")
def all_spoken(tmp_path_factory: pytest.TempPathFactory, worker_number: int) -> Spoken:
    """Plays all transcripts, and causes a bug in each layer."""
    redis_url = f"{os.environ['SMSGW_TEST_REDIS_URL']}?db={worker_number + 31}"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.leak_scan",
            tmp_path_factory.mktemp("spoken"),
            redis_url,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    with Redis.from_url(redis_url) as client:
        client.flushdb()
    assert done.returncode == 0, done.stderr[-5000:]
    report = json.loads(done.stdout)
    return Spoken(set(report["said"]), report["leaks"], report["pages"], done.stderr.splitlines())


def test_database_and_redis_hold_no_personal_data(all_spoken: Spoken) -> None:
    assert all_spoken.leaks == []


def test_logs_hold_no_personal_data(all_spoken: Spoken) -> None:
    """Each layer has a bug whose message holds what caused it."""
    needles = all_spoken.said | leak_scan.personal() | leak_scan.secrets()
    # A fraction of a second may have the digits of a code.
    lines = [re.sub(r'"timestamp": "[^"]*"', "", line) for line in all_spoken.log]
    assert [line for line in lines if any(each in line for each in needles)] == []
    log = "\n".join(all_spoken.log)
    assert len(all_spoken.log) > 250
    assert "+6281*****7890" in log
    for expected in ("KeyError", "ValueError", "Unreadable", "a job failed", "a thread crashed"):
        assert expected in log
    assert "no such table: nowhere" in log  # what a server says is heard


def test_public_pages_and_settings_hold_no_personal_data(all_spoken: Spoken) -> None:
    needles = all_spoken.said | leak_scan.personal() | leak_scan.secrets()
    assert len(all_spoken.pages) == 19
    for page in all_spoken.pages:
        assert [each for each in needles if each in page] == []
