"""Checks that a reply is resent only to a phone that may be told the same today."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from smsgw.backoffice import resend as resending
from smsgw.backoffice.resend import NotResent, ResendRefusal
from smsgw.messaging import dispatch
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.phones import bindings
from smsgw.storage.tables.security import Ciphertext, audit
from tests.conftest import P1, P1_NKP, P2, STRANGER, Clock
from tests.support import ciphertext
from tests.support.conversation import say, set_number_on_file
from tests.support.registration import DAFTAR

ANI = "operator:ani"


@pytest.fixture
def sent(rt: Runtime) -> Runtime:
    """Sends P1's balance, which the carrier accepts."""
    say(rt, P1, "SALDO")
    dispatch.drain(rt, "simulator", "2757")
    return rt


def resend(rt: Runtime, reply_id: int = 1) -> None:
    resending.resend(rt, reply_id, ANI, "says it never came")


def refusal(rt: Runtime, reply_id: int = 1) -> str:
    with pytest.raises(NotResent) as refused:
        resend(rt, reply_id)
    return str(refused.value)


def states(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        return list(tx.connection.execute(select(replies.c.state).order_by(replies.c.id)).scalars())


def test_a_resend_is_a_reply_of_its_own(sent: Runtime) -> None:
    resend(sent)
    assert states(sent) == ["sent", "queued"]
    dispatch.drain(sent, "simulator", "2757")
    assert states(sent) == ["sent", "sent"]
    with sent.reading() as tx:
        said = ciphertext.texts(tx, Ciphertext.REPLY)
        noted = tx.connection.execute(select(audit).where(audit.c.act == "resent")).one()
        assert said[0] == said[1]
        assert noted.subject == tx.vault.hash(P1_NKP, "nkp")
    assert (noted.actor, noted.detail) == (ANI, "reply 1: says it never came")


def test_a_reply_is_not_resent_twice_at_once(sent: Runtime) -> None:
    resend(sent)
    assert refusal(sent) == ResendRefusal.ON_ITS_WAY
    assert refusal(sent, 2) == ResendRefusal.ON_ITS_WAY
    assert states(sent) == ["sent", "queued"]


def test_an_unknown_send_is_resumed(sent: Runtime) -> None:
    with sent.writing() as tx:
        tx.connection.execute(update(replies).values(state="unknown"))
    resend(sent)
    assert states(sent) == ["queued"]


def stop(rt: Runtime, clock: Clock) -> None:
    clock.moves(minutes=3)
    say(rt, P1, "STOP")


def unbind(rt: Runtime, clock: Clock) -> None:
    with rt.writing() as tx:
        tx.connection.execute(update(bindings).values(ended_at=clock.now))


def lapse(rt: Runtime, clock: Clock) -> None:
    with rt.writing() as tx:
        tx.connection.execute(update(bindings).values(used_at=clock.now.replace(year=2024)))


def change_number(rt: Runtime, _clock: Clock) -> None:
    set_number_on_file(rt, P1_NKP, "+6281200000000")


def destroy(rt: Runtime, _clock: Clock) -> None:
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(text=None))


def grow_old(_rt: Runtime, clock: Clock) -> None:
    clock.moves(days=8)


def lose_carrier(rt: Runtime, _clock: Clock) -> None:
    with rt.writing() as tx:
        tx.connection.execute(update(replies).values(carrier="twilio"))


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (stop, ResendRefusal.STOPPED),
        (unbind, ResendRefusal.UNBOUND),
        (lapse, ResendRefusal.UNBOUND),
        (destroy, ResendRefusal.GONE),
        (grow_old, ResendRefusal.OLD),
        (lose_carrier, ResendRefusal.NO_CARRIER),
    ],
)
def test_a_disclosure_is_not_resent_without_its_binding(
    sent: Runtime, clock: Clock, happens: Callable[[Runtime, Clock], None], why: ResendRefusal
) -> None:
    happens(sent, clock)
    before = states(sent)
    assert refusal(sent) == why
    assert states(sent) == before


def test_a_changed_number_on_file_prevents_a_resend(rt: Runtime) -> None:
    say(rt, P2, "SALDO 20098765432")
    say(rt, P2, "YA")
    dispatch.drain(rt, "simulator", "2757")
    resend(rt, 2)
    dispatch.drain(rt, "simulator", "2757")
    set_number_on_file(rt, "20098765432", "+6281200000000")
    assert refusal(rt, 2) == ResendRefusal.NUMBER_CHANGED


def test_a_code_is_not_resent(rt: Runtime) -> None:
    """It would count neither as one of the day's, nor be valid for long."""
    say(rt, STRANGER, DAFTAR)
    dispatch.drain(rt, "simulator", "2757")
    with rt.reading() as tx:
        is_code = replies.c.wording == "disclosure.code"
        code = tx.connection.execute(select(replies.c.id).where(is_code)).scalar_one()
    assert refusal(rt, code) == ResendRefusal.A_CODE
    assert refusal(rt, 99) == ResendRefusal.NOT_THERE


def test_a_resend_counts_for_the_daily_budget(sent: Runtime, environ: dict[str, str]) -> None:
    from smsgw import runtime, settings

    limited = runtime.build(settings.load(environ | {"SMSGW_DAILY_SEGMENTS": "100"}), now=sent.now)
    today = limited.now().astimezone(limited.settings.zone).date()
    before = limited.counters.spent(today)
    resend(limited)
    assert limited.counters.spent(today) == before + 1
    limited.close()
