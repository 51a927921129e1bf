"""The status page tells everybody how the service does, and nothing else."""

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from smsgw import runtime, settings
from smsgw.app import create_app
from smsgw.messaging import dispatch
from smsgw.messaging.hourly_counts import Tallies
from smsgw.operations.clock import sweep
from smsgw.operations.queue import CLOCK_BEATS, WORKER_BEATS
from smsgw.runtime import Runtime
from smsgw.storage.engines import engine
from smsgw.web import middleware
from tests.conftest import P1, P2, STRANGER, Clock
from tests.support.conversation import say
from tests.support.sender_ids import SENDER_ID, burst
from tests.support.servers import Queue

GOALS = {"within_5_seconds": 95, "within_10_seconds": 99}
NO_MESSAGES = {"state": "no messages", "within_5_seconds": None, "within_10_seconds": None}
UNKNOWN = NO_MESSAGES | {"state": "unknown"}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def public(rt: Runtime, environ: dict[str, str]) -> Runtime:
    """Runs with the page switched on, and with a worker and a clock."""
    made = replace(rt, settings=settings.load(environ | {"SMSGW_STATUS_PAGE": "1"}))
    sweep(made)
    burst(made)
    return made


@contextmanager
def visiting(rt: Runtime) -> Iterator[FlaskClient]:
    """Starts a process, which has measured nothing yet."""
    with create_app(rt).test_client() as client:
        yield client


def status(rt: Runtime) -> dict[str, Any]:
    with visiting(rt) as client:
        answer = client.get("/status.json")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json
        return found


def one_late_of_three(rt: Runtime, clock: Clock) -> None:
    """Receives three messages, of which one is answered after seven seconds."""
    for sender in (P1, P2):
        say(rt, sender, "SALDO")
    dispatch.drain(rt, "simulator", SENDER_ID)
    say(rt, STRANGER, "SALDO")
    clock.moves(seconds=7)
    dispatch.drain(rt, "simulator", SENDER_ID)
    clock.moves(seconds=3)
    Tallies(rt).step()


@pytest.mark.parametrize("path", ["/status", "/status.json"])
def test_there_is_no_page_unless_it_is_switched_on(rt: Runtime, path: str) -> None:
    with visiting(rt) as client:
        assert client.get(path).status_code == 404


def test_without_messages_it_says_so(public: Runtime) -> None:
    assert status(public) == {
        "at": "2025-10-31T03:00:00+00:00",
        "answering": True,
        "goals": GOALS,
        "today": NO_MESSAGES,
        "last_7_days": NO_MESSAGES,
    }
    with visiting(public) as client:
        page = client.get("/status").text
    for sentence in ("Layanan menjawab pesan.", "The service answers messages."):
        assert sentence in page
    assert page.count("tidak ada pesan") == page.count("no messages") == 2
    assert "100%" not in page


def test_levels_are_whole_percents(public: Runtime, clock: Clock) -> None:
    one_late_of_three(public, clock)
    measured = {"state": "measured", "within_5_seconds": 66, "within_10_seconds": 100}
    found = status(public)
    assert (found["today"], found["last_7_days"]) == (measured, measured)
    clock.moves(days=1)
    sweep(public)
    burst(public)
    found = status(public)
    assert (found["today"], found["last_7_days"]) == (NO_MESSAGES, measured)
    with visiting(public) as client:
        page = client.get("/status").text
    for cell in ("66%, target tidak tercapai", "66%, goal missed", "100%, goal met"):
        assert page.count(f"<td>{cell}</td>") == 1
    assert "01-11-2025 10:00 WIB" in page


def test_the_page_tells_nothing_else(public: Runtime, clock: Clock) -> None:
    one_late_of_three(public, clock)
    with visiting(public) as client:
        page = client.get("/status").text
        assert client.get("/status.json").json.keys() == {
            *("at", "answering", "goals", "today", "last_7_days")
        }
    visible = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    told = {"66", "100", "5", "10", "95", "99", "7", "31", "2025", "00"}
    assert set(re.findall("[0-9]+", visible)) == told
    assert "simulator" not in page


@pytest.mark.parametrize("beats", [WORKER_BEATS, CLOCK_BEATS])
def test_it_does_not_answer_without_a_worker_or_a_clock(
    public: Runtime, clock: Clock, beats: str
) -> None:
    """Without the clock nothing is counted, so the level is not known either."""
    one_late_of_three(public, clock)
    assert public.redis is not None
    public.redis.delete(beats)
    found = status(public)
    assert not found["answering"]
    for span in ("today", "last_7_days"):
        assert found[span]["state"] == ("unknown" if beats == CLOCK_BEATS else "measured")


def test_it_does_not_answer_while_most_messages_wait(public: Runtime, clock: Clock) -> None:
    say(public, P1, "SALDO")
    assert status(public)["answering"]
    clock.moves(seconds=10)
    assert not status(public)["answering"]
    with visiting(public) as client:
        page = client.get("/status").text
    assert "Jawaban bisa terlambat." in page
    assert "Answers may be late." in page
    dispatch.drain(public, "simulator", SENDER_ID)
    assert status(public)["answering"]


def test_it_does_not_answer_without_a_queue(public: Runtime) -> None:
    server = Queue()
    gone = runtime.hints(server.url)
    server.stop()
    assert not status(replace(public, redis=gone))["answering"]


def test_the_page_is_there_while_the_database_is_away(public: Runtime) -> None:
    away = replace(public, service=engine("sqlite:////nonexistent/smsgw.db", limit=1))
    found = status(away)
    assert (found["answering"], found["today"], found["last_7_days"]) == (False, UNKNOWN, UNKNOWN)
    with visiting(away) as client:
        assert client.get("/status").text.count("not known now") == 2


def test_it_is_measured_once_in_half_a_minute(public: Runtime, clock: Clock) -> None:
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(public.service, "before_cursor_execute", note)
    with visiting(public) as client:
        for seconds, is_measured in ((0, True), (0, False), (29, False), (1, True), (-60, True)):
            clock.moves(seconds=seconds)
            statements.clear()
            for path in ("/status", "/status.json", "/status?again"):
                at = client.get(path, headers={"Accept": "application/json"}).json["at"]
            assert bool(statements) == is_measured
            assert (at == clock.now.isoformat()) == (is_measured or not seconds)
    event.remove(public.service, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        (BROWSER, "text/html; charset=utf-8"),
        ("image/png", "text/html; charset=utf-8"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
    ],
)
def test_machines_get_json_if_they_ask_for_it(
    public: Runtime, accept: str | None, kind: str
) -> None:
    with visiting(public) as client:
        answer = client.get("/status", headers={"Accept": accept} if accept else {})
        assert answer.content_type == kind
        assert client.get("/status.json").content_type == "application/json"


@pytest.mark.parametrize("path", ["/status", "/status.json"])
def test_it_may_be_cached_and_nothing_in_it_runs(public: Runtime, path: str) -> None:
    with visiting(public) as client:
        answer = client.get(path)
    headers = answer.headers
    assert (headers["Cache-Control"], headers["Vary"]) == ("public, max-age=30", "Accept")
    own = {"Cache-Control", "Content-Security-Policy"}
    kept = {name: value for name, value in middleware.HEADERS.items() if name not in own}
    assert kept.items() <= dict(headers).items()
    assert "Set-Cookie" not in headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith(middleware.HEADERS["Content-Security-Policy"])
    for style in re.findall("<style>(.*?)</style>", answer.text, re.DOTALL):
        digest = b64encode(sha256(style.encode()).digest()).decode()
        assert policy.endswith(f"; style-src 'sha256-{digest}'")
    assert "<script" not in answer.text
