"""Limits are counted in Redis, or by each process where Redis is away."""

from dataclasses import replace
from pathlib import Path

import pytest

from smsgw import runtime
from smsgw.runtime import Runtime
from smsgw.storage.counters import Counters
from tests.support.servers import Queue


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Uses one kind of database: what counts here is not in it."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=["shared", "per process"])
def counting(request: pytest.FixtureRequest, rt: Runtime) -> Runtime:
    """Runs with Redis, and with one that was stopped."""
    if request.param == "shared":
        return rt
    queue = Queue()
    gone = runtime.hints(queue.url)
    queue.stop()
    return replace(rt, redis=gone, counters=Counters(gone))
