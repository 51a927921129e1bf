"""An id begins with the month in which its row was made."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from smsgw.messaging import inbox
from smsgw.runtime import Runtime
from smsgw.storage.monthly_ids import (
    MONTH,
    begins,
    first_id,
    first_id_after,
    free_ids,
    month_of,
    months_between,
    next_month,
    sequence_of,
)
from smsgw.storage.tables.messages import replies
from tests.conftest import on_sqlite

NOVEMBER = datetime(2026, 11, 29, tzinfo=UTC)


def test_the_month_is_that_of_utc() -> None:
    edge = datetime(2026, 12, 1, tzinfo=UTC)
    assert first_id(edge) == 2612 * MONTH
    assert first_id(edge - timedelta(microseconds=1)) == 2611 * MONTH
    jakarta = timezone(timedelta(hours=7))
    assert month_of(datetime(2026, 12, 1, 6, 59, tzinfo=jakarta)) == 2611


@pytest.mark.parametrize(("year", "month"), [(1970, 1), (2025, 12)])
def test_before_there_were_months_ids_are_plain(year: int, month: int) -> None:
    assert first_id(datetime(year, month, 1, tzinfo=UTC)) == 0


def test_months_follow_each_other_across_a_year() -> None:
    assert [next_month(2611), next_month(2612)] == [2612, 2701]
    assert months_between(2511, 2611 * MONTH) == [0, *range(2601, 2612)]
    assert months_between(2611 * MONTH + 1, 2701 * MONTH) == [2611, 2612, 2701]
    assert begins(2612) == datetime(2026, 12, 1, tzinfo=UTC)
    assert first_id_after(NOVEMBER) == 2612 * MONTH
    assert first_id_after(datetime(2026, 12, 31, tzinfo=UTC)) == 2701 * MONTH
    assert first_id_after(datetime(2025, 3, 1, tzinfo=UTC)) == 2601 * MONTH


def test_a_reference_names_the_number_behind_the_month() -> None:
    id_ = first_id(NOVEMBER) + 4711
    assert sequence_of(id_) == 4711
    assert inbox.reference(id_) == inbox.reference(4711)
    assert inbox.sequence(inbox.reference(id_)) == 4711


@on_sqlite
def test_numbers_count_on_from_one_month_to_the_next(rt: Runtime) -> None:
    """Also where the clock was set back over the edge of a month."""
    with rt.writing() as tx:
        assert list(free_ids(tx.connection, replies, 0, 2)) == [1, 2]
        values = {"message_id": 1, "phone_id": 1, "carrier": "c", "sender_id": "1", "segments": 1}
        values |= {"encoding": "GSM-7", "state": "sent", "priority": 0, "attempts": 0}
        values |= {"made_at": tx.now, "expires_at": tx.now, "id": 2611 * MONTH + 7}
        tx.connection.execute(replies.insert().values(values))
        assert free_ids(tx.connection, replies, 2612 * MONTH, 1)[0] == 2612 * MONTH + 8
        assert free_ids(tx.connection, replies, 2610 * MONTH, 1)[0] == 2611 * MONTH + 8
