"""Work that takes longer than a page is done a part at a time, by one worker, until its end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from handlers.ports import LedgerDown
from smsgw.backoffice import background_tasks
from smsgw.backoffice.accounts import add
from smsgw.backoffice.background_tasks import Task, TaskStep
from smsgw.operations import jobs
from smsgw.operations.clock import sweep
from smsgw.runtime import Runtime
from smsgw.storage.tables.operators import Role, TaskKind
from smsgw.storage.tables.operators import tasks as _tasks
from smsgw.storage.transaction import Conflict
from tests.conftest import Clock

SECRET = "SALDO 19012345678"


@pytest.fixture
def task_id(rt: Runtime) -> int:
    with rt.writing() as tx:
        ani = add(tx, "ani", Role.ADMIN, None, "shell:test")
        return background_tasks.make(tx, TaskKind.SEARCH, ani.id, {"words": SECRET})


def counts_to_three(_rt: Runtime, task: Task) -> Iterator[TaskStep]:
    for number in range(task.done + 1, 4):
        yield TaskStep(number, 3, [*(task.findings or []), number])
        task = replace(task, findings=[*(task.findings or []), number])


def asks_a_ledger_that_is_away(_rt: Runtime, _task: Task) -> Iterator[TaskStep]:
    yield TaskStep(1, 3, [1])
    raise LedgerDown


def finds_no_ledger(_rt: Runtime, _task: Task) -> Iterator[TaskStep]:
    yield from ()
    raise LedgerDown


def breaks(_rt: Runtime, _task: Task) -> Iterator[TaskStep]:
    yield TaskStep(1, 3, [1])
    raise ZeroDivisionError


def claimed(rt: Runtime, task_id: int) -> Task | None:
    with rt.writing() as tx:
        return background_tasks.claim(tx, task_id)


def part(rt: Runtime, task_id: int, *, is_over: bool = True) -> bool:
    task = claimed(rt, task_id)
    assert task is not None
    return jobs.do_part(rt, task, counts_to_three, lambda: is_over)


def task_now(rt: Runtime, task_id: int) -> Task:
    with rt.reading() as tx:
        found = background_tasks.one(tx, task_id, TaskKind.SEARCH)
    assert found is not None
    return found


def test_a_task_is_done_in_time_slices(rt: Runtime, task_id: int) -> None:
    assert (task_now(rt, task_id).request, task_now(rt, task_id).findings) == (
        {"words": SECRET},
        None,
    )
    assert part(rt, task_id)
    assert (task_now(rt, task_id).done, task_now(rt, task_id).findings) == (1, [1])
    assert not part(rt, task_id, is_over=False)
    assert (task_now(rt, task_id).done, task_now(rt, task_id).findings) == (3, [1, 2, 3])
    assert claimed(rt, task_id) is None


def test_requests_and_findings_are_encrypted(rt: Runtime, task_id: int) -> None:
    part(rt, task_id)
    with rt.reading() as tx:
        row = tx.connection.execute(select(_tasks.c.asked, _tasks.c.found)).one()
        assert background_tasks.one(tx, task_id, TaskKind.REHEARSAL) is None
    assert SECRET.encode() not in row.asked
    assert b"[1]" not in row.found


def test_two_workers_do_not_run_the_same_task(rt: Runtime, task_id: int, clock: Clock) -> None:
    """A slow worker whose task was taken over notices and lets go."""
    first = claimed(rt, task_id)
    assert first is not None
    assert claimed(rt, task_id) is None
    clock.moves(seconds=31)
    second = claimed(rt, task_id)
    assert second is not None
    with pytest.raises(Conflict), rt.writing() as tx:
        background_tasks.progress(tx, first, TaskStep(1, 3, [1]))
    assert not jobs.do_part(rt, first, counts_to_three, lambda: True)
    assert task_now(rt, task_id).findings is None
    assert jobs.do_part(rt, second, counts_to_three, lambda: True)
    assert task_now(rt, task_id).findings == [1]


def test_the_clock_finds_tasks_of_a_crashed_worker(rt: Runtime, task_id: int, clock: Clock) -> None:
    task = claimed(rt, task_id)
    assert task is not None
    with rt.writing() as tx:
        background_tasks.progress(tx, task, TaskStep(1, 3, [1]))
        assert background_tasks.due(tx) == []
    clock.moves(seconds=31)
    with rt.reading() as tx:
        assert background_tasks.due(tx) == [task_id]
    sweep(rt)
    assert rt.redis is not None
    assert rt.redis.exists(f"hint:task:{task_id}")
    assert not part(rt, task_id, is_over=False)
    assert (task_now(rt, task_id).state, task_now(rt, task_id).findings) == ("done", [1, 2, 3])


def test_a_waiting_task_stops_immediately(rt: Runtime, task_id: int) -> None:
    part(rt, task_id)
    with rt.writing() as tx:
        background_tasks.stop(tx, task_id)
    assert (task_now(rt, task_id).state, task_now(rt, task_id).findings) == ("stopped", [1])
    assert claimed(rt, task_id) is None


def test_a_running_task_stops_after_its_step(rt: Runtime, task_id: int) -> None:
    task = claimed(rt, task_id)
    assert task is not None
    with rt.writing() as tx:
        background_tasks.stop(tx, task_id)
    assert task_now(rt, task_id).state == "running"
    assert not jobs.do_part(rt, task, counts_to_three, lambda: False)
    assert (task_now(rt, task_id).state, task_now(rt, task_id).findings) == ("stopped", [1])


def test_a_bug_fails_the_task(rt: Runtime, task_id: int) -> None:
    task = claimed(rt, task_id)
    assert task is not None
    with pytest.raises(ZeroDivisionError):
        jobs.do_part(rt, task, breaks, lambda: False)
    assert (task_now(rt, task_id).state, task_now(rt, task_id).findings) == ("failed", [1])


def test_a_task_waits_while_the_ledger_is_unavailable(rt: Runtime, task_id: int) -> None:
    task = claimed(rt, task_id)
    assert task is not None
    assert not jobs.do_part(rt, task, asks_a_ledger_that_is_away, lambda: False)
    assert (task_now(rt, task_id).state, task_now(rt, task_id).findings) == ("waiting", [1])


def test_a_stop_is_kept_while_the_ledger_is_unavailable(rt: Runtime, task_id: int) -> None:
    task = claimed(rt, task_id)
    assert task is not None
    with rt.writing() as tx:
        background_tasks.stop(tx, task_id)
    jobs.do_part(rt, task, finds_no_ledger, lambda: False)
    assert task_now(rt, task_id).state == "stopped"


def test_only_one_backtest_runs_at_a_time(rt: Runtime, task_id: int) -> None:
    operator_id = task_now(rt, task_id).operator_id
    with rt.writing() as tx:
        first = background_tasks.make(tx, TaskKind.REHEARSAL, operator_id, {})
        background_tasks.make(tx, TaskKind.SEARCH, operator_id, {})
    with pytest.raises(background_tasks.AtWork), rt.writing() as tx:
        background_tasks.make(tx, TaskKind.REHEARSAL, operator_id, {})
    with rt.writing() as tx:
        background_tasks.stop(tx, first)
        assert background_tasks.make(tx, TaskKind.REHEARSAL, operator_id, {}) > first


def test_a_stuck_task_fails(rt: Runtime, task_id: int, clock: Clock) -> None:
    clock.moves(hours=7)
    sweep(rt)
    assert task_now(rt, task_id).state == "failed"


@pytest.mark.parametrize(("kept_for", "days"), [(90, 8), (2, 3)])
def test_old_tasks_are_deleted(
    rt: Runtime, task_id: int, clock: Clock, kept_for: int, days: int
) -> None:
    """After a week, or with the texts where those are kept for less."""
    settings = rt.settings.model_copy(update={"retention": timedelta(days=kept_for)})
    clock.moves(days=days - 2)
    sweep(replace(rt, settings=settings))
    assert task_now(rt, task_id)
    clock.moves(days=2)
    sweep(replace(rt, settings=settings))
    with rt.reading() as tx:
        assert background_tasks.latest(tx, TaskKind.SEARCH) == []


def test_latest_tasks_of_one_operator_or_all(rt: Runtime, task_id: int) -> None:
    with rt.writing() as tx:
        budi = add(tx, "budi", Role.AGENT, None, "shell:test")
        other = background_tasks.make(tx, TaskKind.SEARCH, budi.id, {})
        background_tasks.make(tx, TaskKind.REHEARSAL, budi.id, {})
    with rt.reading() as tx:
        assert [each.id for each in background_tasks.latest(tx, TaskKind.SEARCH)] == [
            other,
            task_id,
        ]
        assert [each.id for each in background_tasks.latest(tx, TaskKind.SEARCH, budi.id)] == [
            other
        ]


def test_without_a_queue_a_task_is_refused(rt: Runtime, task_id: int) -> None:
    assert jobs.hint_task(rt, task_id)
    assert not jobs.hint_task(replace(rt, redis=None), task_id)
