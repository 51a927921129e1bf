"""SIGTERM finishes what is in hand."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from select import select as select_ready
from urllib.parse import urlencode

import pytest
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from smsgw import responder, runtime, settings
from smsgw.carriers.carrier import IncomingSms
from smsgw.operations import jobs
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import replies
from tests.conftest import P1
from tests.support.processes import free_port
from tests.support.twilio_api import TWILIO, Stub, twilio_stub
from tests.support.waiting import LONGEST, eventually
from tests.support.web_process import BIN, web_process

OURS, PUBLIC_URL = TWILIO["TWILIO_FROM"], TWILIO["SMSGW_PUBLIC_URL"]

Start = Callable[[list[object], dict[str, str]], "subprocess.Popen[bytes]"]
LOCK = {"postgresql": "LOCK TABLE messages IN ACCESS EXCLUSIVE MODE"}  # SQLite's is its BEGIN


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that does not outlive the test."""
    with ExitStack() as stack:

        def run(command: list[object], environ: dict[str, str]) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield run


@pytest.fixture
def stub() -> Iterator[Stub]:
    with twilio_stub() as made:
        yield made


@pytest.fixture
def environ(environ: dict[str, str], stub: Stub) -> dict[str, str]:
    base = {"PATH": os.environ["PATH"], "PORT": str(free_port()), "TWILIO_API_BASE": stub.url}
    return environ | TWILIO | base


def state(rt: Runtime) -> str:
    with rt.reading() as tx:
        return str(tx.connection.execute(select(replies.c.state)).scalar_one())


def test_a_stopping_worker_finishes_and_records_its_send(
    rt: Runtime, environ: dict[str, str], stub: Stub, start: Start
) -> None:
    own = runtime.build(settings.load(environ))
    assert responder.respond(own, IncomingSms("twilio", "SM1", P1, OURS, "SALDO"))
    stub.answers.append("stall")
    jobs.hint(own, "twilio", OURS)
    worker = start([BIN / "smsgw", "worker"], environ)
    eventually(lambda: stub.posts)
    worker.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(0.5)
    assert state(own) == "sending"
    stub.release.set()
    assert worker.wait(LONGEST) == 0
    assert state(own) == "sent"
    own.close()


def test_a_stopping_web_process_answers_open_requests(
    rt: Runtime, environ: dict[str, str], tmp_path: Path
) -> None:
    form = {"MessageSid": "SM1", "From": P1, "To": OURS, "Body": "SALDO"}
    header = RequestValidator("token").compute_signature(f"{PUBLIC_URL}/in/twilio", form)
    types = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": header}
    with web_process(environ, tmp_path / "web.log") as web:
        sender = HTTPConnection("127.0.0.1", web.port, timeout=LONGEST)
        with rt.service.connect() as connection:  # the message waits until this ends
            connection.exec_driver_sql(LOCK.get(connection.dialect.name, "SELECT 1"))
            sender.request("POST", "/in/twilio", urlencode(form), types)
            eventually(lambda: is_read(web.port, sender.sock))
            web.process.send_signal(signal.SIGTERM)
            assert select_ready([sender.sock], [], [], 0.5) == ([], [], [])  # no word yet
            connection.rollback()
        assert sender.getresponse().status == 200
        sender.close()
        assert web.process.wait(LONGEST) == 0
    assert state(rt) == "queued"


def is_read(port: int, client: socket.socket) -> bool:
    """Tells whether the server on `port` has taken all that `client` sent: Linux lists each end of
    a connection with what lies there unread."""
    ends = f"{port:04X}", f"{client.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues, *_ = line.split()
        if (here.partition(":")[2], there.partition(":")[2]) == ends:
            return int(queues.partition(":")[2], 16) == 0
    return False
