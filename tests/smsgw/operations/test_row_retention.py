"""Old rows are deleted once figures do not need them any more; a message that comes again is known
for eight days."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, text, update

from smsgw import responder
from smsgw.carriers.carrier import Delivery, IncomingSms, Report
from smsgw.messaging import delivery_reports, dispatch
from smsgw.messaging.answer import Answer, NotStored
from smsgw.messaging.hourly_counts import Tallies
from smsgw.operations import integrity, metrics
from smsgw.operations.row_retention import RowRetention
from smsgw.runtime import Runtime
from smsgw.storage import keys, partitions
from smsgw.storage.clock_check import ClockCheck
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.messages import attempts, message_refs, messages, replies
from smsgw.storage.tables.security import audit
from tests.conftest import P1, Clock
from tests.support.batches import together
from tests.support.conversation import count_rows, say

START = datetime(2026, 2, 27, 12, tzinfo=UTC)
ROWS = (messages, replies, attempts)


@pytest.fixture
def lived(rt: Runtime, clock: Clock) -> Iterator[Runtime]:
    """Answers a message in each of February and March 2026."""
    clock.now = START
    retire(rt)
    for text_ in ("SALDO", "IURAN"):
        say(rt, P1, text_)
        dispatch.drain(rt, "simulator", "2757")
        count(rt)
        clock.moves(days=4)
    yield rt
    if partitions.has_partitions(rt.service):
        with rt.service.connect() as connection:
            made = partitions.months(connection)
        for month in made:
            partitions.drop(rt.service, month)


def retire(rt: Runtime) -> int:
    looks, deleted = RowRetention(rt), 0
    while rows := looks.step():
        deleted += rows
    return deleted


def count(rt: Runtime) -> None:
    counting = Tallies(rt)
    while counting.step():
        pass


def figures(rt: Runtime) -> list[str]:
    """Returns the counters, and what nobody got."""
    lines = metrics.text(rt).decode().splitlines()
    names = ("_total{", "_bucket{", "_sum{", "smsgw_replies_lost ", "smsgw_undelivered{")
    return sorted(line for line in lines if any(name in line for name in names))


def left(rt: Runtime) -> list[int]:
    return [count_rows(rt, table) for table in ROWS]


def test_a_month_is_deleted_when_it_is_over_and_figures_stay(lived: Runtime, clock: Clock) -> None:
    before, audited = figures(lived), count_rows(lived, audit)
    clock.now = datetime(2027, 2, 28, 23, tzinfo=UTC)
    retire(lived)
    assert left(lived) == [2, 2, 2]
    clock.now = datetime(2027, 3, 1, 2, tzinfo=UTC)
    retire(lived)
    assert left(lived) == [1, 1, 1]
    with lived.reading() as tx:
        assert tx.connection.execute(select(messages.c.keyword)).scalars().all() == ["iuran"]
    assert figures(lived) == before
    assert any('keyword="saldo"' in line for line in before)
    assert count_rows(lived, audit) == audited


def test_what_is_not_in_the_sums_yet_is_kept(lived: Runtime, clock: Clock) -> None:
    with lived.writing() as tx:
        tx.connection.execute(text("UPDATE tallies SET messages = -1 WHERE carrier = ''"))
    clock.now = datetime(2027, 3, 1, 2, tzinfo=UTC)
    retire(lived)
    assert left(lived) == [2, 2, 2]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_month_with_a_message_that_is_owed_an_answer_is_kept(
    lived: Runtime, clock: Clock
) -> None:
    first = messages.c.keyword == "saldo"
    with lived.writing() as tx:
        tx.connection.execute(update(messages).where(first).values(state="received"))
    clock.now = datetime(2027, 3, 1, 2, tzinfo=UTC)
    retire(lived)
    assert left(lived) == [2, 2, 2]
    with lived.writing() as tx:
        tx.connection.execute(update(messages).where(first).values(state="failed"))
    clock.moves(hours=1)
    retire(lived)
    assert left(lived) == [1, 1, 1]


def test_the_message_of_an_open_case_is_kept(lived: Runtime, clock: Clock) -> None:
    with lived.writing() as tx:
        first = tx.connection.execute(select(messages).order_by(messages.c.id)).first()
        assert first is not None
        case = {"number": "ADU-260227-0001", "kind": "complaint", "phone_id": first.phone_id}
        case |= {"message_id": first.id, "opened_at": tx.now, "text_hash": first.text_hash}
        tx.connection.execute(cases.insert().values(case))
    clock.now = datetime(2027, 3, 1, 2, tzinfo=UTC)
    retire(lived)
    with lived.reading() as tx:
        kept = tx.connection.execute(select(messages.c.keyword)).scalars().all()
    assert "saldo" in kept


def test_a_late_report_counts_in_the_hour_of_its_message(lived: Runtime, clock: Clock) -> None:
    with lived.reading() as tx:
        newest = tx.connection.execute(select(attempts.c.id).order_by(attempts.c.id.desc()))
        attempt = newest.scalars().first()
    assert attempt is not None
    with lived.writing() as tx:
        report = Report("simulator", attempt, Delivery.UNDELIVERED, code="30003")
        assert delivery_reports.apply_report(tx, report)
    count(lived)
    assert 'smsgw_undelivered{carrier="simulator",code="30003"} 1.0' in figures(lived)


def test_whose_partner_was_deleted_is_no_finding(lived: Runtime, clock: Clock) -> None:
    """A reply of March to a message of February, and its attempt."""
    with lived.writing() as tx:
        ids = tx.connection.execute(select(messages.c.id).order_by(messages.c.id)).scalars().all()
        late = replies.c.message_id == ids[1]
        tx.connection.execute(update(replies).where(late).values(message_id=ids[0]))
    clock.now = datetime(2027, 3, 1, 2, tzinfo=UTC)

    def findings() -> list[str]:
        with lived.reading(streams=True) as tx:
            since = lived.rows_since
            return [
                each
                for each in integrity.findings(tx, keys.key_wrapper(lived.settings), since)
                if "names a row" in each
            ]

    assert findings() == []
    retire(lived)
    assert left(lived) == [1, 1, 1]
    assert findings() == []
    with lived.writing() as tx:
        tx.connection.execute(replies.delete())
    (found,) = findings()
    assert found.startswith("attempts: row ")


def test_what_was_deleted_is_no_finding_where_more_months_are_kept_later(
    lived: Runtime, clock: Clock
) -> None:
    with lived.writing() as tx:
        ids = tx.connection.execute(select(messages.c.id).order_by(messages.c.id)).scalars().all()
        late = replies.c.message_id == ids[1]
        tx.connection.execute(update(replies).where(late).values(message_id=ids[0]))
    clock.now = datetime(2027, 3, 1, 2, tzinfo=UTC)
    retire(lived)
    assert left(lived) == [1, 1, 1]
    longer = replace(lived, settings=lived.settings.model_copy(update={"row_months": 24}))
    with lived.reading(streams=True) as tx:
        found = integrity.findings(tx, keys.key_wrapper(lived.settings), longer.rows_since)
        assert [each for each in found if "names a row" in each] == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_nothing_is_deleted_while_the_clock_is_wrong(lived: Runtime, clock: Clock) -> None:
    clock.now = datetime(2027, 3, 1, 2, tzinfo=UTC)
    ahead = ClockCheck(lived.service, lambda: datetime.now(UTC) + timedelta(minutes=5))
    retire(replace(lived, clock_check=ahead))
    assert left(lived) == [2, 2, 2]


# A message that comes again.


def comes(rt: Runtime, sender: str = P1, said: str = "SALDO") -> Answer | None:
    return responder.respond(rt, IncomingSms("simulator", "once", sender, "2757", said))


def test_a_message_is_known_for_eight_days(rt: Runtime, clock: Clock) -> None:
    assert comes(rt) is not None
    say(rt, P1, "INFO")  # else it would be known as the last one
    clock.moves(days=7, hours=23, minutes=59)
    retire(rt)
    assert comes(rt) is None
    clock.moves(minutes=2)
    retire(rt)
    assert comes(rt) is not None
    assert count_rows(rt, message_refs) == 1
    assert count_rows(rt, messages) == 3


def test_a_message_that_comes_twice_at_one_instant_is_answered_once(rt: Runtime) -> None:
    """Also where nobody knows yet that both are of one phone."""
    made = together(rt, [lambda: comes(rt, P1), lambda: comes(rt, "+6281299990000")])
    answers = [each.result() for each in made]
    assert sum(each is not None for each in answers) == 1
    assert (count_rows(rt, messages), count_rows(rt, message_refs)) == (1, 1)
    assert count_rows(rt, replies) == 1


def test_the_name_of_a_message_is_kept_only_with_the_message(rt: Runtime) -> None:
    """What fails behind it leaves nothing, and the carrier delivers the message again."""

    def fails(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "INSERT INTO audit" in statement:
            raise NotStored

    event.listen(rt.service, "before_cursor_execute", fails)
    with pytest.raises(NotStored):
        comes(rt)
    event.remove(rt.service, "before_cursor_execute", fails)
    assert (count_rows(rt, messages), count_rows(rt, message_refs)) == (0, 0)
    assert comes(rt) is not None
