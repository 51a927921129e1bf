"""Whoever comes without the carrier's secret gets nothing done, however they ask."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import islice
from pathlib import Path
from threading import Event

import pytest
import requests
from sqlalchemy import func, select

from smsgw.runtime import Runtime
from smsgw.storage.tables.security import audit_head, data_keys
from smsgw.storage.tables.types import service
from smsgw.web import middleware
from smsgw.web.middleware import Environ, StartResponse
from tests.conftest import KEY
from tests.support import hostile_requests
from tests.support.processes import free_port
from tests.support.twilio_api import ALL_CARRIERS
from tests.support.waiting import LONGEST, eventually
from tests.support.web_process import BIN, Web, migrated, web_process

ROOT = Path(__file__).parents[3]
HOSTILE, GENERATED = 9_400, 110  # requests, and for each of the interface's operations
WARM, GROWTH = 2_000, 16 * 1024  # requests before the memory is looked at, KiB that it may grow
OURS = {data_keys.name, audit_head.name}  # what holds rows before anybody came
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
]
NOT_IMPLEMENTED = 501  # gunicorn's word for a transfer coding that nobody uses
SLOW, DRIP = 48, 0.25  # connections, and seconds between two of their octets


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = str(tmp_path_factory.mktemp("doors"))
    ours = {"SMSGW_HOME": home, "SMSGW_SECRET_KEY": KEY, "PORT": str(free_port())}
    ours["SMSGW_STATUS_PAGE"] = "1"
    return {"PATH": os.environ["PATH"], **ours, **ALL_CARRIERS}


@pytest.fixture(scope="module")
def rt(environ: dict[str, str]) -> Iterator[Runtime]:
    with migrated(environ) as made:
        yield made


@pytest.fixture(scope="module")
def web(rt: Runtime, environ: dict[str, str]) -> Iterator[Web]:
    with web_process(environ, Path(environ["SMSGW_HOME"]) / "web.log") as made:
        yield made


def rows(rt: Runtime) -> dict[str, int]:
    """Counts the rows of every table that has any."""
    with rt.reading() as tx:
        counted = {
            name: tx.connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in service.tables.items()
            if name not in OURS
        }
    return {name: count for name, count in counted.items() if count}


def test_ten_thousand_hostile_requests_change_nothing(web: Web, rt: Runtime) -> None:
    asked, before = hostile_requests.requests(seed=20251031), rows(rt)
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda raw: hostile_requests.ask(web.port, raw), islice(asked, WARM))
        )
        warm = web.memory()
        rest = islice(asked, HOSTILE - WARM)
        answers += pool.map(lambda raw: hostile_requests.ask(web.port, raw), rest)
    assert [each for each in answers if each.status >= 500 and each.status != NOT_IMPLEMENTED] == []
    assert sum(each.status == 403 for each in answers) > HOSTILE / 20
    count = re.search(r"([0-9]+) generated", generated(web, GENERATED))
    assert int(count[1]) + HOSTILE >= 10_000
    assert web.memory() - warm < GROWTH
    assert rows(rt) == before
    ready = f"{web.address}/readyz"
    eventually(lambda: requests.get(ready, timeout=LONGEST).json()["ready"])
    log = web.log.read_text()
    assert "Invalid request from ip=127.0.0.1" in log
    assert [each for each in ("Traceback", "SALDO", "6281234567890") if each in log] == []


def test_hostile_requests_with_the_password_break_nothing(web: Web) -> None:
    """Kannel passes on what any phone sends."""
    generated(
        web, GENERATED // 4, "--auth", "kannel:twelve-letters", "--include-path-regex", "kannel"
    )
    assert "Traceback" not in web.log.read_text()


def test_slow_clients_do_not_block_others(web: Web) -> None:
    """A client may be slow in the head or in the body, and is cut off in the end."""
    head = b"POST /in/twilio HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
    slow = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(SLOW)]
    for number, connection in enumerate(slow):
        connection.sendall(head + b"\r\n" * (number % 2))
    started, took = time.monotonic(), []

    def are_cut() -> bool:
        slow[:] = [each for each in slow if _still_open(each)]
        asked = time.monotonic()
        assert requests.get(f"{web.address}/healthz", timeout=LONGEST).ok
        took.append(time.monotonic() - asked)
        time.sleep(DRIP)
        return not slow

    eventually(are_cut)
    assert time.monotonic() - started > middleware.READ_WITHIN - 1
    assert max(took) < middleware.READ_WITHIN / 2  # who had to wait would until they are cut off


def _still_open(connection: socket.socket) -> bool:
    """Sends one more octet."""
    try:
        connection.sendall(b"x")
        connection.settimeout(0.001)
        is_open = connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        is_open = False
    if not is_open:
        connection.close()
    return is_open


@pytest.mark.parametrize("length", ["Content-Length: 70000", "Transfer-Encoding: chunked"])
def test_too_large_requests_are_refused(web: Web, length: str) -> None:
    body = b"x" * 70_000
    if "chunked" in length:
        body = b"11170\r\n" + body + b"\r\n0\r\n\r\n"
    head = f"POST /in/twilio HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n"
    assert hostile_requests.ask(web.port, head.encode() + body).status == 413


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/in/kannel", 403), ("/nowhere", 404), ("/in/twilio", 405), ("/", 404)],
)
def test_every_answer_carries_the_headers(web: Web, path: str, status: int) -> None:
    answer = requests.get(web.address + path, timeout=LONGEST)
    assert answer.status_code == status
    assert middleware.HEADERS.items() <= answer.headers.items()
    assert answer.headers["Strict-Transport-Security"]
    assert "Set-Cookie" not in answer.headers


def test_a_full_line_is_refused_immediately() -> None:
    places = middleware.Places(1, line=1)
    assert places.take()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(places.take) for _ in range(2)]
        eventually(lambda: any(each.done() for each in waiting))
        places.give_back()
    assert sorted(each.result() for each in waiting) == [False, True]


def test_who_crowds_the_status_page_keeps_no_other_request_waiting() -> None:
    is_over = Event()

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        if environ["PATH_INFO"] == "/status":
            is_over.wait(LONGEST)
        start_response("200 OK", [])
        return [b"ok"]

    guarded = middleware.ReadFirst(application, middleware.Places(middleware.AT_ONCE, line=200))

    def ask(path: str) -> str:
        statuses: list[str] = []
        environ = {"PATH_INFO": path, "wsgi.input": BytesIO()}
        guarded(environ, lambda status, _: statuses.append(status))
        return statuses[0]

    with ThreadPoolExecutor(20) as pool:
        crowd = [pool.submit(ask, "/status") for _ in range(20)]
        eventually(lambda: sum(each.done() for each in crowd) == 20 - middleware.PUBLIC_AT_ONCE)
        answers = [ask(path) for path in ("/readyz", "/metrics", "/console/", "/in/twilio")]
        is_over.set()  # until here the crowd kept its places: whoever waited for one got none
    assert answers == ["200 OK"] * 4
    assert [each.result() for each in crowd].count("200 OK") == middleware.PUBLIC_AT_ONCE


def generated(web: Web, count: int, *more: str) -> str:
    """Sends requests that follow docs/openapi.yaml and requests that do not; responses must follow
    it."""
    done = subprocess.run(
        [
            BIN / "st",
            "--no-color",
            "run",
            ROOT / "docs" / "openapi.yaml",
            "--url",
            web.address,
            "--max-examples",
            str(count),
            "--seed",
            "1",
            "--no-shrink",
            "--phases",
            "coverage,fuzzing",
            "--checks",
            ",".join(CHECKS),
            *more,
        ],
        cwd=web.log.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
