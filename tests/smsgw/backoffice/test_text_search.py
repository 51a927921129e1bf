"""Words are found in the sealed texts of one day, a part at a time."""

from datetime import date

import pytest

from smsgw.backoffice import background_tasks, text_search
from smsgw.backoffice.accounts import add
from smsgw.backoffice.text_search import SearchFindings, SearchRequest
from smsgw.operations import jobs
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.operators import Role, TaskKind, TaskState
from tests.conftest import P1, P2, STRANGER, Clock
from tests.support.conversation import say

TODAY = date(2025, 10, 31)


@pytest.fixture
def traffic(rt: Runtime, clock: Clock) -> Runtime:
    """Sends two messages on the day before, as the scheme counts days, then three."""
    clock.moves(hours=-12)
    for sender, text in ((P1, "gaji belum masuk"), (P2, "KONTAK")):
        say(rt, sender, text)
    clock.moves(hours=12)
    for sender, text in ((P1, "Gajinya  BELUM masuk pak"), (P2, "gaji"), (STRANGER, "KONTAK")):
        say(rt, sender, text)
    return rt


def search(rt: Runtime, words: str, day: date = TODAY) -> tuple[TaskState, SearchFindings]:
    with rt.writing() as tx:
        ani = add(tx, f"ani {words} {day}", Role.AGENT, None, "shell:test")
        asked = SearchRequest(day=day, words=words, by=ani.actor).model_dump(mode="json")
        task_id = background_tasks.make(tx, TaskKind.SEARCH, ani.id, asked)
    goes_on = True
    while goes_on:
        with rt.writing() as tx:
            task = background_tasks.claim(tx, task_id)
        assert task is not None
        goes_on = jobs.do_part(rt, task, jobs.WORK[task.kind], lambda: True)
    with rt.reading() as tx:
        task = background_tasks.one(tx, task_id, TaskKind.SEARCH)
    assert task is not None
    assert task.done == task.total
    return task.state, SearchFindings.model_validate(task.findings)


def test_a_search_finds_messages_with_all_words(traffic: Runtime) -> None:
    """Letter case does not matter, and longer words match too."""
    for words, hits in {"gaji": [3, 4], "masuk GAJI": [3], "gaji kontak": [], "pak": [3]}.items():
        state, found = search(traffic, words)
        assert (state, found.hits, found.looked) == (TaskState.DONE, hits, 3), words
    assert search(traffic, "gaji", date(2025, 10, 30))[1].hits == [1]


def test_a_search_of_an_empty_day_finds_nothing(traffic: Runtime) -> None:
    for day in (date(2025, 10, 1), date(2025, 11, 5)):
        state, found = search(traffic, "gaji", day)
        assert (state, found.hits, found.looked) == (TaskState.DONE, [], 0)


def test_a_search_continues_where_it_stopped(rt: Runtime, clock: Clock) -> None:
    for number in range(5):
        say(rt, f"+6281200000{number:03}", "gaji" if number % 2 else "KONTAK")
    steps = list(_steps(rt, at_once=2))
    assert [(each.done, each.total) for each in steps] == [(0, 5), (2, 5), (4, 5), (5, 5)]
    assert SearchFindings.model_validate(steps[-1].findings).hits == [2, 4]


def test_deleted_texts_are_counted_but_not_found(traffic: Runtime) -> None:
    with traffic.writing() as tx:
        tx.connection.execute(messages.update().where(messages.c.id == 3).values(text=None))
    _, found = search(traffic, "gaji")
    assert (found.hits, found.looked, found.destroyed) == ([4], 2, 1)


def test_a_search_stops_at_the_limit(rt: Runtime) -> None:
    for number in range(4):
        say(rt, f"+6281200000{number:03}", "gaji")
    *_, step = _steps(rt, most=3)
    found = SearchFindings.model_validate(step.findings)
    assert (found.hits, step.done) == ([1, 2, 3], step.total)


def _steps(rt: Runtime, **limits: int) -> list[background_tasks.TaskStep]:
    with rt.writing() as tx:
        ani = add(tx, "ani", Role.AGENT, None, "shell:test")
        asked = SearchRequest(day=TODAY, words="gaji", by="operator:ani").model_dump(mode="json")
        task_id = background_tasks.make(tx, TaskKind.SEARCH, ani.id, asked)
        task = background_tasks.claim(tx, task_id)
    assert task is not None
    return list(text_search.run(rt, task, **limits))
