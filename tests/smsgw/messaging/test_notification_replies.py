"""What an operator or a phone stops is not sent, whatever a worker has claimed of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Event, Thread

import pytest
from sqlalchemy import event, select, update

from handlers.changes import NotificationKind
from smsgw.backoffice import notifications
from smsgw.carriers.carrier import Ending, OutgoingSms, SendError
from smsgw.carriers.simulator import Simulator
from smsgw.messaging import delivery_reports, dispatch, leases, notification_replies, send_gate
from smsgw.messaging.leases import Lease, SendResult
from smsgw.messaging.send_gate import Claim
from smsgw.notifications import cycle, events, runs
from smsgw.notifications.cycle import Cycle
from smsgw.notifications.events import NewEvent
from smsgw.registry import phone_state, subscriptions
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.messages import Priority, replies
from smsgw.storage.tables.phones import bindings
from tests.conftest import P1, Clock, on_sqlite
from tests.support.bound_phones import bind_many, nkp, number
from tests.support.conversation import say
from tests.support.notified import send, set_total, states, switch_on
from tests.support.sender_ids import SENDER_ID, with_carrier
from tests.support.waiting import eventually

BALANCE, CLAIM, ANI = NotificationKind.BALANCE, NotificationKind.CLAIM, "operator:ani"
MANY = dispatch.AHEAD  # as many as a worker claims at most


@dataclass
class Slow(Simulator):
    """Takes an SMS, and does not answer before it is told to."""

    taken: list[OutgoingSms] = field(default_factory=list)
    goes_on: Event = field(default_factory=Event)

    def send(self, sms: OutgoingSms) -> str:
        self.taken.append(sms)
        assert self.goes_on.wait(60)
        return super().send(sms)


def in_outbox(rt: Runtime, clock: Clock, many: int) -> Runtime:
    """Puts notifications to so many phones into the outbox."""
    bind_many(rt, many)
    with rt.writing() as tx:
        for index in range(many):
            known = phone_state.read(tx, number(index))
            subscriptions.add(tx, known.phone_id, number(index), [BALANCE], "in a test")
    switch_on(rt, BALANCE)
    cycle.run_due(rt)
    for index in range(many):
        set_total(rt, nkp(index), 5)
    clock.moves(hours=1)
    fast = replace(rt, settings=rt.settings.model_copy(update={"notification_rate": 500}))
    assert cycle.run_due(fast) == many
    return rt


def claim(rt: Runtime) -> list[Lease]:
    with rt.writing() as tx:
        return leases.claim(tx, "simulator", SENDER_ID, 100)


def settle(rt: Runtime, results: Sequence[SendResult]) -> list[str]:
    """Records how sends ended; returns where the notifications are then."""
    with rt.writing() as tx:
        leases.record(tx, results)
    with rt.writing() as tx:
        delivery_reports.drop_stale(tx)
    Cycle(rt).step()
    return states(rt)


def run_id(rt: Runtime) -> int:
    with rt.reading() as tx:
        return runs.latest(tx, BALANCE, 1)[0].id


def go(rt: Runtime) -> None:
    say(rt, number(0), "GANTI HP")


STOPS: dict[str, tuple[Callable[[Runtime], object], str]] = {
    "pause": (lambda rt: notifications.pause(rt, BALANCE, ANI), "planned"),
    "stop": (lambda rt: notifications.stop(rt, BALANCE, ANI), "stopped"),
    "stop all": (lambda rt: notifications.stop_all(rt, ANI), "stopped"),
    "stop the run": (lambda rt: notifications.stop_run(rt, run_id(rt), ANI), "stopped"),
    "STOP": (lambda rt: say(rt, number(0), "STOP"), "ended"),
    "NOTIF OFF": (lambda rt: say(rt, number(0), "NOTIF OFF"), "ended"),
    "NOTIF SALDO OFF": (lambda rt: say(rt, number(0), "NOTIF SALDO OFF"), "ended"),
    "GANTI HP": (go, "ended"),
}


@pytest.mark.parametrize("how", STOPS)
def test_what_a_worker_holds_and_did_not_send_at_once_is_not_sent(
    rt: Runtime, clock: Clock, how: str
) -> None:
    in_outbox(rt, clock, 1)
    (held,) = claim(rt)
    stop, ends = STOPS[how]
    stop(rt)
    before = Claim([held], has_more=False, at=time.monotonic() - send_gate.FRESH)
    carrier = Slow()
    result = dispatch.send_lease(with_carrier(rt, carrier), "simulator", held, before)
    assert carrier.taken == []
    assert result.error is not None
    assert settle(rt, [result]) == [ends]


@pytest.mark.parametrize("how", STOPS)
def test_what_a_carrier_gave_back_is_not_tried_again(rt: Runtime, clock: Clock, how: str) -> None:
    in_outbox(rt, clock, 1)
    (held,) = claim(rt)
    stop, ends = STOPS[how]
    stop(rt)
    with rt.writing() as tx:
        leases.record(tx, [SendResult(held, error=SendError(Ending.RETRY, "429"))])
    clock.moves(minutes=10)
    assert [each for each in claim(rt) if each.is_notification] == []
    assert settle(rt, []) == [ends]


def test_what_was_paused_leaves_later(rt: Runtime, clock: Clock) -> None:
    in_outbox(rt, clock, 1)
    (held,) = claim(rt)
    notifications.pause(rt, BALANCE, ANI)
    assert settle(rt, [SendResult(held, error=SendError(Ending.RETRY, "429"))]) == ["planned"]
    notifications.resume(rt, BALANCE, ANI)
    clock.moves(minutes=1)
    assert cycle.run_due(rt) == 1
    send(rt)
    clock.moves(minutes=1)
    cycle.run_due(rt)
    assert states(rt) == ["sent"]


@on_sqlite
def test_nothing_more_leaves_than_what_is_being_sent(rt: Runtime, clock: Clock) -> None:
    """The carrier takes long: what waits behind it in the worker is asked for again."""
    in_outbox(rt, clock, MANY)
    carrier = Slow()
    slow = with_carrier(rt, carrier)
    worker = Thread(target=dispatch.drain, args=(slow, "simulator", SENDER_ID))
    worker.start()
    eventually(lambda: len(carrier.taken) == dispatch.SENDERS)
    notifications.stop(rt, BALANCE, ANI)
    time.sleep(send_gate.FRESH)
    carrier.goes_on.set()
    worker.join()
    assert len(carrier.taken) == dispatch.SENDERS
    assert settle(rt, []).count("stopped") == MANY - dispatch.SENDERS


def test_an_answer_is_not_asked_for_again(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    (held,) = claim(rt)
    statements: list[object] = []
    event.listen(rt.service, "before_cursor_execute", lambda *given: statements.append(given[2]))
    before = Claim([held], has_more=False, at=time.monotonic() - send_gate.FRESH)
    assert dispatch.send_lease(rt, "simulator", held, before).error is None
    assert statements == []


def test_what_is_being_sent_counts_as_on_its_way(rt: Runtime, clock: Clock) -> None:
    """A slow carrier has no more of them in hand than may leave in a second."""
    in_outbox(rt, clock, 3)
    claim(rt)
    with rt.reading() as tx:
        assert notification_replies.on_their_way(tx) == 3


def outbox(rt: Runtime) -> list[tuple[str, str | None]]:
    """Returns the state and the code of each notification in the outbox."""
    with rt.reading() as tx:
        found = select(replies.c.state, replies.c.code).order_by(replies.c.id)
        rows = tx.connection.execute(found.where(replies.c.priority == Priority.NOTIFICATION))
        return [(row.state, row.code) for row in rows]


def test_what_waits_in_the_outbox_is_taken_back_at_once(rt: Runtime, clock: Clock) -> None:
    in_outbox(rt, clock, 2)
    notifications.stop(rt, BALANCE, ANI)
    assert outbox(rt) == [("refused", "withdrawn")] * 2
    assert claim(rt) == []


def test_what_may_have_been_sent_is_not_taken_back(rt: Runtime, clock: Clock) -> None:
    """It is settled by what the carrier tells of it."""
    in_outbox(rt, clock, 1)
    (held,) = claim(rt)
    with rt.writing() as tx:
        leases.record(tx, [SendResult(held, error=SendError(Ending.UNKNOWN, "timeout"))])
        before = tx.connection.execute(select(replies.c.expires_at)).all()
    notifications.stop(rt, BALANCE, ANI)
    with rt.reading() as tx:
        assert tx.connection.execute(select(replies.c.expires_at)).all() == before
    assert outbox(rt) == [("unknown", "timeout")]


def test_other_kinds_and_phones_are_left_alone(rt: Runtime, clock: Clock) -> None:
    in_outbox(rt, clock, 2)
    with rt.writing() as tx:
        for index in range(2):
            known = phone_state.read(tx, number(index))
            subscriptions.add(tx, known.phone_id, number(index), [CLAIM], "in a test")
        run = runs.start(tx, CLAIM, ANI)
        about = (tx.vault.hash(nkp(1), "nkp"), known.phone_id, known.binding_ids[nkp(1)])
        until = tx.now + timedelta(days=1)
        events.add(tx, run.id, CLAIM, [NewEvent("2025-10-31", *about, None, tx.now, until)])
    notifications.stop(rt, CLAIM, ANI)
    say(rt, number(0), "NOTIF SALDO OFF")
    held = [each for each in claim(rt) if each.is_notification]
    assert [each.sms.recipient for each in held] == [number(1)]
    with rt.reading() as tx:
        assert notification_replies.refusal(tx, held[0].reply_id) is None


@pytest.mark.parametrize(
    ("how", "code"), [("GANTI HP", "not needed"), ("STOP", "not needed"), ("stop", "withdrawn")]
)
def test_a_refusal_says_why(rt: Runtime, clock: Clock, how: str, code: str) -> None:
    in_outbox(rt, clock, 1)
    (held,) = claim(rt)
    STOPS[how][0](rt)
    with rt.reading() as tx:
        assert notification_replies.refusal(tx, held.reply_id) == code


def test_a_binding_that_ended_refuses_though_the_phone_has_another(
    rt: Runtime, clock: Clock
) -> None:
    in_outbox(rt, clock, 2)
    held = claim(rt)
    with rt.service.begin() as connection:
        own = update(bindings).where(bindings.c.nkp_hash == rt.vault.hash(nkp(0), "nkp"))
        connection.execute(own.values(ended_at=clock.now))
    with rt.reading() as tx:
        codes = [notification_replies.refusal(tx, each.reply_id) for each in held]
    assert codes == ["unbound", None]


def test_a_database_that_is_away_delays_what_would_be_asked_for_again(
    rt: Runtime, clock: Clock
) -> None:
    in_outbox(rt, clock, 1)
    (held,) = claim(rt)
    away = replace(rt, service=engines.engine("sqlite:////nonexistent/service.db"))
    before = Claim([held], has_more=False, at=time.monotonic() - send_gate.FRESH)
    error = dispatch.send_lease(away, "simulator", held, before).error
    assert error is not None
    assert (error.ending, error.code) == (Ending.RETRY, "database away")


def test_notifications_wait_for_answers_that_are_due(rt: Runtime, clock: Clock) -> None:
    def must_wait() -> bool:
        with rt.reading() as tx:
            return notification_replies.must_wait(tx, "simulator", SENDER_ID)

    in_outbox(rt, clock, 1)
    assert not must_wait()  # they do not wait for each other
    say(rt, P1, "SALDO")
    assert must_wait()
    with rt.reading() as tx:
        assert not notification_replies.must_wait(tx, "simulator", "another")
        assert not notification_replies.must_wait(tx, "twilio", SENDER_ID)
    clock.moves(days=2)  # it is of no use any more
    assert not must_wait()
