import threading
from concurrent.futures import ThreadPoolExecutor

from smsgw.storage.delivery_locks import DeliveryLocks
from tests.support.waiting import LONGEST


def test_a_delivery_waits_for_another_of_the_same_message() -> None:
    locks, has_begun, may_end = DeliveryLocks(), threading.Event(), threading.Event()
    ended = []

    def first() -> None:
        with locks.hold("twilio:SM1"):
            has_begun.set()
            may_end.wait(LONGEST)
            ended.append("first")

    def again() -> None:
        with locks.hold("twilio:SM1"):
            ended.append("again")

    with ThreadPoolExecutor(3) as pool:
        begun = pool.submit(first)
        has_begun.wait(LONGEST)
        waiting = [pool.submit(again) for _ in range(2)]
        with locks.hold("twilio:SM2"):
            assert not any(each.done() for each in waiting)
        may_end.set()
        for each in (begun, *waiting):
            each.result(LONGEST)
    assert ended == ["first", "again", "again"]


def test_a_delivery_that_failed_lets_the_next_one_begin() -> None:
    locks = DeliveryLocks()
    for _ in range(2):
        try:
            with locks.hold("twilio:SM1"):
                raise ValueError
        except ValueError:
            continue
    with locks.hold("twilio:SM1"):
        pass
