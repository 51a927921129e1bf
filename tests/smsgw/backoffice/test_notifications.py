"""Operators count first, a second person approves many, and what is stopped stays unsent."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import update

from handlers.changes import NotificationKind
from smsgw.backoffice import notifications
from smsgw.backoffice.notifications import NotDone, SamePerson
from smsgw.notifications import cycle, looking, runs
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import (
    NotificationState,
    RunState,
    notification_kinds,
)
from tests.conftest import P1, P1_NKP, P2, Clock
from tests.support.conversation import say, set_number_on_file
from tests.support.notified import plan, send, states, subscribe_to_balance
from tests.support.waiting import LONGEST

BALANCE = NotificationKind.BALANCE
ANI, BUDI = "operator:ani", "operator:budi"


@pytest.fixture
def subscribed(rt: Runtime, clock: Clock) -> Runtime:
    subscribe_to_balance(rt)
    clock.moves(minutes=5)
    return rt


def waiting(rt: Runtime) -> Runtime:
    """Every run needs a second person."""
    return replace(rt, settings=rt.settings.model_copy(update={"notification_approval": 0}))


def test_a_kind_is_switched_on_after_it_was_counted(rt: Runtime) -> None:
    with pytest.raises(NotDone, match="smsgw notify plan balance"):
        notifications.switch_on(rt, BALANCE, ANI)
    notifications.dry_run(rt, BALANCE, ANI)
    notifications.switch_on(rt, BALANCE, ANI)
    assert [each.kind for each in notifications.states(rt) if each.is_on] == [BALANCE]


def test_a_dry_run_counts_and_sends_nothing(subscribed: Runtime, clock: Clock) -> None:
    found = notifications.dry_run(subscribed, BALANCE, ANI)
    assert (found.number, found.segments, found.rupiah) == (2, 2, 700)
    assert {number for number, _ in found.samples} == {"+6281*****7890", "+6285*****5678"}
    assert all("kini Rp*** per 30-09-2025" in text for _, text in found.samples)
    assert states(subscribed) == []
    again = notifications.dry_run(subscribed, BALANCE, ANI)
    assert again.number == 2  # it does not count as told


def test_another_person_approves(subscribed: Runtime) -> None:
    rt = waiting(subscribed)
    run = notifications.start(rt, BALANCE, ANI)
    assert run is not None
    assert (run.state, run.found) == (RunState.WAITING, 2)
    assert [each.id for each in notifications.waiting(rt)] == [run.id]
    for same in (ANI, "shell:ani"):
        with pytest.raises(SamePerson):
            notifications.approve(rt, run.id, same)
    assert cycle.run_due(rt) == 0
    notifications.approve(rt, run.id, BUDI)
    with pytest.raises(NotDone, match="waits for no approval"):
        notifications.approve(rt, run.id, BUDI)
    assert cycle.run_due(rt) == 2
    (progress,) = notifications.progress(rt, BALANCE, 1)
    assert progress.counts == {NotificationState.QUEUED: 2}


def test_what_is_paused_is_taken_back_from_the_outbox(subscribed: Runtime, clock: Clock) -> None:
    notifications.start(subscribed, BALANCE, ANI)
    assert cycle.run_due(subscribed) == 2
    notifications.pause(subscribed, BALANCE, ANI)
    send(subscribed)
    clock.moves(minutes=1)
    assert cycle.run_due(subscribed) == 0
    assert states(subscribed) == ["planned", "planned"]
    notifications.resume(subscribed, BALANCE, ANI)
    clock.moves(minutes=1)
    assert cycle.run_due(subscribed) == 2
    send(subscribed)
    clock.moves(minutes=1)
    cycle.run_due(subscribed)
    assert states(subscribed) == ["sent", "sent"]


def test_what_is_stopped_is_never_sent(subscribed: Runtime, clock: Clock) -> None:
    notifications.start(subscribed, BALANCE, ANI)
    assert cycle.run_due(subscribed) == 2
    notifications.stop(subscribed, BALANCE, ANI)
    send(subscribed)
    assert not any(each.is_on for each in notifications.states(subscribed))
    notifications.dry_run(subscribed, BALANCE, ANI)
    notifications.switch_on(subscribed, BALANCE, ANI)
    for _ in range(3):
        clock.moves(hours=2)
        assert cycle.run_due(subscribed) == 0
    notifications.stop_all(subscribed, ANI)
    with pytest.raises(NotDone, match="is off or paused"):
        notifications.start(subscribed, BALANCE, ANI)


@pytest.mark.parametrize("stops", ["kind", "run"])
def test_what_a_run_plans_while_it_is_stopped_is_never_sent(
    subscribed: Runtime, stops: str
) -> None:
    """Its last slice is committed while the other waits for it."""
    with subscribed.writing() as tx:
        run = runs.start(tx, BALANCE, ANI)
    stop = partial(notifications.stop_run, subscribed, run.id, BUDI)
    if stops == "kind":
        stop = partial(notifications.stop, subscribed, BALANCE, BUDI)
    with ThreadPoolExecutor(1) as other:
        with subscribed.writing() as tx:
            run = runs.advance(tx, run, 1, 1, 1, ())
            plan(tx, run, P1, P1_NKP)
            looking.finish(tx, run, 1)
            stopping = other.submit(stop)
            time.sleep(0.2)  # until it waits
        assert stopping.result(LONGEST) == 1
    assert states(subscribed) == ["stopped"]
    (progress,) = notifications.progress(subscribed, BALANCE, 1)
    assert progress.run.state is RunState.STOPPED


def test_a_report_tells_who_opted_out(subscribed: Runtime, clock: Clock) -> None:
    notifications.start(subscribed, BALANCE, ANI)
    cycle.run_due(subscribed)
    send(subscribed)
    clock.moves(minutes=1)
    say(subscribed, P2, "NOTIF SALDO OFF")
    cycle.run_due(subscribed)
    reports = notifications.report(subscribed, clock.now - timedelta(days=1))
    (balance,) = [each for each in reports if each.state.kind is BALANCE]
    assert (balance.subscribers, balance.opted_out) == (1, 1)
    assert balance.counts == {NotificationState.SENT: 2}
    assert notifications.budget_used(subscribed) == 2


def test_a_row_that_we_did_not_write_switches_nothing_on(rt: Runtime) -> None:
    notifications.dry_run(rt, BALANCE, ANI)
    with rt.service.begin() as connection:
        connection.execute(update(notification_kinds).values(is_on=True))
    assert not any(each.is_on for each in notifications.states(rt))


def test_what_a_phone_would_get_is_shown_by_kind(subscribed: Runtime) -> None:
    say(subscribed, P1, "NOTIF KLAIM ON")
    balance, claim = notifications.would_get(subscribed, P1)
    assert (balance.kind, claim.kind) == (BALANCE, NotificationKind.CLAIM)
    assert balance.nkp == claim.nkp == P1_NKP
    assert "kini Rp77.000.000" in balance.text
    assert "kini PERSETUJUAN" in claim.text
    assert notifications.would_get(subscribed, "+6281399999999") == []


def test_a_phone_would_get_nothing_that_it_may_not_be_told(
    subscribed: Runtime, clock: Clock
) -> None:
    clock.moves(days=subscribed.settings.unused_for.days)
    (unused,) = notifications.would_get(subscribed, P1)
    assert "Rp" not in unused.text
    set_number_on_file(subscribed, P1_NKP, "+6281300000099")
    assert notifications.would_get(subscribed, P1) == []
    say(subscribed, P2, "STOP")
    assert notifications.would_get(subscribed, P2) == []
