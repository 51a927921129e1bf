"""Runs many trials side by side, each in a slot, one child of a slot at a time."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from tools.mutants import children
from tools.mutants.children import Child, Task

REST = 0.02  # seconds between two looks at the children

Result = TypeVar("Result")
Steps = Generator[Task, bool, Result]  # see trials.py


@dataclass
class _Slot(Generic[Result]):
    steps: Steps[Result]
    child: Child


def side_by_side(starts: Iterable[Callable[[int], Steps[Result]]], jobs: int) -> Iterator[Result]:
    """Returns what each returns, in the order they end. `starts` take the number of their slot.

    What one of them raises ends all, and the children with them.
    """
    waiting = iter(starts)
    slots: dict[int, _Slot[Result]] = {}
    try:
        while True:
            yield from _filled(slots, waiting, jobs)
            if not slots:
                return
            yield from _advanced(slots)
            time.sleep(REST)
    finally:
        for slot in slots.values():
            slot.child.stop()
            slot.steps.close()


def _filled(
    slots: dict[int, _Slot[Result]], waiting: Iterator[Callable[[int], Steps[Result]]], jobs: int
) -> Iterator[Result]:
    """Starts the next in each free slot."""
    for number in range(jobs):
        while number not in slots:
            start = next(waiting, None)
            if start is None:
                return
            steps = start(number)
            try:
                slots[number] = _Slot(steps, children.start(next(steps)))
            except StopIteration as end:  # it had nothing to do
                yield end.value


def _advanced(slots: dict[int, _Slot[Result]]) -> Iterator[Result]:
    """Tells each whose child has ended, and starts the next one."""
    for number, slot in list(slots.items()):
        is_good = slot.child.is_good()
        if is_good is None:
            continue
        try:
            slot.child = children.start(slot.steps.send(is_good))
        except StopIteration as end:
            del slots[number]
            yield end.value
