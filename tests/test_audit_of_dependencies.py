"""`make audit` fails on a known weakness, and does not pass for having asked where it could not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web_stub import Handler, WebStub, serving

ROOT = Path(__file__).parent.parent
KNOWN = {"id": "PYSEC-2026-1", "summary": "x", "modified": "2026-01-01T00:00:00Z"}
KNOWN |= {"affected": [{"package": {"name": "click", "ecosystem": "PyPI"}, "ranges": []}]}


class Advisories(Handler):
    """OSV's, of one package or none: https://google.github.io/osv.dev/post-v1-query/"""

    def post(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        is_weak = json.loads(asked)["package"]["name"] in self.server.stub.answers
        self.tell(200, json.dumps({"vulns": [KNOWN] if is_weak else []}).encode())


def audit(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "requirements" / "audit.py", *options],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environ},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("weak", [[], ["click"]])
def test_a_known_weakness_fails(weak: list[object]) -> None:
    stub = WebStub(answers=weak)
    with serving(stub, Advisories):
        done = audit("--osv-url", stub.url)
    if weak:
        assert (done.returncode, "click" in done.stderr, "PYSEC" in done.stderr) == (1, True, True)
    else:
        assert (done.returncode, "no weakness is known of" in done.stdout) == (0, True), done.stderr


def test_what_could_not_be_asked_is_told(tmp_path: Path) -> None:
    nowhere = ("--osv-url", "http://127.0.0.1:9")
    done = audit(*nowhere)
    assert (done.returncode, "NOTHING WAS AUDITED" in done.stderr) == (0, True)
    done = audit(*nowhere, SMSGW_REQUIRE_AUDIT="1")
    assert (done.returncode, "NOTHING WAS AUDITED" in done.stderr) == (1, True)
