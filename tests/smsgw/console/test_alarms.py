"""Every page shows a failed carrier at the top, and not a slow one."""

import pytest
from flask import Flask

from smsgw.carriers.carrier import Ending
from smsgw.messaging import dispatch
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor
from tests.support.sender_ids import SENDER_ID, Failing, receive, with_carrier

STUCK = "simulator sends nothing"
REFUSES = "simulator refuses every SMS"


@pytest.fixture
def viewer(as_: As) -> Visitor:
    return as_(Role.VIEWER)


def sent(rt: Runtime, *endings: Ending) -> None:
    dispatch.drain(with_carrier(rt, Failing(*endings)), "simulator", SENDER_ID)


def alarms(viewer: Visitor) -> str:
    viewer.get("/console/versions/")
    return viewer.text


@pytest.mark.parametrize("ending", [Ending.RETRY, Ending.UNKNOWN])
def test_every_page_shows_a_failed_carrier(
    viewer: Visitor, rt: Runtime, clock: Clock, ending: Ending
) -> None:
    receive(rt, clock, 30)
    sent(rt, *[Ending.RETRY, *[ending] * 29])
    clock.moves(seconds=20)
    assert f"{STUCK}: 30 replies are waiting" in alarms(viewer)
    for address in ("/console/", "/console/messages/", "/console/account", "/console/nothing"):
        viewer.get(address)
        assert STUCK in viewer.text
    assert STUCK in viewer.client.get("/console/alarms").text


def test_earlier_sends_do_not_hide_a_failed_carrier(
    viewer: Visitor, rt: Runtime, clock: Clock
) -> None:
    """The last 15 minutes went well for the most part."""
    receive(rt, clock, 4)
    sent(rt)
    receive(rt, clock, 1)
    sent(rt, Ending.RETRY)
    clock.moves(seconds=20)
    assert STUCK in alarms(viewer)


def test_unsent_replies_raise_an_alarm(viewer: Visitor, rt: Runtime, clock: Clock) -> None:
    """No worker runs, or it hangs."""
    receive(rt, clock, 1)
    assert STUCK not in alarms(viewer)
    clock.moves(seconds=20)
    assert f"{STUCK}: 1 replies are waiting, the oldest for 20 s" in alarms(viewer)


def test_a_retry_raises_no_alarm(viewer: Visitor, rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 1)
    sent(rt, Ending.RETRY)
    receive(rt, clock, 1)
    sent(rt)
    assert STUCK not in alarms(viewer)


@pytest.mark.parametrize(("times", "is_alarmed"), [(4, False), (5, True)])
def test_a_refusing_carrier_raises_an_alarm(
    viewer: Visitor, rt: Runtime, clock: Clock, times: int, is_alarmed: bool
) -> None:
    """With a wrong carrier password no reply waits, and nobody reads one."""
    receive(rt, clock, times)
    sent(rt, *[Ending.REFUSED] * times)
    assert (f"{REFUSES}: 5" in alarms(viewer)) == is_alarmed
    receive(rt, clock, 1)
    sent(rt)
    assert REFUSES not in alarms(viewer)


def test_polling_does_not_keep_a_session_alive(viewer: Visitor, app: Flask, clock: Clock) -> None:
    """It asks by itself, for hours."""
    for _ in range(12):
        assert viewer.client.get("/console/alarms").status_code == 200
        clock.moves(minutes=10)
    assert viewer.get("/console/").status_code == 303
