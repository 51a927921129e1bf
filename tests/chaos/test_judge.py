"""The judge of the chaos runs sees what is lost and what is doubled."""

from itertools import count

import pytest
from sqlalchemy import select, update

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging import leases
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import attempts, messages, replies
from tests.chaos.carrier import Carrier
from tests.chaos.damage import Damage
from tests.chaos.judge import is_settled, judge
from tests.conftest import P1, Clock

_references = count()


@pytest.fixture
def sent(rt: Runtime, clock: Clock) -> Carrier:
    """Stores two messages with replies that the carrier took once each."""
    carrier = Carrier(seed=1)
    for _ in range(2):
        clock.moves(minutes=3)
        sid = f"SM-{next(_references)}"
        assert responder.respond(rt, IncomingSms("simulator", sid, P1, "2757", "SALDO"))
        carrier.acknowledged.add(sid)
        with rt.writing() as tx:
            (claim,) = leases.claim(tx, "simulator", "2757", 1)
            leases.record(tx, [leases.SendResult(claim, carrier_ref=sid)])
        carrier.accepted[claim.sms.attempt_id] += 1
    return carrier


def last_attempt(rt: Runtime) -> int:
    with rt.reading() as tx:
        newest = select(attempts.c.id).order_by(attempts.c.id.desc()).limit(1)
        return int(tx.connection.execute(newest).scalar_one())


def test_nothing_lost_passes(rt: Runtime, sent: Carrier) -> None:
    verdict = judge(rt, sent)
    assert (verdict.lost, verdict.doubled, verdict.answered) == ([], [], 2)
    assert is_settled(rt, Damage())


def test_an_acknowledged_message_that_was_not_stored_is_a_fault(rt: Runtime, sent: Carrier) -> None:
    sent.acknowledged.add("SM-gone")
    assert judge(rt, sent).lost == ["SM-gone: acknowledged, not stored"]


def test_a_reply_the_carrier_never_received_is_a_fault(rt: Runtime, sent: Carrier) -> None:
    del sent.accepted[last_attempt(rt)]
    assert len(judge(rt, sent).lost) == 1


def test_a_reply_the_carrier_received_twice_is_a_fault(rt: Runtime, sent: Carrier) -> None:
    sent.accepted[last_attempt(rt)] += 1
    assert len(judge(rt, sent).doubled) == 1


def test_either_of_two_equal_replies_may_be_the_one_sent(rt: Runtime, clock: Clock) -> None:
    """Nobody could tell: their phone has the text as often as it asked."""
    carrier = Carrier(seed=1)
    for sid in ("SM-one", "SM-other"):
        clock.moves(minutes=3)
        assert responder.respond(rt, IncomingSms("simulator", sid, P1, "2757", "KONTAK"))
        carrier.acknowledged.add(sid)
        with rt.writing() as tx:
            (claim,) = leases.claim(tx, "simulator", "2757", 1)
            leases.record(tx, [leases.SendResult(claim, carrier_ref=sid)])
    carrier.accepted[claim.sms.attempt_id] += 2
    assert (judge(rt, carrier).lost, judge(rt, carrier).doubled) == ([], [])
    carrier.accepted[claim.sms.attempt_id] += 1
    assert len(judge(rt, carrier).doubled) == 1


def test_a_message_answered_twice_is_a_fault(rt: Runtime, sent: Carrier) -> None:
    with rt.writing() as tx:
        first, second = tx.connection.execute(select(messages.c.id)).scalars()
        moved = update(replies).where(replies.c.message_id == first)
        tx.connection.execute(moved.values(message_id=second))
    assert len(judge(rt, sent).doubled) == 2  # one with none, one with two


@pytest.mark.parametrize("state", ["received", "failed"])
def test_a_message_without_a_reply_is_a_fault(rt: Runtime, sent: Carrier, state: str) -> None:
    with rt.writing() as tx:
        tx.connection.execute(update(messages).values(state=state))
    assert len(judge(rt, sent).lost) == 2
    assert is_settled(rt, Damage()) is (state == "failed")
