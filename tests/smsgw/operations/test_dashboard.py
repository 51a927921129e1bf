"""Checks on both databases what is on top of every page, and which complaints are unanswered."""

from smsgw.backoffice import casework
from smsgw.carriers.carrier import Ending
from smsgw.messaging import dispatch
from smsgw.operations import carrier_health, dashboard
from smsgw.operations.carrier_health import Trouble
from smsgw.registry import cases
from smsgw.runtime import Runtime
from tests.conftest import P1, STRANGER, Clock
from tests.support.conversation import say
from tests.support.sender_ids import SENDER_ID, Failing, receive, with_carrier


def troubles(rt: Runtime) -> list[Trouble]:
    with rt.reading() as tx:
        return carrier_health.troubles(tx)


def test_a_stuck_carrier_is_shown(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 1)
    assert troubles(rt) == []
    receive(rt, clock, 2)
    failing = Failing(Ending.RETRY, Ending.UNKNOWN, Ending.RETRY)
    dispatch.drain(with_carrier(rt, failing), "simulator", SENDER_ID)
    clock.moves(seconds=20)
    (found,) = troubles(rt)
    assert (found.carrier, found.count, found.is_refusing) == ("simulator", 3, False)
    receive(rt, clock, 1)
    dispatch.drain(rt, "simulator", SENDER_ID)
    assert troubles(rt) == []


def test_a_refusing_carrier_is_shown(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 5)
    dispatch.drain(with_carrier(rt, Failing(*[Ending.REFUSED] * 5)), "simulator", SENDER_ID)
    (found,) = troubles(rt)
    assert (found.count, found.is_refusing) == (5, True)
    clock.moves(minutes=16)
    assert troubles(rt) == []


def test_unanswered_complaints_are_counted(rt: Runtime) -> None:
    for sender in (P1, STRANGER):
        say(rt, sender, "LAPOR gaji saya belum dibayar")
    assert dashboard.overview(rt).unanswered == 2
    first, second = (f"ADU-251031-000{number}" for number in (1, 2))
    casework.answer(rt, first, "Sudah kami tegur.", "operator:ani", after=0, closes=False)
    assert dashboard.overview(rt).unanswered == 1
    casework.answer(rt, second, "Sudah kami tegur.", "operator:ani", after=0, closes=True)
    assert dashboard.overview(rt).unanswered == 0
    with rt.reading() as tx:
        (closed,) = cases.closed(tx, cases.CaseKind.COMPLAINT, None, 10)
        assert (closed.number, closed.answered_at) == (second, tx.now)
        assert cases.closed(tx, cases.CaseKind.COMPLAINT, closed.id, 10) == []
