"""Sums by the hour tell what the rows tell."""

from datetime import timedelta

from sqlalchemy import func, select, update

from smsgw.messaging import hourly_counts
from smsgw.messaging.hourly_counts import Tallies
from smsgw.operations import dashboard, jobs
from smsgw.runtime import Runtime
from smsgw.storage.tables.counts import reply_tallies
from smsgw.storage.tables.counts import tallies as table
from smsgw.storage.tables.messages import messages, replies
from tests.conftest import P1, P2, STRANGER, Clock
from tests.support.conversation import say, with_ledger_down
from tests.support.sender_ids import receive


def sums(rt: Runtime) -> dict[tuple[str, str, str], int]:
    with rt.reading() as tx:
        by = (table.c.keyword, table.c.outcome, table.c.reason)
        found = select(*by, func.sum(table.c.messages)).where(table.c.carrier != "").group_by(*by)
        return {row[:3]: row[3] for row in tx.connection.execute(found)}


def test_every_message_is_counted_once(rt: Runtime, clock: Clock) -> None:
    counting = Tallies(rt)
    for _ in range(5):
        say(rt, P1, "SALDO")
        say(rt, STRANGER, "apa kabar pak")
        clock.moves(minutes=37)
        counting.step()
    with rt.reading() as tx:
        by = (messages.c.keyword, messages.c.outcome, messages.c.reason)
        counted = tx.connection.execute(select(*by, func.count()).group_by(*by))
        assert sums(rt) == {(row[0] or "", row[1], row[2] or ""): row[3] for row in counted}
    assert sum(sums(rt).values()) == 10


def test_a_deferred_answer_counts_in_the_hour_of_its_message(rt: Runtime, clock: Clock) -> None:
    say(with_ledger_down(rt), P2, "SALDO 20098765432")
    Tallies(rt).step()
    assert sums(rt) == {("saldo", "unavailable", ""): 1}
    clock.moves(hours=30)
    Tallies(rt).step()
    jobs.give_deferred_answers(rt)
    Tallies(rt).step()
    assert sums(rt) == {("saldo", "confirm", ""): 1}


def test_what_comes_an_hour_and_a_half_later_is_counted(rt: Runtime, clock: Clock) -> None:
    """By then its hour is not counted any more unless it is marked."""
    clock.now = clock.now.replace(minute=59)
    counting = Tallies(rt)
    say(with_ledger_down(rt), P2, "SALDO 20098765432")
    counting.step()
    clock.moves(minutes=91)
    counting.step()
    jobs.give_deferred_answers(rt)
    clock.moves(minutes=3)
    counting.step()
    assert sums(rt) == {("saldo", "confirm", ""): 1}


def test_the_hour_before_is_counted_every_two_minutes(rt: Runtime, clock: Clock) -> None:
    """And once more when it has just become the one before."""
    clock.now = clock.now.replace(minute=59, second=50)
    counting = Tallies(rt)
    say(rt, P1, "SALDO")
    assert counting.step() == 1
    clock.moves(seconds=15)
    assert counting.step() == 3
    clock.moves(seconds=15)
    assert counting.step() == 1
    clock.moves(minutes=2)
    assert counting.step() == 2


def test_an_answer_without_an_open_question_counts_as_understood(rt: Runtime) -> None:
    """Somebody sends HAPUS DATA, then YA by habit."""
    for text in ("YA", "TIDAK", "apa saja"):
        say(rt, STRANGER, text)
    Tallies(rt).step()
    overview = dashboard.overview(rt)
    for span in (overview.today, overview.hours[-1]):
        assert span.counts == {"answered": 2, "unknown": 1}
    assert sums(rt) == {
        ("ya", "unknown", ""): 1,
        ("tidak", "unknown", ""): 1,
        ("", "unknown", ""): 1,
    }


def test_uncounted_years_are_counted_later(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    clock.moves(days=10)
    say(rt, P1, "IURAN")
    counting, steps = Tallies(rt), 0
    while counting.step():
        steps += 1
        assert steps < 10
    assert sum(sums(rt).values()) == 2


def test_replies_are_counted_by_waiting_time(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 3)
    with rt.writing() as tx:
        for number, waited in enumerate((0.05, 0.4, 90_000.0), 1):
            row = update(replies).where(replies.c.id == number).values(waited=waited)
            tx.connection.execute(row)
    Tallies(rt).step()
    with rt.reading() as tx:
        rows = tx.connection.execute(select(reply_tallies).order_by(reply_tallies.c.bucket)).all()
    assert [(row.bucket, row.replies) for row in rows] == [(0, 1), (2, 1), (12, 1)]
    assert sum(row.segments for row in rows) == 3


def test_nothing_is_counted_twice_a_minute(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    counting = Tallies(rt)
    assert counting.step() > 0
    assert counting.step() == 0
    clock.moves(seconds=61)
    assert counting.step() > 0


def test_each_hour_has_exact_limits(rt: Runtime, clock: Clock) -> None:
    say(rt, P1, "SALDO")
    edge = hourly_counts.hour_of(clock.now)
    with rt.writing() as tx:
        tx.connection.execute(update(messages).values(received_at=edge))
        hourly_counts.count(tx, edge)
        hourly_counts.count(tx, edge - timedelta(hours=1))
    assert sum(sums(rt).values()) == 1
