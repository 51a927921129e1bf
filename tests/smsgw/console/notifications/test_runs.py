"""A second person approves a run, and anybody who may publish stops one."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from handlers.changes import NotificationKind
from smsgw.backoffice import announcements, notifications
from smsgw.notifications import cycle
from smsgw.notifications.runs import Announcement, Run
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import Audience
from smsgw.storage.tables.operators import Role
from tests.conftest import Clock
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor, logged_in
from tests.support.conversation import audit_entries
from tests.support.notified import ANI, send, states, subscribe_to_balance

RUNS = "/console/notifications/runs/"
WHY = "the texts are right"


@pytest.fixture
def run(app: Flask, rt: Runtime, clock: Clock) -> Iterator[Run]:
    """Returns a run of ani's that waits, as every run with somebody in it does here."""
    subscribe_to_balance(rt)
    clock.moves(minutes=5)
    limited = rt.settings.model_copy(update={"notification_approval": 0})
    app.extensions["smsgw"] = replace(rt, settings=limited)
    found = notifications.start(app.extensions["smsgw"], NotificationKind.BALANCE, ANI)
    assert found is not None
    yield found
    app.extensions["smsgw"] = rt


@pytest.fixture
def budi(app: Flask, rt: Runtime) -> Visitor:
    return logged_in(app, rt, Role.PUBLISHER, "budi")


def test_a_run_that_waits_is_found_from_the_overview(budi: Visitor, run: Run) -> None:
    budi.get("/console/")
    assert "Notification runs to approve 1" in budi.text
    assert RUNS in budi.links()
    for page in (RUNS, "/console/notifications/"):
        budi.get(page)
        assert f"Waiting for a second person Run {run.id}: balance, what changed" in budi.text
        assert f"{RUNS}{run.id}" in budi.links()


def test_a_second_person_approves(budi: Visitor, rt: Runtime, run: Run) -> None:
    budi.get(f"{RUNS}{run.id}")
    for expected in ("waits for approval", "Found 2 Segments 2 Cost Rp700", "kini Rp***"):
        assert expected in budi.text
    assert cycle.run_due(rt) == 0
    budi.submit("/approve", reason=WHY)
    assert "It is approved. By day, 2 are sent." in budi.text
    assert "operator:budi" in budi.text
    detail = f"balance: run {run.id}, 2 found: {WHY}"
    assert ("notification run approved", detail) in audit_entries(rt)
    assert cycle.run_due(rt) == 2
    send(rt)
    budi.get(f"{RUNS}{run.id}")
    assert "In the outbox 2" in budi.text


def test_who_started_it_cannot_approve(app: Flask, rt: Runtime, run: Run) -> None:
    ani = logged_in(app, rt, Role.PUBLISHER, "ani")
    ani.get(f"{RUNS}{run.id}")
    assert "You started this run, so somebody else has to approve it." in ani.text
    assert "/approve" not in ani.page
    assert ani.post(f"{RUNS}{run.id}/approve", reason=WHY).status_code == 409
    assert "You started this run, so somebody else has to approve it." in ani.text
    assert cycle.run_due(rt) == 0


def test_it_is_approved_once(app: Flask, rt: Runtime, budi: Visitor, run: Run) -> None:
    cici = logged_in(app, rt, Role.ADMIN, "cici")
    for visitor in (budi, cici):
        visitor.get(f"{RUNS}{run.id}")
    form = cici.form("/approve")
    budi.submit("/approve", reason=WHY)
    assert cici.post(form.action, reason=WHY).status_code == 409
    assert "This run does not wait for approval any more." in cici.text
    assert "operator:budi" in cici.text


def test_a_run_is_stopped_and_its_kind_stays_on(budi: Visitor, rt: Runtime, run: Run) -> None:
    budi.get(f"{RUNS}{run.id}")
    form = budi.form("/stop")
    budi.submit("/stop", reason="wrong amounts")
    assert "The run is stopped. Notifications dropped: 2." in budi.text
    assert states(rt) == ["stopped", "stopped"]
    assert "/approve" not in budi.page
    assert [each.kind for each in notifications.states(rt) if each.is_on] == [run.kind]
    for act in ("/stop", "/approve"):
        assert budi.post(form.action.replace("/stop", act), reason=WHY).status_code == 409
    assert "This run does not wait for approval any more." in budi.text


def test_no_reason_approves_nothing(budi: Visitor, rt: Runtime, run: Run) -> None:
    budi.get(f"{RUNS}{run.id}")
    assert budi.submit("/approve", reason=" ").status_code == 400
    budi.get(f"{RUNS}{run.id}")
    assert budi.submit("/approve", reason="asked by 081234567890").status_code == 400
    assert [each.id for each in notifications.waiting(rt)] == [run.id]


def test_others_look_and_cannot_approve(as_: As, run: Run) -> None:
    editor = as_(Role.EDITOR)
    editor.get(f"{RUNS}{run.id}")
    assert "Found 2" in editor.text
    assert "+6281" not in editor.text
    for act in ("approve", "stop"):
        assert editor.post(f"{RUNS}{run.id}/{act}", reason=WHY).status_code == 403


def test_an_announcement_is_shown_escaped(budi: Visitor, rt: Runtime, run: Run) -> None:
    text = "<b>Tutup</b> & libur"
    made = Announcement(text, text, Audience.PROGRAM, "JHT", rt.now())
    made = replace(made, expires_at=rt.now() + announcements.LONGEST_USE / 2)
    announced = announcements.announce(rt, NotificationKind.BALANCE, made, ANI)
    budi.get(f"{RUNS}{announced.id}")
    assert "&lt;b&gt;Tutup&lt;/b&gt; &amp; libur" in budi.page
    assert "<b>Tutup" not in budi.page
    assert "programme JHT" in budi.text


def test_a_page_asks_for_its_part_until_the_run_has_looked(budi: Visitor, rt: Runtime) -> None:
    begun = notifications.start_dry_run(rt, NotificationKind.DATA, ANI)
    htmx = {"HX-Request": "true"}
    part = budi.client.get(f"{RUNS}{begun.id}", headers=htmx)
    assert 'hx-trigger="every 1s"' in part.text
    assert "<html" not in part.text
    cycle.run_due(rt)
    assert budi.client.get(f"{RUNS}{begun.id}", headers=htmx).headers["HX-Refresh"] == "true"
    assert budi.get(f"{RUNS}999").status_code == 404
