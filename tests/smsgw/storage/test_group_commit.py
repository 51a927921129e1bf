"""Several threads' work is done by one of them; what fails is each thread's own again."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from smsgw.storage import deadlines
from smsgw.storage.group_commit import (
    SIBLINGS,
    Alone,
    CallCoalescer,
    GroupCommit,
    TookTooLong,
)
from tests.support.waiting import LONGEST, eventually

OWNER = object()


class Work:
    """Doubles numbers; the first batch waits until it may end."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_end = Event()

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        if len(self.batches) == 1:
            self.may_end.wait(LONGEST)
        if 13 in items:
            raise ValueError("thirteen")
        return [LookupError(str(each)) if each == 4 else each * 2 for each in items]


def run(
    group: GroupCommit, work: Work, items: Sequence[tuple[object, object, int]]
) -> list[object]:
    """Returns the results of a first item, and of those that came while it was worked on."""
    with ThreadPoolExecutor(len(items) + 1) as pool:
        first = pool.submit(group.join, OWNER, "first", 0, work)
        eventually(lambda: len(work.batches) == 1)
        others = []
        for number, (owner, key, item) in enumerate(items):
            others.append(pool.submit(group.join, owner, key, item, work))
            eventually(lambda wanted=number + 1: group.waiting == wanted)
        work.may_end.set()
    return [each.exception() or each.result() for each in (first, *others)]


def test_what_comes_meanwhile_goes_together() -> None:
    work = Work()
    assert run(GroupCommit(), work, [(OWNER, n, n) for n in (1, 2, 3)]) == [0, 2, 4, 6]
    assert work.batches == [[0], [1, 2, 3]]


def test_nothing_waits_for_company() -> None:
    work = Work()
    work.may_end.set()
    group = GroupCommit()
    assert [group.join(OWNER, n, n, work) for n in (1, 2)] == [2, 4]
    assert work.batches == [[1], [2]]


def test_after_a_large_batch_the_next_one_waits_for_company() -> None:
    work, group = Work(), GroupCommit(delay=1.0)
    run(group, work, [(OWNER, n, n) for n in range(20, 20 + SIBLINGS)])
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(group.join, OWNER, 1, 1, work)
        eventually(lambda: group.waiting == 1)
        second = pool.submit(group.join, OWNER, 2, 2, work)
        assert (first.result(), second.result()) == (2, 4)
    assert work.batches[-1] == [1, 2]


def test_two_of_one_key_are_in_two_batches_in_their_order() -> None:
    work = Work()
    assert run(GroupCommit(), work, [(OWNER, "same", 1), (OWNER, "same", 2)]) == [0, 2, 4]
    assert work.batches == [[0], [1], [2]]


def test_a_batch_is_of_one_owner_and_no_larger_than_it_may_be() -> None:
    work, other = Work(), object()
    items = [(OWNER, 1, 1), (other, 2, 2), (OWNER, 3, 3), (OWNER, 5, 5)]
    assert run(GroupCommit(most=2), work, items) == [0, 2, 4, 6, 10]
    assert work.batches == [[0], [1, 3], [2], [5]]


def test_an_item_that_fails_harms_no_other() -> None:
    work = Work()
    made = run(GroupCommit(), work, [(OWNER, n, n) for n in (1, 4, 3)])
    assert [made[1], type(made[2]), made[3]] == [2, LookupError, 6]


def test_a_batch_that_fails_leaves_each_to_its_own_thread() -> None:
    made = run(GroupCommit(), Work(), [(OWNER, n, n) for n in (1, 13)])
    assert [type(each) for each in made[1:]] == [Alone, Alone]


def test_who_fails_alone_is_told_why() -> None:
    work = Work()
    work.may_end.set()
    with pytest.raises(ValueError, match="thirteen"):
        GroupCommit().join(OWNER, 13, 13, work)


def test_who_has_no_time_left_leaves_and_the_others_go_on() -> None:
    work, group = Work(), GroupCommit()

    def hurried() -> int:
        with deadlines.within(0.2):
            return group.join(OWNER, "hurried", 7, work)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(group.join, OWNER, "first", 1, work)
        eventually(lambda: len(work.batches) == 1)
        late = pool.submit(hurried)
        assert isinstance(late.exception(LONGEST), TookTooLong)
        after = pool.submit(group.join, OWNER, "after", 2, work)
        eventually(lambda: group.waiting == 1)
        work.may_end.set()
        assert (first.result(LONGEST), after.result(LONGEST)) == (2, 4)
    assert work.batches == [[1], [2]]


def test_a_thread_at_work_does_another_item_by_itself() -> None:
    group = GroupCommit()

    def nested(items: Sequence[int]) -> list[int]:
        with pytest.raises(Alone):
            group.join(OWNER, "inner", 1, nested)
        return list(items)

    assert group.join(OWNER, "outer", 5, nested) == 5


def test_one_call_is_made_for_all_who_wait_for_the_same() -> None:
    calls, may_end, coalesced = [], Event(), CallCoalescer()

    def work() -> bool:
        calls.append(1)
        may_end.wait(LONGEST)
        return True

    with ThreadPoolExecutor(12) as pool:
        pool.submit(coalesced.call, "sender_id", work)
        eventually(lambda: len(calls) == 1)
        others = [pool.submit(coalesced.call, "sender_id", work) for _ in range(10)]
        eventually(lambda: sum(each.done() for each in others) == 9)
        may_end.set()
        assert all(each.result(LONGEST) for each in others)
    assert len(calls) == 2
