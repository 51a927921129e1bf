"""Carriers' requests share a thread, and none of them can keep it from the others."""

import fcntl
import os
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from sqlalchemy import func, select

from smsgw.carriers.twilio import signature
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages, replies
from smsgw.web.gunicorn_worker import is_writable, peek
from smsgw.web.middleware import READ_WITHIN
from smsgw.web.raw_requests import LARGEST
from tests.conftest import KEY, P2
from tests.support.processes import free_port
from tests.support.twilio_api import TWILIO
from tests.support.waiting import LONGEST
from tests.support.web_process import Web, migrated, web_process

HEAD = b"POST /in/twilio HTTP/1.1\r\nHost: x\r\n"
FORGED = HEAD + b"Content-Length: 3\r\n\r\na=b"
ALIKE = 20  # messages of one phone


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_what_has_come_is_seen_and_left_there(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    assert peek(ours) == b""
    theirs.sendall(FORGED)
    assert (peek(ours), ours.recv(LARGEST)) == (FORGED, FORGED)


def test_an_answer_that_would_have_to_wait_is_foreseen(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    assert is_writable(ours)
    ours.setblocking(False)
    with suppress(BlockingIOError):
        while ours.send(b"an answer that nobody reads" * 1000):
            pass
    assert not is_writable(ours)


def test_a_process_may_have_more_than_a_thousand_connections(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    theirs.sendall(FORGED)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD, 1500)) as high:
            assert peek(high) == FORGED
            assert is_writable(high)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_of_a_closed_connection_nothing_is_seen(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.close()
    assert peek(ours) == b""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def environ(home: Path) -> dict[str, str]:
    ours = {"SMSGW_HOME": str(home), "SMSGW_SECRET_KEY": KEY, "PORT": str(free_port())}
    return {"PATH": os.environ["PATH"], **ours, **TWILIO}


@pytest.fixture(scope="module")
def stored(environ: dict[str, str]) -> Iterator[Runtime]:
    with migrated(environ) as made:
        yield made


@pytest.fixture(scope="module")
def web(stored: Runtime, environ: dict[str, str], home: Path) -> Iterator[Web]:
    with web_process(environ, home / "web.log") as made:
        yield made


def send(web: Web, name: str, sender: str, text: str) -> int:
    fields = {
        "MessageSid": name,
        "AccountSid": TWILIO["TWILIO_ACCOUNT_SID"],
        "From": sender,
        "To": "2757",
        "Body": text,
    }
    address = f"{TWILIO['SMSGW_PUBLIC_URL']}/in/twilio"
    signed = signature(TWILIO["TWILIO_AUTH_TOKEN"], address, tuple(fields.items()))
    headers = {"X-Twilio-Signature": signed}
    sent = requests.post(f"{web.address}/in/twilio", data=fields, headers=headers, timeout=LONGEST)
    return sent.status_code


def test_messages_of_one_phone_at_one_instant_are_stored_one_after_the_other(
    web: Web, stored: Runtime
) -> None:
    names = [f"SM-one-{number}" for number in range(ALIKE)]
    with ThreadPoolExecutor(ALIKE) as pool:
        statuses = list(pool.map(lambda name: send(web, name, P2, "INFO"), names))
    assert statuses == [200] * ALIKE
    with stored.reading() as tx:
        rows = select(func.count()).where(messages.c.carrier_ref.startswith("SM-one-"))
        assert tx.connection.execute(rows).scalar_one() == ALIKE
        assert tx.connection.execute(select(func.count(replies.c.id))).scalar_one() < ALIKE


def test_one_message_delivered_many_times_at_one_instant_is_stored_once(
    web: Web, stored: Runtime
) -> None:
    with ThreadPoolExecutor(ALIKE) as pool:
        numbers = range(ALIKE)
        statuses = list(
            pool.map(lambda _: send(web, "SM-again", "+6281200000001", "INFO"), numbers)
        )
    assert statuses == [200] * ALIKE
    with stored.reading() as tx:
        rows = select(func.count()).where(messages.c.carrier_ref == "SM-again")
        assert tx.connection.execute(rows).scalar_one() == 1


def test_who_reads_no_answers_keeps_nobody_waiting(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.setblocking(False)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            try:
                deaf.send(FORGED)
            except BlockingIOError:
                time.sleep(0.01)
        assert send(web, "SM-beside-the-deaf", "+6281200000002", "INFO") == 200


@pytest.mark.parametrize("length", [b"0000005000", b"100000"])
def test_who_announces_more_than_comes_keeps_nobody_waiting(web: Web, length: bytes) -> None:
    with socket.create_connection(("127.0.0.1", web.port)) as silent:
        silent.sendall(HEAD + b"Content-Length: " + length + b"\r\n\r\n")
        time.sleep(0.2)
        started = time.monotonic()
        assert send(web, f"SM-beside-{length.decode()}", "+6281200000003", "INFO") == 200
        assert time.monotonic() - started < READ_WITHIN / 2  # when the silent one is cut off


def test_requests_sent_ahead_are_each_answered(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=LONGEST) as ahead:
        ahead.sendall(FORGED * 3)
        answers = b""
        while answers.count(b"HTTP/1.1 403") < 3:
            seen = ahead.recv(LARGEST)
            assert seen, answers
            answers += seen


def exchange(web: Web, request_: bytes) -> bytes:
    """Returns the whole answer, without what differs each time."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=LONGEST) as client:
        client.sendall(request_)
        answer = b"".join(iter(lambda: client.recv(LARGEST), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = {line for line in head.lower().split(b"\r\n") if not line.startswith(b"date:")}
    return b"\n".join(sorted(lines - {b"server: gunicorn"})) + b"\n\n" + body


def raw(fields: dict[str, str], more: bytes = b"") -> bytes:
    address = f"{TWILIO['SMSGW_PUBLIC_URL']}/in/twilio"
    signed = signature(TWILIO["TWILIO_AUTH_TOKEN"], address, tuple(fields.items())).encode()
    body = urlencode(fields).encode()
    return (
        HEAD
        + more
        + b"X-Twilio-Signature: %b\r\nContent-Length: %d\r\n" % (signed, len(body))
        + b"Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n"
        + body
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"MessageSid": "SM-alike", "From": P2, "To": "2757", "Body": "caf\u00e9"}, b"200 ok"),
        ({"MessageSid": "SM-alike", "From": P2, "To": "2757", "Body": ""}, b"200 ok"),
        ({"MessageSid": "", "From": P2, "To": "2757", "Body": "SALDO"}, b"400 bad request"),
        ({"MessageSid": "SM1"}, b"400 bad request"),
    ],
)
def test_a_request_is_answered_alike_in_and_outside_flask(
    web: Web, fields: dict[str, str], status: bytes
) -> None:
    outside = exchange(web, raw(fields))
    assert status in outside
    assert outside == exchange(web, raw(fields, b"TE: trailers\r\n"))
