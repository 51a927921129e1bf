"""A phone whose answer expired is told once, after everything that people asked for."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from smsgw.messaging import delivery_reports, expiry_notices, leases, service_level
from smsgw.messaging.hourly_counts import Tallies
from smsgw.operations.clock import sweep
from smsgw.runtime import Runtime
from smsgw.storage.clock_check import ClockCheck, machine_now
from smsgw.storage.tables.messages import replies
from tests.conftest import P1, STRANGER, Clock
from tests.support.conversation import say
from tests.support.query_plans import plans
from tests.support.sender_ids import SENDER_ID
from tests.support.waiting import LONGEST

SWEEP = 5.0  # seconds


def number(index: int) -> str:
    return f"+62812345{index:05}"


def expire(rt: Runtime, clock: Clock, *senders: str) -> None:
    """Lets an answer to each phone expire."""
    for sender in senders:
        say(rt, sender, "KONTAK")
    clock.moves(hours=2)
    with rt.writing() as tx:
        assert len(delivery_reports.drop_stale(tx)) == len(senders)


def notices(rt: Runtime) -> list[str]:
    """Returns the states of all notices."""
    with rt.reading() as tx:
        found = select(replies.c.state).where(replies.c.wording == expiry_notices.WORDING)
        return list(tx.connection.execute(found.order_by(replies.c.id)).scalars())


def taken(rt: Runtime, limit: int = 100) -> list[str]:
    """Claims what is due; returns to whom it goes."""
    with rt.writing() as tx:
        claimed = leases.claim(tx, "simulator", SENDER_ID, limit)
    return [each.sms.recipient for each in claimed]


def with_settings(rt: Runtime, **changed: object) -> Runtime:
    return replace(rt, settings=rt.settings.model_copy(update=changed))


def test_a_notice_leaves_after_what_people_asked_for(rt: Runtime, clock: Clock) -> None:
    expire(rt, clock, P1)
    assert expiry_notices.queue(rt, SWEEP) == 1
    say(rt, STRANGER, "KONTAK")
    assert taken(rt, 1) == [STRANGER]
    assert taken(rt, 1) == [P1]


def test_a_notice_is_of_use_for_an_hour(rt: Runtime, clock: Clock) -> None:
    expire(rt, clock, P1)
    expiry_notices.queue(rt, SWEEP)
    clock.moves(minutes=59)
    with rt.writing() as tx:
        (lease,) = leases.claim(tx, "simulator", SENDER_ID, 1)
    assert (lease.sms.lasts, lease.age) == (timedelta(minutes=1), timedelta(minutes=59))


@pytest.mark.parametrize("text", ["STOP", "SALDO"])
def test_a_notice_is_not_sent_to_who_was_answered_or_said_stop(
    rt: Runtime, clock: Clock, text: str
) -> None:
    """It was queued before."""
    expire(rt, clock, P1, STRANGER)
    assert expiry_notices.queue(rt, SWEEP) == 2
    say(rt, P1, text)
    assert taken(rt) == [P1, STRANGER]
    assert notices(rt) == ["refused", "sending"]
    with rt.reading() as tx:
        code = select(replies.c.code).where(replies.c.state == "refused")
        assert tx.connection.execute(code).scalar_one() == "not needed"


def test_after_a_notice_that_was_not_needed_another_one_may_be(rt: Runtime, clock: Clock) -> None:
    expire(rt, clock, P1)
    expiry_notices.queue(rt, SWEEP)
    say(rt, P1, "SALDO")
    taken(rt, 1)
    taken(rt, 1)
    expire(rt, clock, P1)
    assert expiry_notices.queue(rt, SWEEP) == 1


def test_a_silent_message_does_not_count_as_an_answer(rt: Runtime, clock: Clock) -> None:
    expire(rt, clock, P1)
    assert say(rt, P1, "terima kasih").reply is None
    assert expiry_notices.queue(rt, SWEEP) == 1


def test_no_more_are_made_than_the_sender_id_may_send(rt: Runtime, clock: Clock) -> None:
    limited = with_settings(rt, sender_rates={SENDER_ID: 2.0})
    expire(limited, clock, *map(number, range(25)))
    assert expiry_notices.queue(limited, SWEEP) == 10
    assert expiry_notices.queue(limited, SWEEP) == 0  # those wait
    assert taken(limited) == [number(index) for index in range(10)]
    assert [expiry_notices.queue(limited, SWEEP), len(taken(limited))] == [10, 10]
    assert [expiry_notices.queue(limited, SWEEP), len(taken(limited))] == [5, 5]
    assert expiry_notices.queue(limited, SWEEP) == 0


def test_a_slow_sender_id_makes_one(rt: Runtime, clock: Clock) -> None:
    slow = with_settings(rt, sender_rates={SENDER_ID: 0.01})
    expire(slow, clock, number(1), number(2))
    assert expiry_notices.queue(slow, SWEEP) == 1


def test_many_expire_in_several_sweeps(rt: Runtime, clock: Clock) -> None:
    for index in range(7):
        say(rt, number(index), "KONTAK")
    clock.moves(hours=2)
    with rt.writing() as tx:
        expired = [len(delivery_reports.drop_stale(tx, limit=3)) for _ in range(4)]
    assert expired == [3, 3, 1, 0]


def test_nobody_is_told_when_the_day_s_budget_is_spent(rt: Runtime, clock: Clock) -> None:
    limited = with_settings(rt, daily_segments_by_code={"62": 1, "65": 100})
    expire(rt, clock, P1, "+6591234567")
    rt.counters.spend(rt.today, {"62": 1})
    assert (expiry_notices.queue(limited, SWEEP), taken(rt)) == (1, ["+6591234567"])
    assert rt.counters.spending(rt.today)["65"] == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_while_the_clock_is_wrong_nobody_is_told(rt: Runtime, clock: Clock) -> None:
    expire(rt, clock, P1)
    check = ClockCheck(rt.service, lambda: machine_now() + timedelta(days=1))
    sweep(replace(rt, clock_check=check))
    assert notices(rt) == []
    sweep(rt)
    assert notices(rt) == ["queued"]


def test_notices_are_not_in_the_service_level(rt: Runtime, clock: Clock) -> None:
    expire(rt, clock, P1)
    expiry_notices.queue(rt, SWEEP)
    clock.moves(minutes=1)
    counting = Tallies(rt)
    while counting.step():
        pass
    with rt.reading() as tx:
        (level,) = service_level.totals(tx).values()
    assert (level.answers, level.within) == (1, (0, 0))


def test_two_clocks_tell_each_phone_once(rt: Runtime, clock: Clock) -> None:
    expire(rt, clock, *map(number, range(20)))
    together = Barrier(2)

    def tell() -> int:
        together.wait(LONGEST)
        return expiry_notices.queue(rt, SWEEP)

    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(tell) for _ in range(2)]
        assert sum(each.result() for each in made) == 20
    with rt.reading() as tx:
        told = select(func.count(), func.count(replies.c.phone_id.distinct())).where(
            replies.c.wording == expiry_notices.WORDING
        )
        assert tuple(tx.connection.execute(told).one()) == (20, 20)


def test_what_is_to_be_told_is_found_by_an_index(rt: Runtime) -> None:
    with plans(rt) as lines:
        expiry_notices.queue(rt, SWEEP)
    # PostgreSQL names the index of a partition by its columns.
    names = ("ix_replies_notice_due", "replies_default_carrier_sender_id_id_idx")
    assert any(name in each for each in lines for name in names)
