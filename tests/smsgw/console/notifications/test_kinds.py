"""Publishers count, switch on, pause and stop kinds of notification; others look."""

import pytest
from flask import Flask

from handlers.changes import NotificationKind
from smsgw.backoffice import notifications
from smsgw.configuration import document, versions
from smsgw.notifications import cycle
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role
from tests.conftest import P1_NKP, Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor, logged_in
from tests.support.conversation import audit_entries
from tests.support.notified import ANI, send, set_total, states, subscribe_to_balance

KINDS = "/console/notifications/"
BALANCE = f"{KINDS}balance"
WHY = "the pilot starts"


@pytest.fixture
def publisher(as_: As) -> Visitor:
    return as_(Role.PUBLISHER)


@pytest.fixture
def subscribed(rt: Runtime, clock: Clock) -> Runtime:
    subscribe_to_balance(rt)
    clock.moves(minutes=5)
    return rt


def counted(visitor: Visitor, rt: Runtime) -> Visitor:
    visitor.get(BALANCE)
    visitor.submit("/count")
    cycle.run_due(rt)
    visitor.get(BALANCE)
    return visitor


def test_the_kinds_are_listed_with_the_budget(publisher: Visitor, subscribed: Runtime) -> None:
    notifications.start(subscribed, NotificationKind.BALANCE, ANI)
    cycle.run_due(subscribed)
    send(subscribed)
    publisher.get(KINDS)
    assert "2 / 20.000 segments" in publisher.text
    assert "Balance on 2 2 0 0 0 0" in publisher.text  # it is not settled yet
    assert "Status off 0 0 0 0 0 0" in publisher.text
    assert BALANCE in publisher.links()


def test_a_kind_is_counted_by_the_clock_and_then_switched_on(
    publisher: Visitor, rt: Runtime
) -> None:
    publisher.get(BALANCE)
    assert "off" in publisher.text
    assert "Count first who would get one." in publisher.text
    publisher.submit("/count")
    assert "looking" in publisher.text
    assert "Wait until the count is done." in publisher.text
    assert 'hx-trigger="every 1s"' in publisher.page
    cycle.run_due(rt)
    publisher.get(BALANCE)
    assert "hx-trigger" not in publisher.page
    publisher.submit("/on", reason=WHY)
    assert "It is on." in publisher.text
    assert "operator:publisher, 31-10-2025" in publisher.text
    done = [entry for entry in audit_entries(rt) if entry[0].startswith("notifications")]
    assert done == [
        ("notifications counted", "balance"),
        ("notifications switched on", f"balance: {WHY}"),
    ]


def test_a_count_shows_masked_samples_to_who_decides(
    publisher: Visitor, as_: As, subscribed: Runtime
) -> None:
    counted(publisher, subscribed)
    assert "Would get one 2 Segments 2 Cost Rp700" in publisher.text
    assert "kini Rp*** per" in publisher.text
    assert "+6281*****7890" in publisher.text
    viewer = as_(Role.VIEWER)
    viewer.get(BALANCE)
    assert "Would get one 2" in viewer.text
    assert "+6281" not in viewer.text


def test_a_ledger_that_is_away_hides_only_the_samples(
    publisher: Visitor, subscribed: Runtime
) -> None:
    counted(publisher, subscribed)
    with subscribed.ledger.engine.begin() as ledger:
        ledger.exec_driver_sql("ALTER TABLE participants RENAME TO away")
    assert publisher.get(BALANCE).status_code == 200
    assert "The ledger does not answer, so no texts can be shown now." in publisher.text
    assert "Would get one 2" in publisher.text


def test_a_count_that_is_too_old_switches_nothing_on(
    publisher: Visitor, rt: Runtime, clock: Clock
) -> None:
    counted(publisher, rt)
    form = publisher.form("/on")
    clock.moves(days=31)
    publisher = logged_in(publisher.client.application, rt, Role.PUBLISHER, "budi")
    publisher.get(BALANCE)
    assert "Count first who would get one." in publisher.text
    assert publisher.post(form.action, reason=WHY).status_code == 409
    assert "Not switched on: first count who would get one." in publisher.text


def test_a_kind_is_paused_resumed_and_stopped(publisher: Visitor, subscribed: Runtime) -> None:
    notifications.start(subscribed, NotificationKind.BALANCE, ANI)
    publisher.get(BALANCE)
    publisher.submit("/pause", reason=WHY)
    assert "It is paused." in publisher.text
    cycle.run_due(subscribed)
    assert states(subscribed) == ["planned", "planned"]
    publisher.submit("/resume", reason=WHY)
    assert "It goes on." in publisher.text
    publisher.submit("/balance/stop", reason=WHY)
    assert "It is off. Notifications dropped: 2." in publisher.text
    assert states(subscribed) == ["stopped", "stopped"]
    assert ("notifications stopped", f"balance: {WHY}") in audit_entries(subscribed)


def test_one_button_stops_all_kinds(publisher: Visitor, subscribed: Runtime) -> None:
    notifications.start(subscribed, NotificationKind.BALANCE, ANI)
    publisher.get(KINDS)
    assert "<details" in publisher.page.partition("/notifications/stop")[0]  # it asks once more
    assert publisher.submit("/notifications/stop", reason="").status_code == 400
    assert "Enter a reason" in publisher.text
    publisher.get(KINDS)
    publisher.submit("/notifications/stop", reason="wrong amounts")
    assert "All kinds are off. Notifications dropped: 2." in publisher.text
    assert not any(each.is_on for each in notifications.states(subscribed))


def test_a_run_is_begun_at_once(publisher: Visitor, subscribed: Runtime) -> None:
    publisher.get(BALANCE)
    publisher.submit("/run")
    assert "has begun" in publisher.text
    assert "what changed looking" in publisher.text
    cycle.run_due(subscribed)
    publisher.get(BALANCE)
    assert "what changed sending 2 in the outbox 2 operator:publisher –" in publisher.text


def test_what_two_operators_do_at_once_is_done_once(
    app: Flask, publisher: Visitor, subscribed: Runtime
) -> None:
    budi = logged_in(app, subscribed, Role.PUBLISHER, "budi")
    for visitor in (publisher, budi):
        visitor.get(BALANCE)
    forms = {name: budi.form(name) for name in ("/pause", "/run", "/balance/stop")}
    publisher.submit("/balance/stop", reason=WHY)
    for name in ("/pause", "/run"):
        assert budi.post(forms[name].action, reason=WHY).status_code == 409
        assert "Nothing was done: somebody switched this kind in the meantime." in budi.text
    publisher.submit("/on", reason=WHY)
    assert budi.post(f"{BALANCE}/on", reason=WHY).status_code == 409
    assert budi.post(f"{BALANCE}/resume", reason=WHY).status_code == 409


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AGENT, Role.EDITOR])
def test_other_roles_only_look(as_: As, role: Role) -> None:
    visitor = as_(role)
    for address in (KINDS, BALANCE, f"{KINDS}runs/"):
        assert visitor.get(address).status_code == 200
        assert 'method="post" action="/console/notifications' not in visitor.page
        assert f"{KINDS}announcements/" not in visitor.links()
    visitor.get(BALANCE)
    assert "A publisher or an admin can switch it on." in visitor.text
    for name in ("stop", "balance/count", "balance/on", "balance/stop", "announcements/"):
        assert visitor.post(f"{KINDS}{name}", reason=WHY).status_code == 403


def test_the_wordings_are_shown_as_they_are_sent(publisher: Visitor, rt: Runtime) -> None:
    publisher.get(f"{KINDS}contribution")
    assert "belum kami terima, padahal jatuh tempo" in publisher.text
    assert "To stop send NOTIF OFF" in publisher.text
    assert "ketik IURAN" in publisher.text  # how to ask, of this kind
    assert "Rp350.000 per 1,000" in publisher.text
    assert "/console/wordings/notification" in publisher.links()
    with rt.writing() as tx:
        raw = document.loads(document.dump_shipped().replace("jatuh tempo tgl 15", "<b>telat</b>"))
        versions.save(tx, raw, 0, ANI, "all")
    publisher.get(f"{KINDS}contribution")
    assert "telat" not in publisher.text  # it is a draft


def test_what_is_not_a_kind_is_not_found(publisher: Visitor) -> None:
    assert publisher.get(f"{KINDS}news").status_code == 404


def test_old_runs_are_on_further_pages(publisher: Visitor, subscribed: Runtime) -> None:
    for number in range(21):
        set_total(subscribed, P1_NKP, 1_000 + number)
        notifications.begin(subscribed, NotificationKind.BALANCE, ANI)
    publisher.get(BALANCE)
    assert publisher.page.count("what changed") == 20
    (older,) = [each for each in publisher.links() if "before=" in each]
    publisher.get(older)
    assert publisher.page.count("what changed") == 1
