"""Checks that preparing a process changes nothing, and fails nowhere."""

from dataclasses import replace

import pytest
from redis import Redis
from sqlalchemy import Table

from smsgw.runtime import Runtime
from smsgw.storage import engines
from smsgw.storage.tables.messages import messages, replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import audit
from smsgw.web.warmup import warm_up
from tests.support.conversation import count_rows


@pytest.mark.parametrize("table", [messages, replies, phones, audit])
def test_nothing_is_stored(rt: Runtime, table: Table) -> None:
    before = count_rows(rt, table)
    warm_up(rt)
    assert count_rows(rt, table) == before


def test_a_database_or_queue_that_is_unavailable_stops_no_process(rt: Runtime) -> None:
    service = engines.engine("sqlite:////nonexistent/service.db")
    warm_up(replace(rt, service=service, redis=Redis.from_url("redis://127.0.0.1:1")))
