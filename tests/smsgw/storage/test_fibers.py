"""Requests that wait for the same get it by one call; what is one request's own delays no other."""

import resource
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from math import inf

import pytest
from structlog.testing import capture_logs

from smsgw.storage import deadlines, fibers
from smsgw.storage.fibers import DELAY, MOST, SIBLINGS, Arrivals, Fibers
from tests.support.waiting import eventually


class Calls:
    """Runs calls in fibers and returns what comes of them."""

    def __init__(self, pool: ThreadPoolExecutor, delay: float = DELAY) -> None:
        self._fibers = Fibers(pool, delay=delay)

    def run(self, *calls: Callable[[], object]) -> list[object]:
        outcomes: list[Future[object]] = [self.start(call) for call in calls]
        return [each.exception(10) or each.result() for each in outcomes]

    def start(self, call: Callable[[], object]) -> Future[object]:
        outcome = Future[object]()

        def run() -> None:
            try:
                outcome.set_result(call())
            except Exception as error:
                outcome.set_exception(error)

        self._fibers.submit(run)
        return outcome

    def together(self, *calls: Callable[[], object]) -> list[object]:
        """Lets all begin in one round, behind a call that keeps the thread busy."""
        may_go_on = threading.Event()
        busy = self.start(partial(may_go_on.wait, 10))
        outcomes = [self.start(call) for call in calls]
        may_go_on.set()
        assert busy.result(10)
        return [each.exception(10) or each.result() for each in outcomes]


@pytest.fixture
def calls() -> Iterator[Calls]:
    with ThreadPoolExecutor(2) as pool:
        yield Calls(pool)


class Doubles:
    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()

    def __call__(self, items: Sequence[int]) -> list[int | BaseException]:
        self.batches.append(list(items))
        self.threads.add(threading.current_thread().name)
        if 13 in items:
            raise ValueError("thirteen")
        return [LookupError("four") if each == 4 else each * 2 for each in items]


def test_one_call_serves_all_that_wait_for_the_same(calls: Calls) -> None:
    run = Doubles()
    asked = [partial(fibers.combine, "key", number, run) for number in (1, 2, 3)]
    assert calls.together(*asked) == [2, 4, 6]
    assert (run.batches, run.threads) == ([[1, 2, 3]], {"fibers"})


def test_what_differs_is_called_for_separately(calls: Calls) -> None:
    run, other = Doubles(), Doubles()
    asked = [("a", 1, run), ("b", 2, other), ("a", 3, run)]
    assert calls.together(*(partial(fibers.combine, *each) for each in asked)) == [2, 4, 6]
    assert (run.batches, other.batches) == ([[1, 3]], [[2]])


def test_a_failure_for_one_is_raised_there_alone(calls: Calls) -> None:
    one, four, three = calls.together(
        *(partial(fibers.combine, "key", number, Doubles()) for number in (1, 4, 3))
    )
    assert (one, three) == (2, 6)
    assert isinstance(four, LookupError)


def test_a_failure_of_the_call_is_raised_for_all_and_ends_nothing(calls: Calls) -> None:
    run = Doubles()
    failed = calls.together(*(partial(fibers.combine, "key", each, run) for each in (1, 13)))
    assert [type(each) for each in failed] == [ValueError, ValueError]
    assert calls.run(partial(fibers.combine, "key", 1, run)) == [2]


def test_a_fiber_may_wait_again(calls: Calls) -> None:
    run = Doubles()

    def twice(number: int) -> int:
        return fibers.combine("second", fibers.combine("first", number, run), run)

    assert calls.together(*(partial(twice, number) for number in (1, 3))) == [4, 12]
    assert run.batches == [[1, 3], [2, 6]]


def test_what_comes_meanwhile_begins_together_once_none_waits(calls: Calls) -> None:
    run = Doubles()
    later: list[Future[object]] = []

    def run_and_start(number: int, items: Sequence[int]) -> list[int | BaseException]:
        later.append(calls.start(partial(fibers.combine, "key", number, run)))
        return list(items)

    def twice() -> None:
        fibers.combine("first", 0, partial(run_and_start, 5))
        fibers.combine("second", 0, partial(run_and_start, 7))

    calls.run(twice)
    assert [each.result(10) for each in later] == [10, 14]
    assert run.batches == [[5, 7]]


def test_a_round_waits_until_as_many_have_come_as_before() -> None:
    run = Doubles()
    asked = [partial(fibers.combine, "key", number, run) for number in range(20, 20 + SIBLINGS)]
    with ThreadPoolExecutor(1) as pool:
        calls = Calls(pool, delay=60)
        calls.together(*asked)
        answered = []
        for each in asked:
            time.sleep(0.01)
            answered.append(calls.start(each))
        assert [each.result(30) for each in answered] == [40, 42, 44, 46]
    assert run.batches == [[20, 21, 22, 23]] * 2


def test_who_waits_for_several_sleeps_until_they_have_come() -> None:
    arrivals = Arrivals()

    def take() -> tuple[list[object], int]:
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        calls = arrivals.take(10, 10, 60.0)
        woken = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before
        return [call() for call in calls], woken

    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(take)
        for number in range(10):
            time.sleep(0.01)
            assert not taken.done()
            arrivals.put(partial(int, number))
        found, woken = taken.result(10)
    assert found == list(range(10))
    assert woken < 5  # once, and what Python itself may need


def test_who_waits_for_several_goes_on_with_fewer_when_the_time_is_over() -> None:
    arrivals = Arrivals()
    arrivals.put(partial(int, 5))
    assert [call() for call in arrivals.take(10, 4, 0.01)] == [5]
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(arrivals.take, 10, 4, 0.01)
        time.sleep(0.05)
        assert not taken.done()
        arrivals.put(partial(int, 6))
        assert [call() for call in taken.result(10)] == [6]


def test_no_more_is_taken_than_was_asked_for() -> None:
    arrivals = Arrivals()
    for number in range(5):
        arrivals.put(partial(int, number))
    assert [call() for call in arrivals.take(3, 1, 0.0)] == [0, 1, 2]
    assert [call() for call in arrivals.take(3, 1, 0.0)] == [3, 4]


def test_more_than_a_round_takes_are_all_served(calls: Calls) -> None:
    run = Doubles()
    numbers = list(range(100, 100 + MOST + 5))
    asked = [partial(fibers.combine, "key", number, run) for number in numbers]
    assert calls.together(*asked) == [2 * each for each in numbers]
    assert max(map(len, run.batches)) <= MOST


def test_what_runs_in_the_pool_delays_no_other(calls: Calls) -> None:
    may_end = threading.Event()
    slow = calls.start(partial(fibers.in_pool, partial(may_end.wait, 10)))
    assert calls.run(partial(fibers.combine, "key", 1, Doubles())) == [2]
    assert not slow.done()
    may_end.set()
    assert slow.result(10) is True


def test_a_failure_in_the_pool_is_raised_in_the_fiber(calls: Calls) -> None:
    (failed,) = calls.run(partial(fibers.in_pool, partial(int, "x")))
    assert isinstance(failed, ValueError)


def test_each_fiber_has_its_own_deadline_and_keeps_it_in_the_pool(calls: Calls) -> None:
    def left(seconds: float) -> list[float]:
        with deadlines.within(seconds):
            seen = [deadlines.left(inf)]
            fibers.combine("key", 1, Doubles())
            return [*seen, deadlines.left(inf), fibers.in_pool(partial(deadlines.left, inf))]

    first, second, without = calls.together(
        partial(left, 100), partial(left, 1000), partial(deadlines.left, inf)
    )
    assert all(90 < each <= 100 for each in first)
    assert all(990 < each <= 1000 for each in second)
    assert without == inf


def test_what_nobody_waits_for_is_called_once_at_the_end_of_the_round(calls: Calls) -> None:
    made: list[str] = []

    def ask(key: str) -> tuple[object, list[str]]:
        return fibers.once_at_end(key, partial(made.append, key)), list(made)

    asked = calls.together(*(partial(ask, key) for key in ("a", "b", "a")))
    assert asked == [(None, [])] * 3
    eventually(lambda: len(made) == 2)
    assert sorted(made) == ["a", "b"]


def test_a_failure_at_the_end_of_a_round_ends_nothing(calls: Calls) -> None:
    with capture_logs() as logged:
        assert calls.together(partial(fibers.once_at_end, "a", lambda: 1 // 0)) == [None]
        assert calls.run(lambda: "goes on") == ["goes on"]
    assert [isinstance(each["exc_info"], ZeroDivisionError) for each in logged] == [True]


def test_outside_a_fiber_all_is_done_at_once() -> None:
    run = Doubles()
    assert fibers.combine("key", 3, run) == 6
    assert run.threads == {threading.current_thread().name}
    with pytest.raises(LookupError):
        fibers.combine("key", 4, run)
    assert fibers.in_pool(threading.current_thread) is threading.current_thread()
