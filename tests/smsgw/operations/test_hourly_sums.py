"""Checks that the sums of the past are remembered, and that nothing is missing beside them."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from smsgw.app import create_app
from smsgw.messaging.hourly_counts import Tallies
from smsgw.operations import hourly_sums
from smsgw.operations.hourly_sums import PAST, REMEMBERED
from smsgw.operations.summed_metrics import SUMMED_EVERY, PastSums
from smsgw.runtime import Runtime
from smsgw.storage.tables.counts import tallies
from tests.conftest import Clock
from tests.support.metrics import figures
from tests.support.sender_ids import receive

RECEIVED = ("smsgw_messages_received_total", "simulator")
ANSWERED = ("smsgw_messages_answered_total", "saldo", "answered", "")


@pytest.fixture
def client(rt: Runtime) -> Iterator[FlaskClient]:
    with create_app(rt).test_client() as made:
        yield made


@pytest.fixture
def lived(rt: Runtime, clock: Clock) -> Runtime:
    """Has two messages of the past, and one of this hour."""
    receive(rt, clock, 2)
    clock.moves(seconds=2 * PAST.total_seconds())
    receive(rt, clock)
    Tallies(rt).step()
    return rt


def change_the_past(rt: Runtime) -> None:
    with rt.writing() as tx:
        is_it = (tallies.c.hour < tx.now - PAST) & (tallies.c.carrier != "")
        tx.connection.execute(update(tallies).where(is_it).values(messages=7, answered=7))


def test_the_past_is_summed_up_once_for_all_processes(
    client: FlaskClient, lived: Runtime, clock: Clock
) -> None:
    assert [figures(client)[each] for each in (RECEIVED, ANSWERED)] == [3, 3]
    change_the_past(lived)
    receive(lived, clock)
    Tallies(lived).step()
    with create_app(lived).test_client() as another:
        for each in (client, another):
            assert figures(each)[RECEIVED] == 4
    clock.moves(seconds=REMEMBERED.total_seconds())
    assert [figures(client)[each] for each in (RECEIVED, ANSWERED)] == [9, 9]


def test_the_clock_sums_up_the_past_before_it_is_forgotten(
    client: FlaskClient, lived: Runtime, clock: Clock
) -> None:
    sums = PastSums(lived)
    sums.step()
    change_the_past(lived)
    assert figures(client)[RECEIVED] == 3
    sums.step()
    assert figures(client)[RECEIVED] == 3
    clock.moves(seconds=SUMMED_EVERY.total_seconds())
    sums.step()
    assert figures(client)[RECEIVED] == 8


def test_what_is_remembered_ends_in_redis(client: FlaskClient, lived: Runtime) -> None:
    figures(client)
    assert lived.redis is not None
    assert 0 < lived.redis.ttl(hourly_sums.KEY) <= REMEMBERED.total_seconds()


def test_without_redis_all_is_summed_up(lived: Runtime) -> None:
    with lived.reading() as tx:
        by_carrier = tallies.c.messages, tallies.c.carrier
        sums = hourly_sums.HourlySums(tx, None)
        assert ("simulator", 3) in sums.of(*by_carrier)
        change_the_past(lived)
    with lived.reading() as tx:
        assert ("simulator", 8) in hourly_sums.HourlySums(tx, None).of(*by_carrier)
