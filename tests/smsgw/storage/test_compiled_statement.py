"""What runs without SQLAlchemy's own execution behaves as if it ran with it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from smsgw.runtime import Runtime
from smsgw.storage import deadlines
from smsgw.storage.compiled_statement import CompiledStatement
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.types import Instant

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
GIVEN = (bindparam("hash"), bindparam("stopped_at", type_=Instant))
SELECT = select(phones, (phones.c.version + 1).label("next"), func.length(phones.c.hash)).where(
    phones.c.hash == GIVEN[0], phones.c.stopped_at <= GIVEN[1], phones.c.language == "id"
)
INSERT = CompiledStatement(
    insert(phones)
    .values(hash=GIVEN[0], number=b"x", version=7, stopped_at=GIVEN[1])
    .returning(phones.c.id)
)
UPDATE = CompiledStatement(update(phones).values(version=phones.c.version + 1))


def given(rt: Runtime, hash_: bytes = b"\1" * 32) -> dict[str, object]:
    return {"hash": hash_, "stopped_at": rt.now()}


def count(rt: Runtime) -> int:
    with rt.reading() as tx:
        return tx.connection.execute(select(func.count()).select_from(phones)).scalar_one()


def test_rows_are_those_of_sqlalchemy(rt: Runtime) -> None:
    with rt.writing() as tx:
        INSERT.run(tx.connection, given(rt))
        wanted = given(rt) | {"stopped_at": rt.now() + timedelta(days=1)}
        (ours,) = CompiledStatement(SELECT).run(tx.connection, wanted)
        (theirs,) = tx.connection.execute(SELECT, wanted)
        assert tuple(ours) == tuple(theirs)
        assert (ours.next, ours.stopped_at) == (8, rt.now())
        assert ours._mapping["stopped_at"].tzinfo is not None
        assert UPDATE.count(tx.connection, {}) == count(rt) + 1


def test_nothing_is_committed_unless_the_transaction_is(rt: Runtime) -> None:
    before = count(rt)
    with rt.service.connect() as connection, connection.begin() as transaction:
        INSERT.run(connection, given(rt))
        transaction.rollback()
    with rt.service.connect() as connection:
        INSERT.run(connection, given(rt))
    assert count(rt) == before
    with rt.service.connect() as connection:
        INSERT.run(connection, given(rt))
        connection.commit()
    assert count(rt) == before + 1


def test_errors_are_those_of_sqlalchemy_and_tell_no_values(rt: Runtime) -> None:
    told = []
    event.listen(rt.service, "handle_error", lambda context: told.append(context.statement))
    with rt.writing() as tx:
        INSERT.run(tx.connection, given(rt, b"secret"))
    with pytest.raises(IntegrityError) as caught, rt.writing() as tx:
        INSERT.run(tx.connection, given(rt, b"secret"))
    assert "parameters hidden" in str(caught.value)
    assert told == [caught.value.statement]
    with pytest.raises(DBAPIError), rt.reading() as tx:  # PostgreSQL's years go on after ours
        CompiledStatement(select(text("'20000-01-01'::timestamptz AS far"))).run(tx.connection, {})


def test_a_connection_that_ended_is_not_used_again(rt: Runtime) -> None:
    with rt.reading() as tx:
        me = tx.connection.execute(select(func.pg_backend_pid())).scalar_one()
        with rt.writing() as other:
            other.connection.execute(select(func.pg_terminate_backend(me)))
        with pytest.raises(OperationalError) as caught:
            CompiledStatement(SELECT).run(tx.connection, given(rt))
    assert caught.value.connection_invalidated
    with rt.reading() as tx:
        assert CompiledStatement(SELECT).run(tx.connection, given(rt)).all() == []


def test_what_takes_too_long_is_cut(rt: Runtime) -> None:
    slow = CompiledStatement(select(func.pg_sleep(10)))
    with pytest.raises(OperationalError), rt.reading() as tx, deadlines.within(0.3):
        slow.run(tx.connection, {})


def test_listeners_hear_of_it_and_may_change_it(rt: Runtime) -> None:
    heard: list[str] = []

    def ask_for_two(_c: object, _cursor: object, sql: str, values: Any, *_: object) -> Any:
        return sql.replace("SELECT 1", "SELECT 2"), values

    def after(_c: Connection, _cursor: object, sql: str, *_: object) -> None:
        heard.append(sql)

    one = CompiledStatement(select(text("1")))
    with rt.reading() as tx:
        event.listen(tx.connection, "before_cursor_execute", ask_for_two, retval=True)
        event.listen(tx.connection, "after_cursor_execute", after)
        assert one.run(tx.connection, {}).scalar_one() == 2
    assert heard == ["SELECT 2"]
