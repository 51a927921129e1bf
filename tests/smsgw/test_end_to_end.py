"""Tests the whole service as processes: what `smsgw run` starts, texted by Twilio's own
algorithm."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.conftest import P1, STRANGER
from tests.support.processes import OURS, PUBLIC_URL, SMSGW, Service
from tests.support.twilio_api import twilio_stub
from tests.support.waiting import LONGEST, eventually


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


def test_a_forged_message_is_refused(service: Service) -> None:
    before = list(service.posts(0))
    assert service.text("SM-forged", "SALDO", token="someone's") == 403
    assert service.posts_before("+6285700000002") == before


def test_say_speaks_while_it_runs(service: Service) -> None:
    for _ in range(2):
        assert "Rp123.456.789" in service.say("saldo jht 19012345678")
    assert "Rp" not in service.say("SALDO 19012345678", STRANGER)


def test_the_demo_login_link_works_once(service: Service) -> None:
    link = re.search(rf"{PUBLIC_URL}(/console/login/once)#(\S+)", service.log.read_text())
    assert link is not None
    address = f"http://127.0.0.1:{service.port}{link[1]}"
    for code in (303, 403):
        page = requests.get(address, timeout=LONGEST)
        token = re.search(r'csrf_token" value="([^"]+)"', page.text)
        assert token is not None
        answer = requests.post(
            address,
            data={"csrf_token": token[1], "once": link[2]},
            headers={"Cookie": page.headers["Set-Cookie"].partition(";")[0]},
            allow_redirects=False,
            timeout=LONGEST,
        )
        assert answer.status_code == code
    assert service.log.read_text().count(link[2]) == 1  # no line of the log has it again


def test_two_in_one_folder_are_refused(service: Service) -> None:
    second = subprocess.run(
        [SMSGW, "run"], env=service.environ, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "already up" in second.stderr


def test_every_message_has_a_log_line_without_its_words(service: Service) -> None:
    service.text("SM-log", "SALDO saya berapa")
    logged = [json.loads(line) for line in service.log.read_text().splitlines() if "{" in line[:1]]
    (entry,) = [line for line in logged if line["event"] == "message"][-1:]
    assert entry["keyword"] == "saldo"
    assert entry["outcome"] == "answered"
    assert entry["segments"] == 1
    assert entry["ms"] > 0
    assert entry["sender"] == "+6281*****7890"
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
    done = subprocess.run(
        [SMSGW, "say", "SALDO 19012345678", "--from", P1, "--json"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["outcome"] == "not_registered"
