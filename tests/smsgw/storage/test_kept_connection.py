import time
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.registry import phone_state
from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.kept_connection import KeptConnection
from tests.conftest import P1
from tests.support.waiting import eventually

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
PID = text("SELECT pg_backend_pid()")


def asked(rt: Runtime) -> Any:
    with rt.reading() as tx:
        return tx.connection.execute(PID).scalar_one()


def cut(rt: Runtime, pid: int) -> None:
    with rt.service.begin() as other:
        ended = text("SELECT pg_terminate_backend(:pid, 5000)")
        assert other.execute(ended, {"pid": pid}).scalar_one()


def test_what_follows_goes_by_one_connection(rt: Runtime) -> None:
    pid = asked(rt)
    with rt.reading() as tx:
        assert tx.connection.execute(PID).scalar_one() == pid
        assert asked(rt) != pid  # while it is in use
    with rt.writing_at_once() as tx:
        assert tx.connection.execute(PID).scalar_one() == pid
    assert asked(rt) == pid


def test_a_message_is_read_and_written_on_it(rt: Runtime) -> None:
    responder.respond(rt, IncomingSms("simulator", "M1", P1, "2757", "INFO"))
    pid, used = asked(rt), list[int]()

    @event.listens_for(rt.service, "after_cursor_execute")
    def note(connection: Connection, *_: object) -> None:
        driver: Any = connection.connection.driver_connection
        used.append(driver.info.backend_pid)

    responder.respond(rt, IncomingSms("simulator", "M2", P1, "2757", "SALDO"))
    assert used == [pid, pid]


def test_a_write_of_several_statements_is_a_transaction_elsewhere(rt: Runtime) -> None:
    pid, number = asked(rt), "+6281200000001"
    with rt.writing() as tx:
        phone_state.bump_version(tx, phone_state.read(tx, number))
        assert tx.connection.execute(PID).scalar_one() != pid
        tx.connection.rollback()
    with rt.reading() as tx:
        assert phone_state.read(tx, number).phone_id == 0


def test_no_transaction_stays_open(rt: Runtime) -> None:
    pid = asked(rt)
    with rt.writing() as tx:
        state = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
        assert tx.connection.execute(state, {"pid": pid}).scalar_one() == "idle"


def test_after_an_error_there_is_another_connection(rt: Runtime) -> None:
    cut(rt, asked(rt))
    with pytest.raises(DBAPIError):
        asked(rt)
    assert asked(rt)


def test_what_died_while_nothing_was_asked_is_noticed(rt: Runtime) -> None:
    pid = asked(rt)
    cut(rt, pid)
    time.sleep(engines.IDLE + 0.1)
    assert asked(rt) != pid


def test_it_is_renewed(rt: Runtime) -> None:
    for lasts, are_same in ((60.0, True), (0.0, False)):
        kept = KeptConnection(rt.service, lasts)
        connections = []
        for _ in range(2):
            with kept.taken() as connection:
                connections.append(connection)
        assert (connections[0] is connections[1]) == are_same


def test_it_goes_with_the_engine(rt: Runtime) -> None:
    pid = asked(rt)
    rt.service.dispose()
    there = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
    with rt.service.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")  # else the first look is kept
        eventually(lambda: connection.execute(there, {"pid": pid}).scalar_one() == 0)
