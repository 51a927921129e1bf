"""Editors run the draft over messages of the past; everybody may read what it would change."""

from dataclasses import replace

import pytest
from flask import Flask

from smsgw.app import create_app
from smsgw.backoffice import accounts, background_tasks
from smsgw.configuration import document, versions
from smsgw.configuration.document import dumps, loads
from smsgw.operations import clock
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role, TaskKind
from tests.conftest import P1_NKP, Clock
from tests.smsgw.console.conftest import As
from tests.support.backtests import DRAFT, OTHERS, play_messages
from tests.support.console_client import Visitor, logged_in
from tests.support.conversation import say
from tests.support.sender_ids import burst

PART = {"HX-Request": "true"}


@pytest.fixture
def editor(as_: As, rt: Runtime, clock: Clock) -> Visitor:
    """Logs in an editor with a draft, after some traffic."""
    play_messages(rt, clock)
    save(rt, DRAFT, 0)
    visitor = as_(Role.EDITOR)
    visitor.get("/console/rehearsal/")
    return visitor


def save(rt: Runtime, text: str, edition: int) -> None:
    with rt.writing() as tx:
        versions.save(tx, document.loads(text), edition, "operator:ani", "kontak")


def test_every_role_sees_what_would_change(editor: Visitor, as_: As, rt: Runtime) -> None:
    for sender in OTHERS[:3]:
        say(rt, sender, "cabang bandung")
    editor.submit("/console/rehearsal/", days=7)
    assert "waiting" in editor.text
    assert burst(rt) == 1
    viewer = as_(Role.VIEWER)
    viewer.get("/console/rehearsal/")
    assert "editor" in viewer.text
    assert "You need a role that can edit drafts to start one." in viewer.text
    viewer.get("/console/rehearsal/1")
    for expected in (
        "with no question open",
        "done",
        "10 of 10 messages",
        "Would change 4",
        "Newly understood not shown",
        "Newly misunderstood 4",
        "Rerouted not shown",
        "Other reply not shown",
        "CABANG BANDUNG kantor answered unknown 4",
    ):
        assert expected in viewer.text, expected
    for own in ("budi", "santoso", P1_NKP, "*5678"):
        assert own not in viewer.page.casefold()
    assert viewer.post("/console/rehearsal/", days=7).status_code == 403
    assert viewer.post("/console/rehearsal/1/stop").status_code == 403


def test_the_page_polls_until_the_backtest_ends(editor: Visitor, rt: Runtime) -> None:
    editor.submit("/console/rehearsal/", days=1)
    part = editor.client.get("/console/rehearsal/1", headers=PART)
    assert "<html" not in part.text
    assert 'hx-trigger="every 1s"' in part.text
    assert "HX-Refresh" not in part.headers
    burst(rt)
    assert editor.client.get("/console/rehearsal/1", headers=PART).headers["HX-Refresh"] == "true"
    assert "hx-get" not in editor.get("/console/rehearsal/1").text


def test_a_backtest_can_be_stopped(editor: Visitor, rt: Runtime) -> None:
    editor.submit("/console/rehearsal/", days=30)
    editor.submit("/1/stop")
    assert "stopped" in editor.text
    burst(rt)
    with rt.reading() as tx:
        task = background_tasks.one(tx, 1, TaskKind.REHEARSAL)
    assert task is not None
    assert (task.state, task.done) == ("stopped", 0)


def test_only_one_backtest_runs_at_a_time(editor: Visitor) -> None:
    editor.submit("/console/rehearsal/", days=1)
    editor.get("/console/rehearsal/")
    editor.submit("/console/rehearsal/", days=2)
    assert "One is already running" in editor.text
    assert "Backtest over one day" in editor.text
    assert editor.get("/console/rehearsal/2").status_code == 404


def test_the_page_says_when_the_draft_has_changed(editor: Visitor, rt: Runtime) -> None:
    editor.submit("/console/rehearsal/", days=1)
    assert "since" not in editor.text
    save(rt, dumps({**loads(DRAFT), "courtesy": ["OKE"]}), 1)
    assert "The draft has changed since then" in editor.get("/console/rehearsal/1").text
    with rt.writing() as tx:
        versions.publish(tx, 2, "operator:budi", "a test", is_same_person=accounts.is_same_person)
    editor.get("/console/rehearsal/1")
    assert "This draft has been published or discarded since then." in editor.text
    assert "Another version has been published since then." in editor.text


@pytest.mark.parametrize("days", ["", "3", "x"])
def test_only_offered_days_can_be_chosen(editor: Visitor, days: str) -> None:
    assert editor.submit("/console/rehearsal/", days=days).status_code == 400
    assert "Choose how many days." in editor.text


def test_a_draft_that_cannot_be_read_says_why(editor: Visitor, rt: Runtime) -> None:
    broken = loads(DRAFT)
    broken["keywords"]["saldo"]["poster"] = "SALDO <"
    save(rt, dumps(broken), 1)
    assert editor.submit("/console/rehearsal/", days=1).status_code == 400
    assert "The draft cannot be read yet:" in editor.text
    assert "saldo" in editor.text


def test_without_a_draft_there_is_nothing_to_do(as_: As, rt: Runtime) -> None:
    editor = as_(Role.EDITOR)
    assert "There is no draft" in editor.get("/console/rehearsal/").text
    with rt.reading() as tx:
        text = versions.current(tx).text
    save(rt, text, 0)
    assert "nothing would change" in editor.get("/console/rehearsal/").text
    assert editor.post("/console/rehearsal/", days=1).status_code == 400


def test_without_a_queue_the_page_says_so(rt: Runtime, clock: Clock) -> None:
    save(rt, DRAFT, 0)
    alone = replace(rt, redis=None)
    app: Flask = create_app(alone)
    editor = logged_in(app, alone, Role.EDITOR)
    assert "This needs a queue" in editor.get("/console/rehearsal/").text
    editor.submit("/console/rehearsal/", days=1)
    assert "The queue is unavailable" in editor.text


def test_the_clock_starts_a_backtest_without_a_hint(rt: Runtime, editor: Visitor) -> None:
    editor.submit("/console/rehearsal/", days=1)
    assert rt.redis is not None
    rt.redis.flushdb()
    clock.sweep(rt)
    burst(rt)
    assert "7 of 7 messages" in editor.get("/console/rehearsal/1").text
