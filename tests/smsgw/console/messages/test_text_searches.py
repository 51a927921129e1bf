"""Searches need a reason and a helping role, and are shown to their author."""

import pytest
from sqlalchemy import select

from smsgw.backoffice import background_tasks
from smsgw.operations import jobs
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role, TaskKind
from smsgw.storage.tables.security import audit
from tests.conftest import P1, STRANGER
from tests.smsgw.console.conftest import As
from tests.support.console_client import Visitor
from tests.support.conversation import say

PAGE = "/console/messages/words/"
TEXT = "gaji saya belum masuk"


@pytest.fixture
def traffic(rt: Runtime) -> Runtime:
    say(rt, P1, TEXT)
    say(rt, STRANGER, "KONTAK")
    return rt


def begin(visitor: Visitor, **values: str) -> int:
    visitor.get(PAGE)
    asked = {"day": "2025-10-31", "words": "gaji masuk", "reason": "who waits for wages"}
    return visitor.submit(PAGE, **(asked | values)).status_code


def do(rt: Runtime, task_id: int = 1) -> None:
    with rt.writing() as tx:
        task = background_tasks.claim(tx, task_id)
    assert task is not None
    jobs.do_part(rt, task, jobs.WORK[TaskKind.SEARCH], lambda: False)


def test_a_search_lists_messages_without_texts(as_: As, traffic: Runtime) -> None:
    visitor = as_(Role.AGENT)
    begin(visitor)
    assert "31-10-2025: gaji masuk" in visitor.text
    assert "Stop waiting" in visitor.text
    part = visitor.client.get(f"{PAGE}1", headers={"HX-Request": "true"})
    assert 'hx-trigger="every 1s"' in part.text
    do(traffic)
    part = visitor.client.get(f"{PAGE}1", headers={"HX-Request": "true"})
    assert part.headers["HX-Refresh"] == "true"
    visitor.get(f"{PAGE}1")
    assert "2 texts searched, 1 found" in visitor.text
    assert 'href="/console/messages/1"' in visitor.page
    assert 'href="/console/messages/2"' not in visitor.page
    assert TEXT not in visitor.page
    assert P1 not in visitor.page
    with traffic.reading() as tx:
        rows = tx.connection.execute(select(audit).where(audit.c.act == "searched")).all()
    assert {each.actor for each in rows} == {"operator:agent"}
    details = [each.detail for each in rows]
    assert details == ["2025-10-31: who waits for wages", "2025-10-31: 1 found"]


def test_a_search_can_be_stopped(as_: As, traffic: Runtime) -> None:
    visitor = as_(Role.AGENT)
    begin(visitor)
    visitor.submit("/1/stop")
    assert "stopped" in visitor.text
    with traffic.writing() as tx:
        assert background_tasks.claim(tx, 1) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"words": "di ke"}, "Enter a word of at least 3 letters"),
        ({"words": "panjang " * 10}, "at most 60 letters in all"),
        ({"day": "2025-11-01"}, "Choose today or an earlier day."),
        ({"day": "1-1-1"}, "Choose today or an earlier day."),
        ({"reason": ""}, "Enter a reason"),
    ],
)
def test_invalid_searches_are_refused(
    as_: As, traffic: Runtime, values: dict[str, str], message: str
) -> None:
    visitor = as_(Role.AGENT)
    assert begin(visitor, **values) == 400
    assert message in visitor.text
    with traffic.reading() as tx:
        assert background_tasks.latest(tx, TaskKind.SEARCH) == []


def test_a_search_is_visible_only_to_its_author(as_: As, traffic: Runtime) -> None:
    begin(as_(Role.AGENT))
    other = as_(Role.ADMIN)
    assert other.get(f"{PAGE}1").status_code == 404
    assert other.post(f"{PAGE}1/stop").status_code == 404
    other.get(PAGE)
    assert "gaji masuk" not in other.text
    viewer = as_(Role.VIEWER)
    assert viewer.get(PAGE).status_code == 403
    viewer.get("/console/messages/")
    assert "Search texts" not in viewer.text
