"""Runs the command and its processes."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import requests
from twilio.request_validator import RequestValidator

from tests.conftest import P1
from tests.support.servers import die_with_parent
from tests.support.twilio_api import TWILIO, Stub
from tests.support.waiting import LONGEST, eventually

SMSGW = Path(sys.executable).parent / "smsgw"


def smsgw(home: Path, *arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": os.environ["PATH"], "SMSGW_HOME": str(home)}
    return subprocess.run(
        [SMSGW, *arguments], env=known | environ, cwd="/", capture_output=True, text=True
    )


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
            timeout=LONGEST,
        ).status_code

    def say(self, text: str, sender: str = P1) -> str:
        done = subprocess.run(
            [SMSGW, "say", text, "--from", sender],
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def posts(self, number: int) -> list[dict[str, str]]:
        """Returns all posts, as soon as there are so many."""
        eventually(lambda: len(self.stub.posts) >= number, self.log.read_text)
        return self.stub.posts

    def posts_before(self, sender: str) -> list[dict[str, str]]:
        """Returns all that was sent before the answer to one more message. The oldest reply of a
        sender ID is sent first."""
        assert self.text(f"SM{sender}", "KONTAK", sender) == 200
        eventually(lambda: self._is_answered(sender), self.log.read_text)
        return [post for post in self.stub.posts if post["To"] != sender]

    def _is_answered(self, sender: str) -> bool:
        return any(post["To"] == sender for post in self.stub.posts)

    def children(self) -> list[int]:
        """Returns every process that has this service's home in its environment."""
        wanted = f"SMSGW_HOME={self.home}".encode()
        return [pid for pid in map(int, _pids()) if wanted in _environ(pid)]


PUBLIC_URL, OURS = TWILIO["SMSGW_PUBLIC_URL"], TWILIO["TWILIO_FROM"]


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
