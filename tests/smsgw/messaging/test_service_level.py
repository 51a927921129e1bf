"""The service level counts what people asked for, from the receipt of their message."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select, update

from smsgw import responder
from smsgw.backoffice import casework
from smsgw.carriers.carrier import Delivery, Ending, IncomingSms, OutgoingSms, Report
from smsgw.messaging import delivery_reports, dispatch, service_level
from smsgw.messaging.hourly_counts import Tallies
from smsgw.messaging.service_level import ServiceLevel, Week
from smsgw.operations import dashboard, jobs
from smsgw.operations.clock import sweep
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import attempts, messages, replies
from tests.conftest import P1, P2, STRANGER, Clock
from tests.support.conversation import say, with_ledger_down
from tests.support.sender_ids import SENDER_ID, Failing, with_carrier


def send(rt: Runtime, clock: Clock, *endings: Ending, after: float = 0) -> None:
    clock.moves(seconds=after)
    dispatch.drain(with_carrier(rt, Failing(*endings)), "simulator", SENDER_ID)


def week(rt: Runtime) -> Week:
    """Counts what is to be counted, and reads the sums."""
    counting = Tallies(rt)
    while counting.step():
        pass
    with rt.reading() as tx:
        return service_level.week(tx, rt.settings.zone)


def today(rt: Runtime) -> tuple[int, ...]:
    """Returns answers, and those within 5 and 10 seconds."""
    level = week(rt).of_today()
    return (level.answers, *level.within)


@pytest.mark.parametrize(
    ("seconds", "within"),
    [(0, (1, 1)), (5, (1, 1)), (5.001, (0, 1)), (10, (0, 1)), (10.001, (0, 0)), (3600, (0, 0))],
)
def test_an_answer_is_timed_from_the_receipt_of_its_message(
    rt: Runtime, clock: Clock, seconds: float, within: tuple[int, int]
) -> None:
    say(rt, P1, "SALDO")
    send(rt, clock, after=seconds)
    clock.moves(seconds=10)
    assert today(rt) == (1, *within)


def test_an_answer_counts_when_its_message_is_ten_seconds_old(rt: Runtime, clock: Clock) -> None:
    """If fast answers counted at once and slow ones later, the level would look too good."""
    say(rt, P1, "SALDO")
    send(rt, clock)
    say(rt, STRANGER, "SALDO")
    clock.moves(seconds=9.999)
    assert week(rt).days == {}
    clock.moves(seconds=0.001)
    assert today(rt) == (2, 1, 1)


def test_without_messages_there_is_no_result(rt: Runtime) -> None:
    level = week(rt).of_today()
    assert (level, level.results) == (ServiceLevel(), [])
    with rt.reading() as tx:
        assert service_level.totals(tx) == {}
        assert service_level.are_most_answered(tx)


def test_messages_without_a_reply_do_not_count(rt: Runtime, clock: Clock) -> None:
    for _ in range(2):
        say(rt, P1, "SALDO")  # the second is a repeat
    say(rt, "BANK", "SALDO")
    send(rt, clock)
    clock.moves(minutes=1)
    assert today(rt) == (1, 1, 1)


@pytest.mark.parametrize("ending", [Ending.REFUSED, Ending.UNKNOWN, Ending.RETRY])
def test_an_answer_that_was_not_accepted_is_late(rt: Runtime, clock: Clock, ending: Ending) -> None:
    say(rt, P1, "SALDO")
    send(rt, clock, ending, after=1)
    clock.moves(seconds=9)
    assert today(rt) == (1, 0, 0)


def test_an_expired_answer_is_late(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    clock.moves(hours=3)
    sweep(rt)
    with rt.reading() as tx:
        states = select(replies.c.state).order_by(replies.c.id)
        assert tx.connection.execute(states).scalars().all() == ["expired", "queued"]
    assert today(rt) == (1, 0, 0)


def test_a_retry_within_the_time_is_not_late(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    send(rt, clock, Ending.RETRY, after=1)
    send(rt, clock, after=3)
    clock.moves(seconds=10)
    assert today(rt) == (1, 1, 1)


def test_a_report_settles_an_unknown_send_when_it_arrives(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    send(rt, clock, Ending.UNKNOWN, after=1)
    clock.moves(seconds=6)
    with rt.writing() as tx:
        attempt = tx.connection.execute(select(attempts.c.id)).scalar_one()
        delivery_reports.apply_report(tx, Report("simulator", attempt, Delivery.DELIVERED))
    clock.moves(seconds=3)
    assert today(rt) == (1, 0, 1)


def test_a_deferred_answer_counts_from_the_receipt(rt: Runtime, clock: Clock) -> None:
    """The notice that it has to wait, which left at once, is not an answer."""
    say(with_ledger_down(rt), P2, "SALDO 20098765432")
    send(rt, clock)
    clock.moves(seconds=10)
    assert today(rt) == (1, 0, 0)
    clock.moves(hours=30)
    jobs.give_deferred_answers(rt)
    send(rt, clock)
    assert (week(rt).of_today().answers, week(rt).of_all_days().answers) == (0, 1)
    assert week(rt).of_all_days().within == (0, 0)


def test_a_deferred_answer_can_be_in_time(rt: Runtime, clock: Clock) -> None:
    say(with_ledger_down(rt), P2, "SALDO 20098765432")
    send(rt, clock)
    clock.moves(seconds=7)
    jobs.give_deferred_answers(rt)
    send(rt, clock)
    clock.moves(seconds=3)
    assert today(rt) == (1, 0, 1)


def test_an_answer_that_failed_is_late(rt: Runtime, clock: Clock) -> None:
    say(with_ledger_down(rt), P2, "SALDO 20098765432")
    send(rt, clock)
    with rt.writing() as tx:
        tx.connection.execute(update(messages).values(state="failed"))
    clock.moves(seconds=10)
    assert today(rt) == (1, 0, 0)


def test_notices_to_other_phones_do_not_count(rt: Runtime, clock: Clock) -> None:
    """The code of a registration goes to the number on file."""
    answer = say(rt, STRANGER, "DAFTAR SALDO#3273055010920000#SITI AMINAH#10-10-1992#20098765432")
    assert [each.recipient for each in answer.also] == [P2]
    send(rt, clock)
    clock.moves(seconds=10)
    assert today(rt) == (1, 1, 1)


def test_what_an_officer_sends_later_does_not_count(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "LAPOR gaji saya belum dibayar")
    send(rt, clock)
    clock.moves(minutes=90)
    casework.answer(rt, "ADU-251031-0001", "Sudah.", "operator:ani", after=0, closes=True)
    send(rt, clock)
    assert today(rt) == (1, 1, 1)


def test_days_begin_at_midnight_of_the_scheme(rt: Runtime, clock: Clock) -> None:
    clock.now = datetime(2025, 10, 31, 16, 59, 55, tzinfo=UTC)
    say(rt, P1, "SALDO")
    send(rt, clock)
    say(rt, P2, "SALDO")
    send(rt, clock, after=6)
    clock.moves(seconds=20)
    found = week(rt)
    assert found.days == {(date(2025, 10, 31), "simulator"): ServiceLevel(2, (1, 2))}
    assert (found.today, found.of_today()) == (date(2025, 11, 1), ServiceLevel())
    clock.moves(days=6)
    assert week(rt).of_all_days().answers == 0
    clock.moves(seconds=-60)
    assert week(rt).of_all_days().answers == 2


def test_each_carrier_has_a_level_of_its_own(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    responder.respond(rt, IncomingSms("kannel", "1", P2, SENDER_ID, "SALDO"))
    send(rt, clock)
    clock.moves(seconds=10)
    found = week(rt)
    assert found.carriers == ["kannel", "simulator"]
    assert found.of_today("kannel") == ServiceLevel(1, (0, 0))
    assert found.of_today("simulator") == found.of_all_days("simulator") == ServiceLevel(1, (1, 1))
    assert found.of_today() == found.of_all_days() == ServiceLevel(2, (1, 1))
    with rt.reading() as tx:
        assert service_level.totals(tx) == {each: found.of_today(each) for each in found.carriers}


@pytest.mark.parametrize(
    ("within", "percents", "are_met"),
    [
        ((95_000, 99_000), [95.0, 99.0], [True, True]),
        ((94_999, 98_999), [94.9, 98.9], [False, False]),
        ((99_999, 99_999), [99.9, 99.9], [True, True]),
        ((100_000, 100_000), [100.0, 100.0], [True, True]),
        ((0, 0), [0.0, 0.0], [False, False]),
    ],
)
def test_percentages_are_rounded_down(
    within: tuple[int, int], percents: list[float], are_met: list[bool]
) -> None:
    """What is shown as 95% has met a goal of 95%."""
    results = ServiceLevel(100_000, within).results
    assert [each.goal for each in results] == list(service_level.GOALS)
    assert [each.percent for each in results] == percents
    assert [each.is_met for each in results] == are_met


class SettingBack(Failing):
    """Takes so long that the clock is set back meanwhile."""

    def __init__(self, clock: Clock, *endings: Ending) -> None:
        super().__init__(*endings)
        self._clock = clock

    def send(self, sms: OutgoingSms) -> str:
        self._clock.moves(minutes=-10)
        return super().send(sms)


@pytest.mark.parametrize("endings", [(), (Ending.UNKNOWN,)])
def test_no_wait_is_negative_after_the_clock_was_set_back(
    rt: Runtime, clock: Clock, endings: tuple[Ending, ...]
) -> None:
    """Neither if the carrier accepts the reply at once, nor if a report says so later."""
    say(rt, P1, "SALDO")
    dispatch.drain(with_carrier(rt, SettingBack(clock, *endings)), "simulator", SENDER_ID)
    with rt.writing() as tx:
        attempt = tx.connection.execute(select(attempts.c.id)).scalar_one()
        delivery_reports.apply_report(tx, Report("simulator", attempt, Delivery.DELIVERED))
        assert tx.connection.execute(select(replies.c.waited)).scalar_one() == 0


def test_counting_goes_on_after_the_clock_was_set_back(rt: Runtime, clock: Clock) -> None:
    """Hours to come that were counted are counted again when they run."""
    say(rt, P1, "SALDO")
    send(rt, clock)
    clock.moves(seconds=10)
    assert today(rt) == (1, 1, 1)
    clock.moves(hours=-3)
    say(rt, P2, "SALDO")
    clock.moves(seconds=10)
    assert today(rt) == (1, 0, 0)
    assert dashboard.overview(rt).hours[-1].total == 1
    clock.moves(hours=3)
    assert today(rt) == (2, 1, 1)


def test_people_are_answered_if_at_least_half_of_the_newest_answers_were_accepted(
    rt: Runtime, clock: Clock
) -> None:
    say(rt, P1, "SALDO")
    send(rt, clock)
    say(rt, P2, "SALDO")
    clock.moves(seconds=10)
    assert are_most_answered(rt)  # one of two
    say(rt, STRANGER, "SALDO")
    assert are_most_answered(rt)  # the third has time yet
    clock.moves(seconds=10)
    assert not are_most_answered(rt)  # one of three
    send(rt, clock, Ending.REFUSED)
    assert are_most_answered(rt)  # two of three, however late
    clock.moves(minutes=11)
    say(rt, P2, "SALDO")
    clock.moves(seconds=10)
    assert not are_most_answered(rt)  # none of one; earlier ones do not matter
    clock.moves(minutes=11)
    assert are_most_answered(rt)  # nobody asked lately


def are_most_answered(rt: Runtime) -> bool:
    with rt.reading() as tx:
        return service_level.are_most_answered(tx)
