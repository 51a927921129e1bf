"""Who asked is told what changed, once, and by the gate that answers pass."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update

from handlers.changes import NotificationKind
from smsgw.carriers.carrier import Delivery, Report
from smsgw.ledger import optional_views
from smsgw.ledger.csv_import import load
from smsgw.messaging import delivery_reports
from smsgw.notifications import cycle, events, kinds, runs
from smsgw.notifications.cycle import Cycle
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import attempts
from smsgw.storage.tables.notifications import notifications
from smsgw.storage.tables.security import audit
from tests.conftest import P1, P1_NKP, P2, P2_NKP, Clock, on_sqlite
from tests.support.conversation import say, set_number_on_file
from tests.support.notified import (
    send,
    set_total,
    states,
    subscribe_to_balance,
    switch_on,
    told,
)

BALANCE = NotificationKind.BALANCE


@pytest.fixture
def subscribed(rt: Runtime, clock: Clock) -> Runtime:
    """Lets P1 ask for news of the balance, which is looked at for the first time."""
    switch_on(rt)
    say(rt, P1, "NOTIF SALDO ON")
    send(rt)
    cycle.run_due(rt)
    clock.moves(hours=1)
    return rt


def changed(rt: Runtime, total: int = 130_000_000) -> Runtime:
    set_total(rt, P1_NKP, total)
    return rt


def test_a_changed_balance_is_told_once(subscribed: Runtime, clock: Clock) -> None:
    assert cycle.run_due(changed(subscribed)) == 1
    (sms,) = told(subscribed, P1)
    assert sms.startswith("Saldo JHT NKP *******5678 kini Rp130.000.000 per 30-09-2025.")
    for _ in range(3):
        send(subscribed)
        clock.moves(hours=1)
        assert cycle.run_due(subscribed) == 0
    assert states(subscribed) == ["sent"]


def test_what_became_of_each_is_learned_in_whichever_order_they_were_made(
    rt: Runtime, clock: Clock
) -> None:
    """Of two that are written at the same time, the one with the lower id may be the later one."""
    subscribe_to_balance(rt)
    clock.moves(hours=1)
    assert cycle.run_due(rt) == 2
    lowest = select(func.min(notifications.c.id)).scalar_subquery()
    with rt.writing() as tx:
        later = update(notifications).where(notifications.c.id == lowest)
        tx.connection.execute(later.values(made_at=tx.now + timedelta(milliseconds=1)))
    send(rt)
    Cycle(rt).step()
    assert states(rt) == ["sent", "sent"]


def test_nobody_is_told_who_did_not_ask(subscribed: Runtime, clock: Clock) -> None:
    set_total(subscribed, P2_NKP, 1)
    say(subscribed, P2, "SALDO 20098765432")
    say(subscribed, P2, "YA")
    send(subscribed)
    assert cycle.run_due(subscribed) == 0
    assert told(subscribed, P2) == []


def test_its_disclosure_is_in_the_audit(subscribed: Runtime) -> None:
    cycle.run_due(changed(subscribed))
    with subscribed.reading() as tx:
        disclosed = select(audit).where(audit.c.detail == "notification.balance")
        (row,) = tx.connection.execute(disclosed).all()
        assert (row.act, row.actor) == ("disclosed", "clock")
        assert row.subject == tx.vault.hash(P1_NKP, "nkp")


def test_it_is_no_use_of_the_binding(subscribed: Runtime, clock: Clock) -> None:
    """Told every month, the phone is still one that was not used for 60 days."""
    for total in (1, 2, 3):
        cycle.run_due(changed(subscribed, total))
        send(subscribed)
        clock.moves(days=31)
    assert [("Rp" in sms) for sms in told(subscribed, P1)] == [True, True, False]
    assert "ketik SALDO" in told(subscribed, P1)[-1]


@pytest.mark.parametrize(
    "texts", [("STOP",), ("NOTIF OFF",), ("NOTIF SALDO OFF",), ("BUKAN SAYA",), ("GANTI HP",)]
)
def test_what_ends_it_between_planning_and_sending_is_heeded(
    subscribed: Runtime, clock: Clock, texts: tuple[str, ...]
) -> None:
    cycle.run_due(changed(subscribed))  # it is in the outbox
    for each in texts:
        say(subscribed, P1, each)
    send(subscribed)
    clock.moves(minutes=1)
    with subscribed.writing() as tx:
        delivery_reports.drop_stale(tx)
    Cycle(subscribed).step()
    assert states(subscribed) == ["ended"]


def test_a_number_on_file_that_changed_is_told_nothing(subscribed: Runtime) -> None:
    cycle.run_due(changed(subscribed))
    set_number_on_file(subscribed, P1_NKP, "+6281311113333")
    send(subscribed)
    Cycle(subscribed).step()
    assert states(subscribed) == ["ended"]


def test_a_ledger_that_is_away_delays_and_loses_nothing(subscribed: Runtime, clock: Clock) -> None:
    with subscribed.ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE balances RENAME TO gone"))
    assert cycle.run_due(subscribed) == 0
    with subscribed.ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO balances"))
    assert cycle.run_due(changed(subscribed)) == 1


def test_a_paused_kind_waits_and_a_stopped_one_is_dropped(
    subscribed: Runtime, clock: Clock
) -> None:
    with subscribed.writing() as tx:
        kinds.switch(tx, BALANCE, "operator:ani", is_on=True, is_paused=True)
    assert cycle.run_due(changed(subscribed)) == 0
    switch_on(subscribed, BALANCE)
    assert cycle.run_due(subscribed) == 1


def test_many_wait_for_a_second_person(subscribed: Runtime) -> None:
    limited = with_settings(subscribed, notification_approval=0)
    assert cycle.run_due(changed(limited)) == 0
    with limited.writing() as tx:
        (run,) = runs.under_way(tx)
        assert (run.state, run.found) == ("waiting", 1)
        assert runs.approve(tx, run, "operator:budi")
    assert cycle.run_due(limited) == 1


def with_settings(rt: Runtime, **changed: object) -> Runtime:
    return replace(rt, settings=rt.settings.model_copy(update=changed))


def test_the_budget_of_a_day_holds(subscribed: Runtime, clock: Clock) -> None:
    limited = with_settings(subscribed, notification_segments=1)
    assert cycle.run_due(changed(limited)) == 1
    send(limited)
    clock.moves(hours=1)
    say(limited, P1, "NOTIF KLAIM ON")
    send(limited)
    cycle.run_due(limited)
    with limited.ledger.engine.begin() as connection:
        connection.execute(
            text("UPDATE claims SET stage = 'PEMBAYARAN' WHERE nkp = :nkp"), {"nkp": P1_NKP}
        )
    clock.moves(hours=1)
    assert cycle.run_due(limited) == 0
    clock.moves(days=1)
    assert cycle.run_due(limited) == 1


def test_nothing_is_queued_while_an_answer_waits(subscribed: Runtime) -> None:
    say(subscribed, P1, "SALDO")
    assert cycle.run_due(changed(subscribed)) == 0
    send(subscribed)
    assert cycle.run_due(subscribed) == 1


def test_what_was_not_sent_in_its_time_is_dropped_and_counted(
    subscribed: Runtime, clock: Clock
) -> None:
    clock.now = datetime(2025, 10, 31, 14, 0, tzinfo=UTC)  # 21.00 WIB
    assert cycle.run_due(changed(subscribed)) == 0
    clock.moves(days=8)
    assert cycle.run_due(subscribed) == 0
    assert states(subscribed) == ["expired"]


@pytest.mark.parametrize("is_sent", [True, False])
def test_on_a_holiday_it_is_sent_if_that_is_set(
    subscribed: Runtime, clock: Clock, is_sent: bool
) -> None:
    day_off = with_settings(
        subscribed, notification_holidays=is_sent, holidays=frozenset({subscribed.today})
    )
    assert cycle.run_due(changed(day_off)) == int(is_sent)
    clock.moves(days=1)
    assert cycle.run_due(day_off) == int(not is_sent)


def test_by_night_it_waits_for_the_morning(subscribed: Runtime, clock: Clock) -> None:
    clock.now = datetime(2025, 10, 31, 12, 0, tzinfo=UTC)  # 21.00 WIT
    assert cycle.run_due(changed(subscribed)) == 0
    clock.now = datetime(2025, 11, 1, 0, 59, tzinfo=UTC)  # 7.59 WIB
    assert cycle.run_due(subscribed) == 0
    clock.moves(minutes=1)
    assert cycle.run_due(subscribed) == 1


@on_sqlite
@pytest.mark.parametrize("hour", [-1, 0, 11, 12])
@pytest.mark.parametrize(
    ("timezone", "first", "last"), [("WIB", 8, 19), ("wita", 7, 18), ("WIT", 6, 17), ("", 8, 17)]
)
def test_the_office_in_the_files_of_the_ledger_says_where_it_is_day(
    subscribed: Runtime,
    clock: Clock,
    tmp_path: Path,
    timezone: str,
    first: int,
    last: int,
    hour: int,
) -> None:
    """The first and the last hour are those of WIB."""
    head = "code,name,city,address,phone,hours,timezone"
    (tmp_path / "offices.csv").write_text(f"{head}\nX01,Cabang,,,,,{timezone}\n")
    (tmp_path / "participant_offices.csv").write_text(f"nkp,office\n{P1_NKP},X01\n")
    load(subscribed.ledger.engine, tmp_path)
    clock.now = datetime(2025, 11, 1, first + hour, 30, tzinfo=subscribed.settings.zone)
    is_day = first <= first + hour <= last
    assert cycle.run_due(changed(subscribed)) == int(is_day)


def test_what_the_outbox_did_not_send_by_evening_leaves_in_the_morning(
    subscribed: Runtime, clock: Clock
) -> None:
    clock.now = datetime(2025, 10, 31, 10, 30, tzinfo=UTC)  # 17.30 WIB, 19.30 WIT
    assert cycle.run_due(changed(subscribed)) == 1
    clock.now = datetime(2025, 10, 31, 11, 0, tzinfo=UTC)
    send(subscribed)
    with subscribed.writing() as tx:
        delivery_reports.drop_stale(tx)
    Cycle(subscribed).step()
    assert states(subscribed) == ["planned"]
    clock.now = datetime(2025, 11, 1, 1, 0, tzinfo=UTC)
    assert cycle.run_due(subscribed) == 1


def test_a_report_is_counted(subscribed: Runtime, clock: Clock) -> None:
    cycle.run_due(changed(subscribed))
    send(subscribed)
    with subscribed.writing() as tx:
        attempt = (
            tx.connection.execute(select(attempts.c.id).order_by(attempts.c.id.desc()))
            .scalars()
            .first()
        )
        assert attempt is not None
        delivery_reports.apply_report(tx, Report("simulator", attempt, Delivery.DELIVERED))
    Cycle(subscribed).step()
    assert states(subscribed) == ["delivered"]


def test_old_notifications_are_deleted(subscribed: Runtime, clock: Clock) -> None:
    cycle.run_due(changed(subscribed))
    with subscribed.writing() as tx:
        assert events.forget(tx, clock.now + timedelta(days=1), 10) == 1


def written(at: datetime, rt: Runtime) -> object:
    """Writes an instant as SQLite keeps it."""
    is_postgres = rt.ledger.engine.dialect.name == "postgresql"
    return at if is_postgres else f"{at:%Y-%m-%d %H:%M:%S.%f}"


def say_that(rt: Runtime, nkp: str, at: datetime) -> None:
    """Lets the ledger say that a participant's data changed."""
    with rt.ledger.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO changes VALUES (:nkp, :at)"), {"nkp": nkp, "at": written(at, rt)}
        )


@pytest.fixture
def telling(rt: Runtime) -> Iterator[Runtime]:
    """Gives a ledger that says what changed."""
    kind = "TIMESTAMPTZ" if rt.ledger.engine.dialect.name == "postgresql" else "TIMESTAMP"
    with rt.ledger.engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE changes (nkp TEXT, changed_at {kind})"))
    yield rt
    with rt.ledger.engine.begin() as connection:
        connection.execute(text("DROP TABLE changes"))


def test_a_ledger_that_says_what_changed_is_asked_for_that(
    telling: Runtime, subscribed: Runtime, clock: Clock
) -> None:
    """What it does not name is not looked at; once a day everybody is."""
    changed(subscribed)
    assert cycle.run_due(subscribed) == 0
    say_that(subscribed, "18000000000", clock.now)
    clock.moves(minutes=6)
    assert cycle.run_due(subscribed) == 0
    say_that(subscribed, P1_NKP, clock.now)
    clock.moves(minutes=6)
    assert cycle.run_due(subscribed) == 1
    send(subscribed)
    for minutes in (6, 60):
        clock.moves(minutes=minutes)
        assert cycle.run_due(subscribed) == 0
    changed(subscribed, 140_000_000)
    clock.moves(days=1)
    assert cycle.run_due(subscribed) == 1


def test_who_asks_later_is_told_of_what_changes_from_then_on(
    telling: Runtime, subscribed: Runtime, clock: Clock
) -> None:
    say(subscribed, P2, "SALDO 20098765432")
    say(subscribed, P2, "YA")
    say(subscribed, P2, "NOTIF SALDO ON")
    send(subscribed)
    clock.moves(minutes=6)
    assert cycle.run_due(subscribed) == 0
    set_total(subscribed, P2_NKP, 9)
    say_that(subscribed, P2_NKP, clock.now)
    clock.moves(minutes=6)
    assert cycle.run_due(subscribed) == 1


def test_all_that_changed_at_one_instant_is_read(telling: Runtime, clock: Clock) -> None:
    with telling.ledger.engine.begin() as connection:
        rows = [
            {"nkp": str(19_000_000_000 + index), "at": written(clock.now, telling)}
            for index in range(optional_views.AT_ONCE + 5)
        ]
        connection.execute(text("INSERT INTO changes VALUES (:nkp, :at)"), rows)
    found = optional_views.changed_since(telling.ledger, clock.now - timedelta(minutes=1))
    assert len(found.nkps) == optional_views.AT_ONCE + 5
    assert found.until == clock.now + timedelta(microseconds=1)  # the next page is behind it
    assert optional_views.changed_since(telling.ledger, found.until).nkps == []
