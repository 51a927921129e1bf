"""Many rows go in one statement, and come back in their order."""

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import IntegrityError

from smsgw.runtime import Runtime
from smsgw.storage.bulk import BulkIds, BulkInsert, BulkUpdate, Write, write_all
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.types import Id
from smsgw.storage.transaction import Conflict

INSERT = BulkInsert(phones, "hash", "number", "version", "stopped_at")
UPDATE = BulkUpdate(
    {"which": Id, "read": Id, "at": phones.c.stopped_at.type},
    lambda row: (
        update(phones)
        .where(phones.c.id == row["which"], phones.c.version == row["read"])
        .values(
            version=phones.c.version + 1, stopped_at=func.coalesce(row["at"], phones.c.stopped_at)
        )
    ),
)


def new(rt: Runtime, *numbers: int) -> list[dict[str, object]]:
    return [
        {"hash": bytes([n]) * 32, "number": bytes([n]), "version": n, "stopped_at": rt.now()}
        for n in numbers
    ]


def test_ids_are_in_the_order_of_the_rows(rt: Runtime) -> None:
    with rt.writing() as tx:
        ids = INSERT.run(tx.connection, new(rt, 9, 3, 7))
        stored = {row.id: row for row in tx.connection.execute(select(phones))}
    assert [stored[each].version for each in ids] == [9, 3, 7]
    assert stored[ids[1]].number == b"\3"
    assert stored[ids[1]].stopped_at == rt.now()


def test_none_and_no_rows(rt: Runtime) -> None:
    with rt.writing() as tx:
        assert INSERT.run(tx.connection, []) == []
        assert UPDATE.run(tx.connection, []) == 0
        (made,) = INSERT.run(tx.connection, [new(rt, 5)[0] | {"number": None, "stopped_at": None}])
        row = tx.connection.execute(select(phones).where(phones.c.id == made)).one()
    assert (row.number, row.stopped_at) == (None, None)


def test_a_row_that_is_there_already_fails_all(rt: Runtime) -> None:
    with pytest.raises(IntegrityError), rt.writing() as tx:
        INSERT.run(tx.connection, new(rt, 1, 2, 1))


def test_rows_are_updated_by_their_own_values_and_counted(rt: Runtime) -> None:
    with rt.writing() as tx:
        one, two = INSERT.run(tx.connection, new(rt, 1, 2))
        given = [
            {"which": two, "read": 2, "at": None},
            {"which": one, "read": 99, "at": None},
        ]
        assert UPDATE.run(tx.connection, given) == 1
        stored = dict(tx.connection.execute(select(phones.c.id, phones.c.version)).all())
    assert (stored[one], stored[two]) == (1, 3)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_on_postgresql_it_is_one_statement_for_any_number(rt: Runtime) -> None:
    seen: list[str] = []
    with rt.writing() as tx:
        event.listen(rt.service, "before_cursor_execute", lambda *them: seen.append(them[2]))
        INSERT.run(tx.connection, new(rt, 1))
        INSERT.run(tx.connection, new(rt, 2, 3, 4, 5))
    assert len(seen) == 2
    assert len(set(seen)) == 1


def test_ids_that_were_taken_are_free_and_in_order(rt: Runtime) -> None:
    ids = BulkIds(phones, messages)
    numbered = BulkInsert(phones, "id", "hash", "number", "version", "stopped_at")
    with rt.writing() as tx:
        INSERT.run(tx.connection, new(rt, 1, 2))
        taken = [each for each, _ in ids.take(tx.connection, 2, tx.now)]
        rows = [{"id": i, **row} for i, row in zip(taken, new(rt, 3, 4), strict=True)]
        assert numbered.run(tx.connection, rows) == taken == sorted(taken)
        (last,) = INSERT.run(tx.connection, new(rt, 5))
    assert last > taken[-1]


def test_several_tables_are_written_together_or_not_at_all(rt: Runtime) -> None:
    with rt.writing() as tx:
        one, two = INSERT.run(tx.connection, new(rt, 1, 2))
    known = [{"which": one, "read": 1, "at": None}, {"which": two, "read": 2, "at": None}]
    with rt.writing() as tx:
        write_all(tx.connection, [Write(INSERT, new(rt, 3)), Write(UPDATE, known)])
    with pytest.raises(Conflict), rt.writing() as tx:
        write_all(tx.connection, [Write(INSERT, new(rt, 4)), Write(UPDATE, known)])
    later = [{"which": one, "read": 2, "at": None}, {"which": two, "read": 3, "at": None}]
    with pytest.raises(IntegrityError), rt.writing() as tx:
        write_all(tx.connection, [Write(UPDATE, later), Write(INSERT, new(rt, 3))])
    with rt.reading() as tx:
        made = select(phones.c.number, phones.c.version).where(func.length(phones.c.number) == 1)
        versions = dict(tx.connection.execute(made).all())
    assert versions == {b"\1": 2, b"\2": 3, b"\3": 3}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_on_postgresql_all_is_written_by_one_statement(rt: Runtime) -> None:
    seen: list[str] = []
    with rt.writing() as tx:
        (one,) = INSERT.run(tx.connection, new(rt, 1))
        event.listen(rt.service, "before_cursor_execute", lambda *them: seen.append(them[2]))
        known = [{"which": one, "read": 1, "at": None}]
        write_all(tx.connection, [Write(INSERT, new(rt, 2, 3)), Write(UPDATE, known)])
    assert len(seen) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_is_written_last_is_committed_at_once_or_not_at_all(rt: Runtime) -> None:
    def versions() -> dict[bytes | None, int]:
        made = select(phones.c.number, phones.c.version).where(func.length(phones.c.number) == 1)
        with rt.reading() as tx:
            return dict(tx.connection.execute(made).all())

    with rt.writing() as tx:
        (one,) = INSERT.run(tx.connection, new(rt, 1))
    known, overtaken = ([{"which": one, "read": read, "at": None}] for read in (1, 99))
    with rt.writing() as tx:
        write_all(tx.connection, [Write(INSERT, new(rt, 2)), Write(UPDATE, known)], is_last=True)
        assert versions() == {b"\1": 2, b"\2": 2}
        with pytest.raises(Conflict):
            write_all(
                tx.connection, [Write(INSERT, new(rt, 3)), Write(UPDATE, overtaken)], is_last=True
            )
    assert versions() == {b"\1": 2, b"\2": 2}
    with rt.service.connect() as connection:
        INSERT.run(connection, new(rt, 4))
        with pytest.raises(Conflict):
            write_all(connection, [Write(UPDATE, overtaken)], is_last=True)
    with rt.writing() as tx:
        INSERT.run(tx.connection, new(rt, 5))
        write_all(tx.connection, [Write(INSERT, new(rt, 6))], is_last=True)
        assert versions() == {b"\1": 2, b"\2": 2}
    assert versions() == {b"\1": 2, b"\2": 2, b"\5": 5, b"\6": 6}
