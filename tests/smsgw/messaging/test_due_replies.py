"""Checks how replies are taken, and that on PostgreSQL a send takes two statements."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event, select

from smsgw.messaging import dispatch, due_replies
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import attempts
from tests.conftest import Clock
from tests.support.sender_ids import SENDER_ID, receive, states

CARRIER = "simulator"


def test_replies_are_taken_once_in_their_order_each_with_its_attempt(
    rt: Runtime, clock: Clock
) -> None:
    receive(rt, clock, 5)
    with rt.writing() as tx:
        first = due_replies.take(tx, CARRIER, SENDER_ID, 3, tx.now)
        second = due_replies.take(tx, CARRIER, SENDER_ID, 3, tx.now)
        begun = dict(tx.connection.execute(select(attempts.c.id, attempts.c.reply_id)).all())
    taken = [*first, *second]
    assert (len(first), len(second)) == (3, 2)
    assert [row.id for row in taken] == sorted(begun.values())
    assert {row.attempt_id: row.id for row in taken} == begun
    assert {row.attempts for row in taken} == {1}
    assert states(rt) == ["sending"] * 5


def test_what_is_past_its_use_is_not_taken(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock)
    with rt.writing() as tx:
        later = tx.now + timedelta(days=1)
        assert not due_replies.take(tx, CARRIER, SENDER_ID, 3, later)
        assert due_replies.take(tx, CARRIER, SENDER_ID, 3, tx.now)


def test_what_another_takes_at_the_same_time_is_left_to_them(rt: Runtime, clock: Clock) -> None:
    receive(rt, clock, 3)
    if rt.service.dialect.name == "sqlite":
        with rt.writing() as tx:
            assert len(due_replies.take(tx, CARRIER, SENDER_ID, 2, tx.now)) == 2
        return
    with rt.writing() as one, rt.writing() as other:
        first = due_replies.take(one, CARRIER, SENDER_ID, 2, one.now)
        second = due_replies.take(other, CARRIER, SENDER_ID, 2, other.now)
    assert {row.id for row in first}.isdisjoint(row.id for row in second)
    assert (len(first), len(second)) == (2, 1)


def test_replies_are_claimed_and_recorded_in_a_statement_each_on_postgresql(
    rt: Runtime, clock: Clock
) -> None:
    receive(rt, clock, dispatch.AT_LEAST)
    written: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "UPDATE" in statement or "INSERT" in statement:
            written.append(statement)

    event.listen(rt.service, "before_cursor_execute", note)
    dispatch.drain(rt, CARRIER, SENDER_ID)
    event.remove(rt.service, "before_cursor_execute", note)
    assert set(states(rt)) == {"sent"}
    claims = [each for each in written if "due" in each and "sent_attempts" not in each]
    if rt.service.dialect.name == "postgresql":
        assert len(claims) == 2  # the second finds no more
        assert all("UPDATE replies" in each for each in written)
        return
    assert any(each.startswith("INSERT INTO attempts") for each in written)
