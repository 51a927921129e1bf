"""The version before runs beside this one, on this one's schema: during an upgrade messages go to
either, and each is answered once.

`previous_version.txt` names the commit. It is moved forward when a version is released, and when a
change of the schema ends what runs beside it (docs/operations.md, "Upgrade").
"""

import asyncio
import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.chaos.carrier import Carrier
from tests.chaos.environment import Process, phone
from tests.chaos.judge import Verdict, is_settled, judge
from tests.chaos.run import until_up, world
from tests.conftest import ABSENT
from tests.support.processes import free_port
from tests.support.programs import missing
from tests.support.servers import postgres_programs

pytestmark = [
    pytest.mark.skipif(postgres_programs() is None, reason=ABSENT),
    pytest.mark.timeout(240),
]

ROOT = Path(__file__).parents[2]
COMMIT = Path(__file__).with_name("previous_version.txt").read_text().strip()
PACKAGES = ("smsgw", "handlers", "grammar", "migrations", "Procfile")
COMMANDS = {
    "old web": ["-m", "gunicorn", "--config", "python:smsgw.web.gunicorn",
                "--no-control-socket", "smsgw.app:create_app()"],
    "old worker": ["-c", "from smsgw.cli import main; main()", "worker"],
}  # fmt: skip
CONVERSATION = ("SALDO", "LAPOR iuran belum dibayar", "YA", "STATUS")
PHONES = 20
SETTLES_WITHIN = 120.0
FAULT = re.compile(r'"level": ?"(error|critical)"|Traceback')
STORED = re.compile(r'"event": ?"message"')
OF_A_TASK = re.compile(r'"job": "do_task"|JobFailed')  # the world has one that nobody can do


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with the packages of the version before."""
    command = ["git", "-C", ROOT, "-c", "safe.directory=*", "archive", COMMIT, *PACKAGES]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        missing("history", f"commit {COMMIT} is not in this clone: git fetch --unshallow")
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_the_version_before_runs_beside_this_one(previous: Path) -> None:
    """Each message of a phone goes to another version than the one before it."""
    verdict, logs = asyncio.run(_both_versions(previous))
    assert (verdict.lost, verdict.doubled) == ([], [])
    assert verdict.received == PHONES * len(CONVERSATION)
    assert verdict.outcomes.keys() <= {"answered", "confirm", "silent", "unknown"}
    assert verdict.answered >= PHONES * 3
    for name, log in logs.items():
        lines = [line for line in log.splitlines() if not OF_A_TASK.search(line)]
        assert [line for line in lines if FAULT.search(line)] == [], name
    for web in ("web", "old web"):
        assert len(STORED.findall(logs[web])) >= PHONES


async def _both_versions(previous: Path) -> tuple[Verdict, dict[str, str]]:
    carrier = Carrier(seed=1, fault_rate=0)
    await carrier.start()
    with world(carrier, WEB_CONCURRENCY="1") as made:
        port = free_port()
        environ = {**made.environ, "PORT": str(port), "PYTHONPATH": str(previous)}
        for name, arguments in COMMANDS.items():
            command = [sys.executable, *arguments]
            made.processes[name] = Process(command, environ, made.log(name))
        made.start("web", "worker 1", "clock")
        addresses = [made.url, f"http://127.0.0.1:{port}"]
        for each in addresses:
            carrier.service = each
            await until_up(carrier)
        for turn, text in enumerate(CONVERSATION):
            for number in range(PHONES):
                carrier.service = addresses[(turn + number) % 2]
                await carrier.deliver(f"SM-{turn}-{number}", phone(number), text)
        async with asyncio.timeout(SETTLES_WITHIN):
            while not await asyncio.to_thread(is_settled, made.rt, made.damage):
                await asyncio.sleep(0.2)
        verdict = await asyncio.to_thread(judge, made.rt, carrier)
        await carrier.stop()
        logs = {name: made.log(name).read_text() for name in made.processes}
    return verdict, logs
