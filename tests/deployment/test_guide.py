"""Follows docs/deployment.md to the letter, as root of a bare machine without a network."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ABSENT
from tests.support.bare_machine import BareMachine
from tests.support.programs import missing, required
from tests.support.servers import postgres_programs

pytestmark = [
    pytest.mark.skipif(postgres_programs() is None, reason=ABSENT),
    pytest.mark.timeout(400),
]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deployment.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
VALUES = {
    "DATABASE_URL": "postgresql://smsgw@127.0.0.1/smsgw",
    "REDIS_URL": "redis://:PASSWORD@127.0.0.1:6379/0",
    "PUBLIC_URL": "https://localhost",
}
LOGS = 'for each in /tmp/*.log; do echo "== $each" >&2; tail -n 20 "$each" >&2; done'


@pytest.fixture
def machine(tmp_path: Path) -> BareMachine:
    if not (ROOT / "dist" / "requirements.txt").exists():
        missing("wheels", "no wheels in dist/: make wheels")
    unshare = [required("unshare", "util-linux"), "--mount", "--net", "true"]
    if os.geteuid() or subprocess.run(unshare).returncode:
        missing("namespaces", "a bare machine here needs root and namespaces of its own")
    for program, package in {"nginx": "nginx-light", "curl": "curl", "openssl": "openssl"}.items():
        required(program, package)
    programs = postgres_programs()
    assert programs is not None
    return BareMachine(tmp_path, programs, ROOT)


def test_the_guide_sets_up_a_machine(machine: BareMachine) -> None:
    """Only the reader's own values are changed."""
    script = "\n".join(BLOCKS)
    for name, value in VALUES.items():
        script, times = re.subn(
            rf"^{name}='[^']+'$", f"{name}='{value}'", script, flags=re.MULTILINE
        )
        assert times == 1
    done = machine.run(
        f"trap '{LOGS}' ERR\nset -E\n{script}\nls -l /var/backups/smsgw /etc/smsgw/secrets\n"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SMSGW_SECRET_KEY=********" in done.stdout
    for part in ("service database", "participant ledger", "keys", "clock", "files", "queue"):
        assert f"ok   {part}" in done.stdout
    assert "FIX" not in done.stdout
    assert '"ready":true' in done.stdout.replace(" ", "")
    assert "Rp" not in done.stdout  # that phone is not registered
    assert re.search(r"-rw-r----- .* smsgw-\d{4}-\d\d-\d\d-\d{6}\.dump", done.stdout)
    secrets = re.findall(r"(-\S+) .* (secret_key|database_url)$", done.stdout, re.MULTILINE)
    assert {mode for mode, _ in secrets} == {"-rw-r-----"}
