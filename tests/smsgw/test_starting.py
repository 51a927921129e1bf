"""With another key than the database's nothing starts, and says why."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smsgw.runtime import Runtime
from tests.smsgw.cli.test_operate import SMSGW
from tests.smsgw.test_end_to_end import free_port
from tests.web_process import web_process

OTHER = "another key than the database's own"
COMMANDS = [
    *("run", "migrate", "worker", "clock", "say SALDO --from +6281234567890", "keys rotate"),
    *("audit head", "audit verify", "cases list", "unknown list", "doctor"),
]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.db'}"


def test_without_the_key_nothing_starts_and_says_why(
    rt: Runtime, environ: dict[str, str], tmp_path: Path
) -> None:
    wrong = {"PATH": os.environ["PATH"], "PORT": str(free_port()), **environ}
    wrong |= {"SMSGW_SECRET_KEY": OTHER}

    def told(command: str) -> tuple[int, bool]:
        done = subprocess.run(
            [SMSGW, *command.split()], env=wrong, capture_output=True, text=True, timeout=60
        )
        said = done.stdout + done.stderr
        return done.returncode, "SMSGW_SECRET_KEY" in said and "Traceback" not in said

    with ThreadPoolExecutor(4) as pool:
        assert dict(zip(COMMANDS, pool.map(told, COMMANDS), strict=True)) == dict.fromkeys(
            COMMANDS, (1, True)
        )
    with (
        pytest.raises(AssertionError, match="SMSGW_SECRET_KEY"),
        web_process(wrong, tmp_path / "web.log"),
    ):
        pass
