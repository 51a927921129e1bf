"""Each month's rows are in partitions of their own, which are there before the month is."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, insert, select, text

from smsgw.cli import doctor
from smsgw.messaging import dispatch, due_replies
from smsgw.operations import metrics
from smsgw.runtime import Runtime
from smsgw.storage import partitions
from smsgw.storage.monthly_ids import MONTH
from smsgw.storage.tables.messages import messages
from smsgw.storage.transaction import Transaction
from tests.conftest import P1, Clock
from tests.support.conversation import say

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
EDGE = datetime(2027, 3, 1, tzinfo=UTC)


@pytest.fixture
def spring(rt: Runtime, clock: Clock) -> Iterator[Runtime]:
    """Lets it be a second before March 2027, with partitions."""
    clock.now = EDGE - timedelta(seconds=1)
    make(rt, clock.now)
    yield rt
    with rt.service.connect() as connection:
        made = partitions.months(connection)
    for month in made:
        partitions.drop(rt.service, month)


def make(rt: Runtime, now: datetime) -> list[int]:
    with rt.service.connect() as connection:
        missing = partitions.missing(connection, now)
    partitions.make(rt.service, missing)
    return missing


def places(rt: Runtime, table: str) -> Counter[str]:
    """Counts the rows of a table by partition."""
    with rt.reading() as tx:
        found = f"SELECT tableoid::regclass::text FROM {table}"
        return Counter(tx.connection.execute(text(found)).scalars())


def test_partitions_are_made_ahead_and_once(spring: Runtime, clock: Clock) -> None:
    with spring.service.connect() as connection:
        assert {2702, 2703, 2704} <= partitions.months(connection)
    assert make(spring, clock.now) == []
    assert make(spring, EDGE) == [2705]


def test_rows_are_in_the_partition_of_their_month(spring: Runtime, clock: Clock) -> None:
    first = say(spring, P1, "SALDO")
    dispatch.drain(spring, "simulator", "2757")
    clock.now = EDGE
    second = say(spring, P1, "IURAN")
    dispatch.drain(spring, "simulator", "2757")
    assert (first.message_id // MONTH, second.message_id // MONTH) == (2702, 2703)
    for table in partitions.TABLES:
        assert places(spring, table) == {f"{table}_2702": 1, f"{table}_2703": 1}


def test_a_reply_is_sent_and_reported_in_the_next_month(spring: Runtime, clock: Clock) -> None:
    say(spring, P1, "SALDO")
    clock.now = EDGE
    dispatch.drain(spring, "simulator", "2757")
    assert places(spring, "replies") == {"replies_2702": 1}
    assert places(spring, "attempts") == {"attempts_2703": 1}


def test_a_row_without_a_partition_is_kept_and_moves_once_there_is_one(
    spring: Runtime, clock: Clock
) -> None:
    clock.now = datetime(2027, 9, 5, tzinfo=UTC)
    answer = say(spring, P1, "SALDO")
    assert places(spring, "messages") == {"messages_default": 1}
    with spring.service.connect() as connection:
        assert partitions.strays(connection) == [2709]
    partitions.make(spring.service, [2709])
    assert places(spring, "messages") == {"messages_2709": 1}
    assert places(spring, "replies") == {"replies_2709": 1}
    with spring.reading() as tx:
        assert tx.connection.execute(select(messages.c.id)).scalars().all() == [answer.message_id]


def test_a_plain_insert_has_an_id_of_its_month(rt: Runtime) -> None:
    values = {"carrier": "c", "carrier_ref": "1", "sender_id": "1", "outcome": "answered"}
    values |= {"received_at": datetime.now(UTC), "state": "answered"}
    with rt.writing() as tx:
        made = insert(messages).values(values).returning(messages.c.id)
        month = tx.connection.execute(made).scalar_one() // MONTH
        assert month == tx.connection.execute(text("SELECT to_char(now(), 'YYMM')::int")).scalar()


@contextmanager
def held(rt: Runtime) -> Iterator[None]:
    """Reads messages for long, as a pg_dump does."""
    with rt.service.connect() as reader:
        reader.exec_driver_sql("SELECT * FROM messages")
        yield


def test_whoever_reads_for_long_is_not_waited_for(spring: Runtime) -> None:
    with held(spring), pytest.raises(partitions.Busy):
        partitions.make(spring.service, [2712])
    with spring.service.connect() as connection:
        assert 2712 not in partitions.months(connection)


def test_a_look_up_by_id_opens_one_partition(spring: Runtime) -> None:
    """Those of other months are neither locked nor read."""
    with spring.service.connect() as connection:
        plan = connection.exec_driver_sql(
            f"EXPLAIN SELECT * FROM messages WHERE id = {2703 * MONTH + 5}"
        ).scalars()
        assert {each for each in map(_table, plan) if each} == {"messages_2703"}


def test_a_join_reads_the_partition_that_an_id_leads_to(spring: Runtime, clock: Clock) -> None:
    say(spring, P1, "SALDO")
    with spring.service.connect() as connection:
        lines = connection.exec_driver_sql(
            "EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM phones LEFT JOIN messages "
            "ON messages.id = phones.last_message_id"
        ).scalars()
        read = [line for line in lines if "on messages_" in line and "never executed" not in line]
    assert len(read) <= 1 or all("Seq Scan" in line for line in read), read


def _table(line: str) -> str | None:
    return line.partition(" on ")[2].split(" ")[0] or None


def test_a_claim_looks_into_the_last_two_months(spring: Runtime, clock: Clock) -> None:
    """Of a year of partitions, PostgreSQL opens those that can hold a reply of use, with any plan
    that it keeps; and what it takes it finds by id, not among all that is queued."""
    partitions.make(spring.service, range(2605, 2613))
    with spring.writing() as tx:
        tx.connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        with explained(tx) as plan:
            due_replies.take(tx, "simulator", "2757", 10, tx.now)
    taken = "\n".join(plan).partition("CTE begun")[0]
    assert set(re.findall(r"Scan.* on replies_(\d+|default)", taken)) <= {
        *("2701", "2702", "2703", "2704", "default")
    }
    assert "Subplans Removed: 8" in taken
    assert "queued" not in taken.partition("CTE taken")[2]


@contextmanager
def explained(tx: Transaction) -> Iterator[list[str]]:
    """Prepares the only statement that runs, and collects its plan."""
    lines: list[str] = []

    def explain(_c: object, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
        for place, name in enumerate(names, 1):
            statement = statement.replace(f"%({name})s", f"${place}")
        prepared = cursor.connection.cursor()
        prepared.execute(f"PREPARE it AS {statement}")
        values = ", ".join(["%s"] * len(names))
        given = psycopg.ClientCursor(cursor.connection)
        given.execute(f"EXPLAIN EXECUTE it ({values})", [parameters[name] for name in names])
        lines.extend(row[0] for row in given.fetchall())

    event.listen(tx.connection, "before_cursor_execute", explain)
    yield lines
    event.remove(tx.connection, "before_cursor_execute", explain)


def test_a_month_without_a_partition_shows_in_the_metrics(spring: Runtime, clock: Clock) -> None:
    assert "smsgw_months_without_partition 0.0" in metrics.text(spring).decode()
    clock.now = datetime(2027, 9, 5, tzinfo=UTC)
    say(spring, P1, "SALDO")
    assert "smsgw_months_without_partition 2.0" in metrics.text(spring).decode()


def test_the_doctor_names_a_month_without_a_partition(spring: Runtime, clock: Clock) -> None:
    assert doctor.CHECKS["partitions"](spring) is None
    clock.now = datetime(2027, 4, 5, tzinfo=UTC)
    fault = doctor.CHECKS["partitions"](spring)
    assert fault is not None
    assert fault.startswith("there are none for 2027-05; run smsgw migrate")
