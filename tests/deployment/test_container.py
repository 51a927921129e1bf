"""The image is built without a network, and each process runs in it as nobody over a read-only
root, with its secrets in files."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from smsgw.storage import local_redis
from tests.conftest import KEY
from tests.support.container import VOLUME, Image, running
from tests.support.processes import free_port
from tests.support.programs import missing, required
from tests.support.servers import die_with_parent
from tests.support.waiting import eventually

DIST = Path(__file__).parents[2] / "dist"
NOBODY = "65534"
PROCESSES = ("web", "worker", "clock")

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    if not (DIST / "requirements.txt").exists():
        missing("wheels", "no wheels in dist/: make wheels")
    if (
        os.geteuid()
        or subprocess.run([required("unshare", "util-linux"), "--mount", "true"]).returncode
    ):
        missing("buildah", "to build and run an image here needs root and namespaces of its own")
    return Image(tmp_path / "image")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path]
    process = subprocess.Popen(
        [local_redis.program(), *options],
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent(15),
    )
    assert local_redis.wait_until_ready(f"redis://127.0.0.1:{port}/0")
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()


@pytest.fixture
def environ(postgres_url: str, queue: str, image: Image) -> dict[str, str]:
    """Writes the secrets into files of nobody's; the database's socket is in a volume."""
    database = urlsplit(postgres_url).path
    secrets = {
        "DATABASE_URL": f"postgresql://postgres@{database}?host={VOLUME}",
        "REDIS_URL": queue,
        "SMSGW_SECRET_KEY": KEY,
    }
    folder = image.root / "etc" / "secrets"
    folder.mkdir(exist_ok=True)
    for name, value in secrets.items():
        (folder / name).write_text(value)
        (folder / name).chmod(0o400)
        os.chown(folder / name, int(NOBODY), int(NOBODY))
    return {f"{name}_FILE": f"/etc/secrets/{name}" for name in secrets} | {"PORT": str(free_port())}


def test_each_process_runs_as_nobody_over_a_read_only_root(
    image: Image, environ: dict[str, str], postgres_url: str, tmp_path: Path
) -> None:
    assert _written_to(image) == [
        f"{NOBODY} {NOBODY} [{NOBODY}] /dev/shm",
        "can",
        "Read-only file system",
        "Read-only file system",
    ]
    (volume,) = parse_qs(urlsplit(postgres_url).query)["host"]
    done = subprocess.run(
        image.command(environ, ["smsgw", "migrate"], volume), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    health = f"http://127.0.0.1:{environ['PORT']}/readyz"
    with ExitStack() as stack:
        for name, arguments in {
            "web": [],
            "worker": ["smsgw", "worker"],
            "clock": ["smsgw", "clock"],
        }.items():
            log = tmp_path / f"{name}.log"
            arguments = [] if name == "web" else ["smsgw", name]
            command = image.command(environ, arguments, volume)
            stack.enter_context(running(command, log))
        eventually(lambda: _is_ready(health), (tmp_path / "web.log").read_text)
        listed = subprocess.run(
            image.command(environ, ["smsgw", "doctor"], volume), capture_output=True, text=True
        )
    for part in ("service database", "keys", "clock", "files", "queue"):
        assert f"ok   {part}" in listed.stdout
    for name in PROCESSES:
        assert "Traceback" not in (tmp_path / f"{name}.log").read_text()


def _written_to(image: Image) -> list[str]:
    """Returns what a process of the image is, and which places it can write to."""
    tries = (
        "import os; print(os.getuid(), os.getgid(), os.getgroups(), os.environ['TMPDIR'])\n"
        "for place in '/dev/shm', '/tmp', '/opt/smsgw':\n"
        "    try: open(place + '/x', 'w'); print('can')\n"
        "    except OSError as error: print(error.strerror)\n"
    )
    done = subprocess.run(
        image.command({}, ["python3", "-c", tries]), capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def _is_ready(address: str) -> bool:
    """Tells whether web is, with a worker and a clock."""
    try:
        return requests.get(address, timeout=5).json()["ready"] is True
    except (requests.RequestException, ValueError):
        return False
