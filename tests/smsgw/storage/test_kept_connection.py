import time
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from smsgw.runtime import Runtime
from smsgw.storage import engines

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
PID = text("SELECT pg_backend_pid()")


def asked(rt: Runtime) -> Any:
    with rt.writing_at_once() as tx:
        return tx.connection.execute(PID).scalar_one()


def cut(rt: Runtime, pid: int) -> None:
    with rt.service.begin() as other:
        ended = text("SELECT pg_terminate_backend(:pid, 5000)")
        assert other.execute(ended, {"pid": pid}).scalar_one()


def test_what_follows_goes_by_one_connection(rt: Runtime) -> None:
    with rt.keeping_connection() as ours:
        pid = asked(ours)
        assert asked(rt) != pid
        assert asked(ours) == pid
    assert rt.service.pool.checkedout() == 0


def test_no_transaction_stays_open(rt: Runtime) -> None:
    with rt.keeping_connection() as ours:
        pid = asked(ours)
        with rt.reading() as tx:
            state = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
            assert tx.connection.execute(state, {"pid": pid}).scalar_one() == "idle"


def test_after_an_error_there_is_another_connection(rt: Runtime) -> None:
    with rt.keeping_connection() as ours:
        cut(rt, asked(ours))
        with pytest.raises(DBAPIError):
            asked(ours)
        assert asked(ours)


def test_what_died_while_nothing_was_asked_is_noticed(rt: Runtime) -> None:
    with rt.keeping_connection() as ours:
        pid = asked(ours)
        cut(rt, pid)
        time.sleep(engines.IDLE + 0.1)
        assert asked(ours) != pid
