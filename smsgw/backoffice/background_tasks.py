"""Runs work that takes longer than a page: an operator asks, and workers do a part at a time.

A worker claims a task, does steps of it and notes after each how far it came, so one that dies
loses a step. Whoever finds that another claimed it meanwhile lets go of it.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, case, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from smsgw.storage.tables.operators import TaskKind, TaskState, tasks
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Conflict, Transaction

LOST_AFTER = timedelta(seconds=30)  # a step takes less; whoever did it is gone
GIVEN_UP_AFTER = timedelta(hours=6)
KEPT_FOR = timedelta(days=7)

Json = Any
UNFINISHED = (TaskState.WAITING, TaskState.RUNNING)


class AtWork(Exception):
    """Says that another backtest is running; there can be one at a time."""


@dataclass(frozen=True, slots=True)
class Task:
    id: int
    kind: TaskKind
    operator_id: int
    state: TaskState
    request: Json
    findings: Json  # up to now; None before anything was
    done: int
    total: int  # 0 before it is known
    is_to_stop: bool
    made_at: datetime
    seen_at: datetime

    @property
    def is_over(self) -> bool:
        return self.state not in UNFINISHED


@dataclass(frozen=True, slots=True)
class TaskStep:
    """Holds how far a task came and all that it has found: the next step begins with it."""

    done: int
    total: int
    findings: Json


def make(tx: Transaction, kind: TaskKind, operator_id: int, asked: Json) -> int:
    """Raises AtWork."""
    row = {
        "kind": kind,
        "operator_id": operator_id,
        "asked": tx.vault.encrypt(json.dumps(asked), Ciphertext.TASK, operator_id, kind, tx.now),
        "state": TaskState.WAITING,
        "done": 0,
        "total": 0,
        "is_to_stop": False,
        "made_at": tx.now,
        "seen_at": tx.now,
    }
    try:
        inserted = tx.connection.execute(insert(tasks).values(row).returning(tasks.c.id))
    except IntegrityError:
        raise AtWork from None
    return int(inserted.scalar_one())


def one(tx: Transaction, task_id: int, kind: TaskKind) -> Task | None:
    is_it = and_(tasks.c.id == task_id, tasks.c.kind == kind)
    row = tx.connection.execute(select(tasks).where(is_it)).first()
    return _task(tx, row) if row else None


def latest(
    tx: Transaction, kind: TaskKind, operator_id: int | None = None, limit: int = 10
) -> list[Task]:
    """Returns the newest tasks first, of one operator or of all."""
    rows = select(tasks).where(tasks.c.kind == kind).order_by(tasks.c.id.desc()).limit(limit)
    if operator_id is not None:
        rows = rows.where(tasks.c.operator_id == operator_id)
    return [_task(tx, row) for row in tx.connection.execute(rows)]


def claim(tx: Transaction, task_id: int) -> Task | None:
    """Returns the task, or None if it is over or another worker runs it."""
    claimed = tx.connection.execute(
        update(tasks)
        .where(tasks.c.id == task_id, _is_free(tx))
        .values(state=TaskState.RUNNING, seen_at=tx.now)
        .returning(tasks)
    ).first()
    return _task(tx, claimed) if claimed else None


def progress(tx: Transaction, task: Task, step: TaskStep) -> Task:
    """Stores a step, and returns the task as it is then, which says whether it is to stop. Raises
    Conflict."""
    named_by = (task.operator_id, task.kind, task.made_at)
    return _update(
        tx,
        task,
        done=step.done,
        total=step.total,
        found=tx.vault.encrypt(json.dumps(step.findings), Ciphertext.FOUND, *named_by),
    )


def leave(tx: Transaction, task: Task, state: TaskState) -> None:
    """Ends the task, or sets it to WAITING for the next worker unless it is to stop. Raises
    Conflict."""
    if state is TaskState.WAITING:
        _update(tx, task, state=case((tasks.c.is_to_stop, TaskState.STOPPED), else_=state))
    else:
        _update(tx, task, state=state)


def stop(tx: Transaction, task_id: int) -> None:
    """Stops the task after the step in hand; what it has found stays."""
    waits = tasks.c.state == TaskState.WAITING
    tx.connection.execute(
        update(tasks)
        .where(tasks.c.id == task_id, tasks.c.state.in_(UNFINISHED))
        .values(is_to_stop=True, state=case((waits, TaskState.STOPPED), else_=tasks.c.state))
    )


def due(tx: Transaction) -> list[int]:
    """Returns those that nobody is at."""
    return list(tx.connection.execute(select(tasks.c.id).where(_is_free(tx))).scalars())


def expire(tx: Transaction, kept_for: timedelta) -> None:
    """Fails tasks that have not ended for hours, and deletes old ones with what they say about
    people. `kept_for`: how long texts are kept."""
    is_old = tasks.c.made_at < tx.now - min(kept_for, KEPT_FOR)
    tx.connection.execute(delete(tasks).where(is_old))
    is_stuck = and_(tasks.c.state.in_(UNFINISHED), tasks.c.made_at < tx.now - GIVEN_UP_AFTER)
    tx.connection.execute(update(tasks).where(is_stuck).values(state=TaskState.FAILED))


def _is_free(tx: Transaction) -> Any:
    is_lost = and_(tasks.c.state == TaskState.RUNNING, tasks.c.seen_at < tx.now - LOST_AFTER)
    return or_(tasks.c.state == TaskState.WAITING, is_lost)


def _update(tx: Transaction, task: Task, **values: object) -> Task:
    """Updates the task if it is still this worker's, which `seen_at` shows."""
    is_ours = and_(tasks.c.state == TaskState.RUNNING, tasks.c.seen_at == task.seen_at)
    row = tx.connection.execute(
        update(tasks)
        .where(tasks.c.id == task.id, is_ours)
        .values(**values, seen_at=tx.now)
        .returning(tasks)
    ).first()
    if row is None:
        raise Conflict
    return _task(tx, row)


def _task(tx: Transaction, row: Row[Any]) -> Task:
    named_by = (row.id, row.operator_id, row.kind, row.made_at)
    asked = tx.opened(row.asked, Ciphertext.TASK, *named_by)
    found = tx.opened(row.found, Ciphertext.FOUND, *named_by)
    return Task(
        id=row.id,
        kind=TaskKind(row.kind),
        operator_id=row.operator_id,
        state=TaskState(row.state),
        request=json.loads(asked) if asked else {},
        findings=json.loads(found) if found else None,
        done=row.done,
        total=row.total,
        is_to_stop=row.is_to_stop,
        made_at=row.made_at,
        seen_at=row.seen_at,
    )
