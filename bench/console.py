"""Measures every page of the console over a month of the demo's messages, in its web process.

What is promised: 95 of 100 answers come within 100 ms, from each page.
"""

import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import requests
import structlog

from smsgw.app import create_app
from smsgw.storage.tables.operators import Role
from tests.browser.console_page import Demo
from tests.support import traffic_month
from tests.support.console_client import TOKEN, Walk

A_DAY = int(os.environ.get("A_DAY", "50"))
ASKED = 100  # times
LIMIT = 0.1  # seconds


def main() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(Path(folder))
        try:
            traffic_month.play_month(demo.rt, A_DAY)
            slowest = max(measured(demo, logged_in(demo)))
        finally:
            demo.close()
    return 1 if slowest > LIMIT else 0


def logged_in(demo: Demo) -> requests.Session:
    visitor = requests.Session()
    address, _, code = demo.once(Role.ADMIN, "id").partition("#")
    token = TOKEN.search(visitor.get(address).text)
    assert token is not None
    form = {"csrf_token": token[1], "once": code}
    visitor.post(address, data=form).raise_for_status()
    return visitor


def measured(demo: Demo, visitor: requests.Session) -> list[float]:
    """Prints and returns the 95th percentile of each page, in seconds."""
    walk, found = Walk(create_app(demo.rt)), []
    for address in walk:
        took = []
        for _ in range(ASKED):
            started = time.perf_counter()
            answer = visitor.get(demo.address + address)
            took.append(time.perf_counter() - started)
        answer.raise_for_status()
        if answer.headers["content-type"].startswith("text/html"):
            walk.look(answer.text)
        found.append(statistics.quantiles(took, n=20)[-1])
        size = len(answer.content) / 1000
        print(f"{found[-1] * 1000:6.1f} ms  {size:6.1f} kB  {address}")
    print(f"{len(found)} pages, the slowest {max(found) * 1000:.1f} ms of {LIMIT * 1000:.0f}")
    return found


if __name__ == "__main__":
    sys.exit(main())
