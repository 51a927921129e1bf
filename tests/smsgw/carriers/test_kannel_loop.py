"""Goes the whole way through a real Kannel: an SMS over SMPP, the answer back, its report."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
import smpp34
from sqlalchemy import select

from smsgw.storage import engines
from smsgw.storage.tables.messages import messages, replies
from tests.conftest import P1, P2
from tests.support.processes import free_port
from tests.support.servers import die_with_parent
from tests.support.smsc import Centre, centre
from tests.support.waiting import LONGEST

DEPLOYED = Path(__file__).parents[3] / "deploy" / "kannel" / "kannel.conf"
SMSGW = Path(sys.executable).parent / "smsgw"
SHORT = "2757"
PHONE = P1.removeprefix("+")
ABSENT = "no Kannel here: apt-get install kannel"


class Box:
    """Runs smsgw, Kannel's two boxes and an SMS centre."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        ports = {name: free_port() for name in ("smpp", "admin", "smsbox", "sendsms", "web")}
        self.home = home
        self.admin = f"http://127.0.0.1:{ports['admin']}"
        self.sendsms = f"http://127.0.0.1:{ports['sendsms']}/cgi-bin/sendsms"
        self.web = f"http://127.0.0.1:{ports['web']}"
        self.environ = {
            "PATH": os.environ["PATH"],
            "PORT": str(ports["web"]),
            "SMSGW_HOME": str(home),
            "SMSGW_DEMO": "1",
            "SMSGW_CARRIER": "kannel",
            "KANNEL_SENDSMS_URL": self.sendsms,
            "KANNEL_USERNAME": "smsgw",
            "KANNEL_PASSWORD": "change-me-sendsms",
            "KANNEL_FROM": SHORT,
            "KANNEL_INBOUND_PASSWORD": "change-me-inbound",
        }
        self.centre: Centre = stack.enter_context(centre(ports["smpp"]))
        self._start(stack, "smsgw", [str(SMSGW), "run"])
        self.wait_for(lambda: "Try:" in (home / "smsgw.log").read_text())
        self.conf = self._configuration(ports)
        self.bearerbox = self._start(stack, "bearerbox", ["bearerbox", "-v", "4", self.conf])
        assert self.centre.bound.wait(LONGEST)
        self.wait_for(self._is_up)
        self._start(stack, "smsbox", ["smsbox", "-v", "4", self.conf])
        self.wait_for(self._is_sending)
        database = engines.engine(f"sqlite:///{home / 'instance' / 'smsgw.db'}")
        stack.callback(database.dispose)
        self.database = database

    def _configuration(self, ports: dict[str, int]) -> str:
        """Returns what is deployed, with free ports, folders of our own, and less patience."""
        text = DEPLOYED.read_text()
        for old, new in {
            "admin-port = 13000": f"admin-port = {ports['admin']}",
            "smsbox-port = 13001": f"smsbox-port = {ports['smsbox']}",
            "port = 2775": f"port = {ports['smpp']}",
            "sendsms-port = 13013": f"sendsms-port = {ports['sendsms']}",
            "127.0.0.1:8000": f"127.0.0.1:{ports['web']}",
            "/var/log/kannel": str(self.home),
            "/var/spool/kannel": str(self.home),
            "sms-resend-freq = 10": "sms-resend-freq = 1",
            "http-queue-delay = 10": "http-queue-delay = 1",
            "reconnect-delay = 5": "reconnect-delay = 1",
        }.items():
            assert old in text
            text = text.replace(old, new)
        for folder in ("store", "dlr"):
            (self.home / folder).mkdir()
        file = self.home / "kannel.conf"
        file.write_text(text)
        return str(file)

    def _start(self, stack: ExitStack, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=self.environ | {"PATH": f"/usr/sbin:{os.environ['PATH']}"},
                cwd=self.home,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        stack.callback(process.wait, 30)
        # A box would wait for what its centre still owes it.
        end = signal.SIGTERM if name == "smsgw" else signal.SIGKILL
        stack.callback(process.send_signal, end)
        return process

    def _is_up(self) -> bool:
        status = requests.get(
            f"{self.admin}/status.txt", {"password": "change-me-status"}, timeout=LONGEST
        )
        return "online" in status.text

    def _is_sending(self) -> bool:
        return requests.get(self.sendsms, timeout=LONGEST).status_code in {400, 403}

    def wait_for(self, happened: Callable[[], bool], seconds: float = LONGEST) -> None:
        until = time.monotonic() + seconds
        while True:
            try:
                if happened():
                    return
            except requests.ConnectionError:
                pass
            assert time.monotonic() < until, self.logs()
            time.sleep(0.05)

    def answer(self, words: str, sender: str = PHONE) -> str:
        before = len(self.centre.taken)
        self.centre.text(sender, SHORT, words)
        self.wait_for(lambda: len(self.centre.taken) > before)
        return self.centre.taken[before][2]

    def state(self) -> str | None:
        """Returns the state of the newest reply."""
        newest = select(replies.c.state).order_by(replies.c.id.desc()).limit(1)
        with self.database.connect() as connection:
            return connection.execute(newest).scalar_one_or_none()

    def code(self) -> str | None:
        newest = select(replies.c.code).order_by(replies.c.id.desc()).limit(1)
        with self.database.connect() as connection:
            return connection.execute(newest).scalar_one_or_none()

    def stored(self) -> int:
        with self.database.connect() as connection:
            return len(connection.execute(select(messages.c.id)).all())

    def logs(self) -> str:
        return "\n".join(log.read_text(errors="replace")[-3000:] for log in self.home.glob("*.log"))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    if shutil.which("bearerbox", path=f"/usr/sbin:{os.environ['PATH']}") is None:
        if os.environ.get("SMSGW_REQUIRE_KANNEL"):
            pytest.fail(ABSENT)
        pytest.skip(ABSENT)
    with ExitStack() as stack:
        yield Box(tmp_path_factory.mktemp("kannel"), stack)


def test_an_sms_comes_in_its_answer_goes_out_and_the_report_comes_back(box: Box) -> None:
    before = box.stored()
    answer = box.answer("SALDO  #19012345678")
    assert "Rp123.456.789" in answer
    source, destination, _ = box.centre.taken[-1]
    assert (source.removeprefix("+"), destination.removeprefix("+")) == (SHORT, PHONE)
    box.wait_for(lambda: box.state() == "delivered")
    assert box.stored() == before + 1


def test_non_ascii_text_arrives_intact(box: Box) -> None:
    assert "Rp123.456.789" in box.answer(
        "saldo \u0661\u0669\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668 \N{GRINNING FACE}"
    )


def test_an_undelivered_report_is_recorded(box: Box) -> None:
    box.centre.verdict = "UNDELIV"
    box.answer("STATUS")
    box.wait_for(lambda: box.state() == "undelivered")
    assert box.code() == "0CB"
    box.centre.verdict = "DELIVRD"


def test_a_refusal_of_the_smsc_is_recorded(box: Box) -> None:
    tries = box.centre.tries
    box.centre.reject_next.append(smpp34.ESME_RINVDSTADR)
    box.centre.text(PHONE, SHORT, "DATA")
    box.wait_for(lambda: box.centre.tries > tries)
    box.wait_for(lambda: box.state() == "undelivered")
    assert box.code() == "0x0000000b"


def test_a_throttled_sms_is_delivered_once(box: Box) -> None:
    box.centre.reject_next += [smpp34.ESME_RTHROTTLED] * 2
    before, tries = len(box.centre.taken), box.centre.tries
    box.answer("JP")
    box.wait_for(lambda: box.state() == "delivered")
    assert (len(box.centre.taken), box.centre.tries) == (before + 1, tries + 3)


def test_an_alphanumeric_sender_is_not_answered(box: Box) -> None:
    before, taken = box.stored(), len(box.centre.taken)
    box.centre.text("TELKOMSEL", SHORT, "format sms anda salah")
    box.wait_for(lambda: box.stored() == before + 1)
    time.sleep(0.5)
    assert len(box.centre.taken) == taken


def test_a_wrong_password_is_refused(box: Box) -> None:
    query = {"id": "1", "from": P1, "to": SHORT, "text": "SALDO"}
    before = box.stored()
    for auth in (None, ("kannel", "wrong")):
        for path in ("/in/kannel", "/in/kannel/status"):
            assert (
                requests.get(box.web + path, query, auth=auth, timeout=LONGEST).status_code == 403
            )
    auth = ("kannel", "change-me-inbound")
    for _ in range(2):
        response = requests.get(f"{box.web}/in/kannel", query, auth=auth, timeout=LONGEST)
        assert (response.status_code, response.content) == (200, b"")
    assert box.stored() == before + 1


def test_a_send_while_bearerbox_is_stopped_is_unknown_and_never_doubled(box: Box) -> None:
    before, stored = len(box.centre.taken), box.stored()
    box.bearerbox.send_signal(signal.SIGSTOP)
    try:
        query = {"id": "stopped", "from": P2, "to": SHORT, "text": "KANTOR BANDUNG"}
        auth = ("kannel", "change-me-inbound")
        assert requests.get(f"{box.web}/in/kannel", query, auth=auth, timeout=LONGEST).ok
        box.wait_for(lambda: box.stored() > stored and box.state() == "unknown")
    finally:
        box.bearerbox.send_signal(signal.SIGCONT)
    box.wait_for(lambda: box.state() == "delivered")
    assert len([text for *_, text in box.centre.taken[before:] if "BANDUNG" in text.upper()]) == 1
