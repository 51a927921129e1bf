"""`make audit` fails on a known weakness, and does not pass for having asked where it could not."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http_stub import Handler, WebStub, serving
from tests.support.waiting import LONGEST

ROOT = Path(__file__).parents[2]
KNOWN = {"id": "PYSEC-2026-1", "summary": "x", "modified": "2026-01-01T00:00:00Z"}
KNOWN |= {"affected": [{"package": {"name": "click", "ecosystem": "PyPI"}, "ranges": []}]}


class Advisories(Handler):
    """Answers as OSV, of one package or none: https://google.github.io/osv.dev/post-v1-query/"""

    def post(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        is_weak = json.loads(asked)["package"]["name"] in self.server.stub.answers
        self.tell(200, json.dumps({"vulns": [KNOWN] if is_weak else []}).encode())


def audit(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "audit_dependencies.py", *options],
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


class Useless(Handler):
    """Answers as anything that may stand between us and the advisories."""

    def post(self) -> None:
        kind = self.server.stub.answers[0]
        if kind == "drips":  # an octet at a time, so that no single wait is too long
            self.tell(200, b"", is_cut=True)
            self.wfile.flush()
            self.server.stub.release.wait(LONGEST)
        elif kind == "resets":
            self.reset()
        else:
            self.tell(*kind)


@pytest.mark.parametrize(
    "kind", [(503, b""), (200, b"<html>"), (302, b""), (407, b"proxy"), "resets", "drips"]
)
def test_any_failure_is_reported_in_one_sentence(
    kind: object, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "tools" / "audit_dependencies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stub = WebStub(answers=[kind])
    with serving(stub, Useless):
        limit = 4.0 if kind == "drips" else 60.0
        assert module.main("--osv-url", stub.url, limit=limit) is None
        stub.release.set()
    assert "NOTHING WAS AUDITED" in capsys.readouterr().err


def test_a_missing_pip_audit_is_reported(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.symlink_to(sys.executable)
    done = subprocess.run(
        [bare, "-I", ROOT / "tools" / "audit_dependencies.py"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "NOTHING WAS AUDITED" in done.stderr


def test_an_unreachable_database_is_reported(tmp_path: Path) -> None:
    nowhere = ("--osv-url", "http://127.0.0.1:9")
    done = audit(*nowhere)
    assert (done.returncode, "NOTHING WAS AUDITED" in done.stderr) == (0, True)
    done = audit(*nowhere, SMSGW_REQUIRE_AUDIT="1")
    assert (done.returncode, "NOTHING WAS AUDITED" in done.stderr) == (1, True)
