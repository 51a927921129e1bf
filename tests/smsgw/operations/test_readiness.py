"""/readyz and /metrics tell the state of each part."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import text

from smsgw import runtime
from smsgw.app import create_app
from smsgw.carriers.carrier import Ending
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.messaging import dispatch
from smsgw.operations.clock import sweep
from smsgw.runtime import Runtime
from smsgw.storage.engines import engine
from tests.conftest import Clock, on_sqlite
from tests.support.metrics import figures
from tests.support.sender_ids import SENDER_ID, Failing, burst, receive, with_carrier
from tests.support.servers import Queue
from tests.support.waiting import eventually


@pytest.fixture
def client(rt: Runtime) -> Iterator[FlaskClient]:
    with create_app(rt).test_client() as made:
        yield made


def test_readiness_names_each_part(client: FlaskClient, rt: Runtime) -> None:
    parts = {"database": True, "ledger": True, "queue": True, "worker": False, "clock": False}
    eventually(lambda: client.get("/readyz").json == {"ready": True, "parts": parts})
    sweep(rt)
    burst(rt)
    eventually(lambda: client.get("/readyz").json["parts"] == dict.fromkeys(parts, True))


BROKEN: dict[str, Callable[[Redis], object]] = {
    "full": lambda redis: redis.config_set("maxmemory", "1"),
    "a replica": lambda redis: redis.replicaof("127.0.0.1", "1"),
    "held": lambda redis: redis.client_pause(60_000, all=False),
    "not for us": lambda redis: redis.acl_setuser(
        "default", enabled=True, nopass=True, commands=["-@write"]
    ),
    "shut": lambda redis: redis.shutdown(nosave=True),
}


@on_sqlite
@pytest.mark.parametrize("how", BROKEN)
def test_a_queue_without_writes_is_reported_as_broken(rt: Runtime, how: str) -> None:
    """What the worker and the clock wrote there before says nothing about now."""
    server = Queue()
    own = replace(rt, redis=runtime.hints(server.url))
    try:
        with create_app(own).test_client() as client:
            sweep(own)
            parts = {"database": True, "ledger": True, "queue": True, "clock": True}
            well = parts | {"worker": False}
            eventually(lambda: client.get("/readyz").json["parts"] == well)
            with Redis.from_url(server.url) as redis:
                BROKEN[how](redis)
            broken = {"queue": False, "clock": None, "worker": None}
            assert client.get("/readyz").json == {"ready": True, "parts": parts | broken}
    finally:
        own.redis.close()
        server.stop()


def parts_up(client: FlaskClient) -> dict[str, float]:
    """Returns the states in /metrics, carriers by their name."""
    told = {key[1:]: value for key, value in figures(client).items() if key[0] == "smsgw_part_up"}
    return {carrier or part: value for (carrier, part), value in told.items()}


def test_the_states_of_the_parts_are_metrics(client: FlaskClient, rt: Runtime) -> None:
    begun = {"database": 1, "ledger": 1, "queue": 1, "worker": 0, "clock": 0}
    eventually(lambda: parts_up(client) == begun)  # who is not asked within a second is away
    sweep(rt)
    burst(rt)
    eventually(lambda: set(parts_up(client).values()) == {1})
    away = replace(rt, ledger=SqlLedger(engine("sqlite:////nonexistent/ledger.db")))
    with create_app(away).test_client() as without_ledger:
        assert parts_up(without_ledger)["ledger"] == 0


@on_sqlite
def test_a_state_that_is_not_known_is_left_out(rt: Runtime) -> None:
    server = Queue()
    own = replace(rt, redis=runtime.hints(server.url))
    sweep(own)
    server.stop()
    with create_app(own).test_client() as client:
        eventually(lambda: parts_up(client) == {"database": 1, "ledger": 1, "queue": 0})
    own.redis.close()


def test_a_carrier_is_up_while_it_takes_what_is_sent(
    client: FlaskClient, rt: Runtime, clock: Clock
) -> None:
    assert "simulator" not in parts_up(client)
    receive(rt, clock)
    dispatch.drain(rt, "simulator", SENDER_ID)
    assert parts_up(client)["simulator"] == 1
    receive(rt, clock, 30)
    dispatch.drain(with_carrier(rt, Failing(*30 * [Ending.RETRY])), "simulator", SENDER_ID)
    clock.moves(seconds=20)
    assert parts_up(client)["simulator"] == 0


@on_sqlite
def test_metrics_tell_of_a_database_that_takes_no_writes(client: FlaskClient, rt: Runtime) -> None:
    """The figures can be read meanwhile."""
    with rt.writing():
        metrics = figures(client)
    assert metrics["smsgw_part_up", "", "database"] == 0
    assert metrics["smsgw_replies_lost",] == 0


@on_sqlite
def test_metrics_tell_of_a_database_that_is_away(client: FlaskClient, rt: Runtime) -> None:
    away = replace(rt, service=engine("sqlite:////nonexistent/service.db"))
    client.application.extensions["smsgw"] = away
    metrics = figures(client)
    assert metrics["smsgw_part_up", "", "database"] == 0
    assert {name for name, *_ in metrics} == {"smsgw_part_up"}


@on_sqlite
def test_figures_that_cannot_be_counted_are_an_error(client: FlaskClient, rt: Runtime) -> None:
    """A half of them would look like a whole."""
    with rt.writing() as tx:
        tx.connection.execute(text("DROP TABLE failed_checks"))
    assert client.get("/metrics").status_code == 503


@on_sqlite
def test_it_is_not_ready_while_another_process_holds_the_write_lock(
    client: FlaskClient, rt: Runtime
) -> None:
    """An import once held the one file of an installation while readiness said that all was
    well."""
    eventually(lambda: client.get("/readyz").status_code == 200)
    with rt.writing():
        started = time.monotonic()
        response = client.get("/readyz")
        assert time.monotonic() - started < 5  # another waits eight for it
    assert (response.status_code, response.json["ready"], response.json["parts"]["database"]) == (
        503,
        *2 * [0],
    )
