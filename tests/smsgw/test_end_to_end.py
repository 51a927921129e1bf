"""The whole service as processes: what `smsgw run` starts, texted by Twilio's own algorithm."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from twilio.request_validator import RequestValidator

from tests.conftest import P1, STRANGER
from tests.servers import die_with_parent
from tests.twilio_stub import TWILIO, Stub, twilio_stub
from tests.waiting import eventually

SMSGW = Path(sys.executable).parent / "smsgw"
PUBLIC_URL, OURS = TWILIO["SMSGW_PUBLIC_URL"], TWILIO["TWILIO_FROM"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Service:
    def __init__(self, home: Path, stub: Stub) -> None:
        self.home = home
        self.stub = stub
        self.port = free_port()
        self.environ = {
            "PATH": os.environ["PATH"],
            "SMSGW_HOME": str(home),
            "SMSGW_DEMO": "1",
            **TWILIO,
            "TWILIO_API_BASE": stub.url,
            "PORT": str(self.port),
        }
        self.log = home / "run.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [SMSGW, "run"],
                env=self.environ,
                stdout=log,
                stderr=log,
                cwd=home,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        eventually(self._is_up, self.log.read_text)

    def _is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "Try:" in self.log.read_text()

    def text(self, sid: str, body: str, sender: str = P1, token: str = "token") -> int:
        form = {"MessageSid": sid, "From": sender, "To": OURS, "Body": body}
        signed = RequestValidator(token).compute_signature(f"{PUBLIC_URL}/in/twilio", form)
        return requests.post(
            f"http://127.0.0.1:{self.port}/in/twilio",
            data=form,
            headers={"X-Twilio-Signature": signed},
            timeout=20,
        ).status_code

    def say(self, text: str, sender: str = P1) -> str:
        said = subprocess.run(
            [SMSGW, "say", text, "--from", sender],
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return said.stdout

    def posts(self, number: int) -> list[dict[str, str]]:
        """All, as soon as there are so many."""
        eventually(lambda: len(self.stub.posts) >= number, self.log.read_text)
        return self.stub.posts

    def posts_before(self, sender: str) -> list[dict[str, str]]:
        """All that left before the answer to one more message: a lane sends the oldest first."""
        assert self.text(f"SM{sender}", "KONTAK", sender) == 200
        eventually(lambda: self._is_answered(sender), self.log.read_text)
        return [post for post in self.stub.posts if post["To"] != sender]

    def _is_answered(self, sender: str) -> bool:
        return any(post["To"] == sender for post in self.stub.posts)

    def children(self) -> list[int]:
        """Every process that has this service's home in its environment."""
        wanted = f"SMSGW_HOME={self.home}".encode()
        return [pid for pid in map(int, _pids()) if wanted in _environ(pid)]


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with twilio_stub() as stub:
        made = Service(tmp_path_factory.mktemp("home"), stub)
        yield made
        made.process.send_signal(signal.SIGTERM)
        made.process.wait(30)


def test_a_signed_message_is_answered_by_one_post(service: Service) -> None:
    before = len(service.posts(0))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: service.text("SM-once", "SALDO 19012345678"), range(20)))
    assert set(answers) == {200}
    service.posts(before + 1)
    (post,) = service.posts_before("+6285700000001")[before:]
    assert (post["To"], post["From"]) == (P1, OURS)
    assert "Rp123.456.789" in post["Body"]


def test_a_forged_one_is_not(service: Service) -> None:
    before = list(service.posts(0))
    assert service.text("SM-forged", "SALDO", token="someone's") == 403
    assert service.posts_before("+6285700000002") == before


def test_say_speaks_while_it_runs(service: Service) -> None:
    for _ in range(2):
        assert "Rp123.456.789" in service.say("saldo jht 19012345678")
    assert "Rp" not in service.say("SALDO 19012345678", STRANGER)


def test_the_demonstration_lets_into_its_console_once(service: Service) -> None:
    told = re.search(rf"{PUBLIC_URL}(/console/login/once)#(\S+)", service.log.read_text())
    assert told is not None
    address = f"http://127.0.0.1:{service.port}{told[1]}"
    for code in (303, 403):
        page = requests.get(address, timeout=20)
        token = re.search(r'csrf_token" value="([^"]+)"', page.text)
        assert token is not None
        answer = requests.post(
            address,
            data={"csrf_token": token[1], "once": told[2]},
            headers={"Cookie": page.headers["Set-Cookie"].partition(";")[0]},
            allow_redirects=False,
            timeout=20,
        )
        assert answer.status_code == code
    assert service.log.read_text().count(told[2]) == 1  # no line of the log has it again


def test_two_in_one_folder_are_refused(service: Service) -> None:
    second = subprocess.run(
        [SMSGW, "run"], env=service.environ, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "already up" in second.stderr


def test_every_message_has_a_log_line_without_its_words(service: Service) -> None:
    service.text("SM-log", "SALDO saya berapa")
    logged = [json.loads(line) for line in service.log.read_text().splitlines() if "{" in line[:1]]
    (told,) = [line for line in logged if line["event"] == "message"][-1:]
    assert told["keyword"] == "saldo"
    assert told["outcome"] == "answered"
    assert told["segments"] == 1
    assert told["ms"] > 0
    assert told["sender"] == "+6281*****7890"
    for words in ("saya berapa", "81234567890", "19012345678", "123.456.789"):
        assert not [line for line in logged if words in json.dumps(line)]


def test_a_killed_child_is_started_again_and_nothing_outlives_the_supervisor(
    tmp_path: Path,
) -> None:
    with twilio_stub() as stub:
        service = Service(tmp_path, stub)
        (worker,) = [
            pid
            for pid in service.children()
            if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(worker, signal.SIGKILL)
        assert service.text("SM-after", "SALDO") == 200
        assert len(service.posts(1)) == 1
        service.process.kill()
        service.process.wait()
        eventually(lambda: service.children() == [])
        assert "Rp123.456.789" in service.say("cek saldo dong")


def test_without_demo_nothing_is_loaded_and_nobody_bound(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "SMSGW_HOME": str(tmp_path)}
    subprocess.run([SMSGW, "migrate"], env=environ, check=True)
    said = subprocess.run(
        [SMSGW, "say", "SALDO 19012345678", "--from", P1, "--json"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout)["outcome"] == "not_registered"
