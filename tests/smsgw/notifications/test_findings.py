"""What a ledger does by night is no news by itself, and news is told once in its time."""

from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import insert, select, text

from handlers.changes import NotificationKind
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.notifications import cycle
from smsgw.registry import phone_state, subscriptions
from smsgw.runtime import Runtime
from smsgw.storage.tables.ledger import balances, claims, participants, programs
from smsgw.storage.tables.notifications import notifications
from tests.conftest import P1, P1_NKP, P2, P2_NKP, Clock, on_sqlite
from tests.support.conversation import say, set_number_on_file
from tests.support.notified import send, set_total, switch_on, told

LATER = "2025-11-17T03:00:00+00:00"  # the contribution of October should have been paid


@pytest.fixture
def subscribed(rt: Runtime, clock: Clock) -> Runtime:
    """Lets P1 ask for all kinds, which are looked at for the first time."""
    switch_on(rt)
    say(rt, P1, "NOTIF ON")
    send(rt)
    cycle.run_due(rt)
    clock.moves(days=1)
    return rt


def run(rt: Runtime, statement: str, **values: object) -> None:
    with rt.ledger.engine.begin() as connection:
        connection.execute(text(statement), {"nkp": P1_NKP, **values})


def emptied(rt: Runtime, table: object) -> Callable[[], None]:
    """Empties a table; what it returns puts the rows back."""
    with rt.ledger.engine.begin() as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(table))]  # type: ignore[call-overload]
        connection.execute(table.delete())  # type: ignore[attr-defined]

    def put_back() -> None:
        with rt.ledger.engine.begin() as connection:
            connection.execute(insert(table), rows)  # type: ignore[arg-type]

    return put_back


@pytest.mark.parametrize("table", [claims, balances, participants, programs])
def test_what_is_gone_for_a_night_and_back_is_no_news(
    subscribed: Runtime, clock: Clock, table: object
) -> None:
    put_back = emptied(subscribed, table)
    for _ in range(2):
        assert cycle.run_due(subscribed) == 0
        clock.moves(days=1)
    put_back()
    for _ in range(2):
        assert cycle.run_due(subscribed) == 0
        clock.moves(days=1)


def test_a_ledger_that_is_loaded_again_is_no_news(subscribed: Runtime, clock: Clock) -> None:
    for replace in (False, True):
        load(subscribed.ledger.engine, reference_folder(), replace=replace)
        assert cycle.run_due(subscribed) == 0
        clock.moves(days=1)


def test_a_balance_that_goes_down_is_news_too(subscribed: Runtime) -> None:
    set_total(subscribed, P1_NKP, 1)
    cycle.run_due(subscribed)
    assert "kini Rp1 per 30-09-2025" in told(subscribed, P1)[0]


def test_a_claim_that_moves_back_is_told_with_where_it_is(
    subscribed: Runtime, clock: Clock
) -> None:
    for stage in ("PEMBAYARAN", "PERSETUJUAN"):
        run(subscribed, "UPDATE claims SET stage = :stage WHERE nkp = :nkp", stage=stage)
        cycle.run_due(subscribed)
        send(subscribed)
        clock.moves(days=1)
    assert [stage in sms for stage, sms in zip(("PEMB", "PERS"), told(subscribed, P1), strict=True)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE participants SET status = 'AKTIF' WHERE nkp = :nkp", 1),
        ("UPDATE participants SET status = 'TIDAK AKTIF' WHERE nkp = :nkp", 0),
        ("UPDATE participants SET status = NULL WHERE nkp = :nkp", 0),
        ("DELETE FROM contributions WHERE nkp = :nkp AND month > '2025-05-31'", 0),
        ("DELETE FROM contributions WHERE nkp = :nkp", 0),
    ],
)
def test_a_contribution_is_missed_by_who_is_active_and_paid_of_late(
    rt: Runtime, clock: Clock, change: str, expected: int
) -> None:
    switch_on(rt, NotificationKind.CONTRIBUTION)
    say(rt, P1, "NOTIF IURAN ON")
    send(rt)
    run(rt, change)
    clock.now = datetime.fromisoformat(LATER)
    assert cycle.run_due(rt) == expected


def test_data_that_lack_are_told_once_in_a_year(subscribed: Runtime, clock: Clock) -> None:
    """Also over New Year."""
    run(subscribed, "UPDATE participants SET emergency_name = NULL WHERE nkp = :nkp")
    for number in [1, 1, 1, 1, 1, 1, 1, 1, 2]:
        say(subscribed, P1, "SALDO")
        send(subscribed)
        cycle.run_due(subscribed)
        send(subscribed)
        assert sum("Data NKP" in sms for sms in told(subscribed, P1)) == number
        clock.moves(days=46)


def test_a_phone_of_two_participants_is_told_of_both_and_once_how_to_stop(
    rt: Runtime, clock: Clock
) -> None:
    switch_on(rt, NotificationKind.BALANCE)
    set_number_on_file(rt, P2_NKP, P1)
    for each in (f"SALDO {P2_NKP}", "YA", "NOTIF SALDO ON"):
        say(rt, P1, each)
    send(rt)
    cycle.run_due(rt)
    clock.moves(hours=1)
    for nkp in (P1_NKP, P2_NKP):
        set_total(rt, nkp, 5)
    assert cycle.run_due(rt) == 2
    one, other = told(rt, P1)
    assert {"*******5678" in one, "*******5678" in other} == {True, False}
    assert ("NOTIF OFF" in one) + ("NOTIF OFF" in other) == 1


def test_asking_again_and_again_sends_nothing_more(subscribed: Runtime, clock: Clock) -> None:
    """Switching it off and on, and unbinding and binding again, cost an attacker's victim
    nothing: one of a kind and period is all that a participant is told."""
    clock.now = datetime.fromisoformat(LATER)
    set_total(subscribed, P1_NKP, 5)
    cycle.run_due(subscribed)
    send(subscribed)
    first = len(told(subscribed, P1))
    assert first >= 2
    for texts in (("NOTIF OFF", "NOTIF ON"), ("GANTI HP", f"SALDO {P1_NKP}", "YA", "NOTIF ON")):
        for each in texts:
            clock.moves(minutes=3)
            say(subscribed, P1, each)
        send(subscribed)
        set_total(subscribed, P1_NKP, clock.now.minute)
        clock.moves(hours=1)
        cycle.run_due(subscribed)
        send(subscribed)
    assert len(told(subscribed, P1)) == first


@on_sqlite
def test_who_is_bound_and_did_not_ask_is_told_nothing(rt: Runtime, clock: Clock) -> None:
    """Nor whoever has no binding any more, or was forgotten."""
    switch_on(rt)
    with rt.writing() as tx:  # whoever asked without a binding, as nobody can
        known = phone_state.bump_version(tx, phone_state.read(tx, P2))
        subscriptions.add(tx, known.phone_id, P2, list(NotificationKind), "in a test")
    cycle.run_due(rt)
    for nkp in (P1_NKP, P2_NKP):
        set_total(rt, nkp, 5)
    clock.moves(days=1)
    assert cycle.run_due(rt) == 0
    with rt.reading() as tx:
        assert tx.connection.execute(select(notifications)).all() == []
