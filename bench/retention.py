"""Measures answers while the clock deletes each day what is due, over a year of 1,000,000 messages
on PostgreSQL.

What is promised: on no day is there a text older than SMSGW_RETENTION_DAYS, every row is still
there to be counted, and somebody who texts meanwhile is answered, not much slower than before.
"""

import itertools
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from smsgw import responder, runtime, settings
from smsgw.carriers.carrier import IncomingSms
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.operations.clock import sweep
from smsgw.runtime import Runtime
from smsgw.storage import migrations
from smsgw.storage.tables.messages import messages, replies
from tests.support.servers import Postgres, postgres_programs
from tests.support.traffic_year import DAYS, days, numbers_held, oldest_text, rows_held

MESSAGES = int(os.environ.get("MESSAGES", "1000000"))
START = datetime(2025, 10, 31, 3, 0, tzinfo=UTC)
EVERY = 0.02  # seconds
RATIO, NOISE = 3.0, 0.05  # times, and seconds that a machine like this one differs by
BUSY, IDLE, OVER = 1, 0, -1  # what the asking process is told


class Clock:
    """Shows the same time in both processes."""

    def __init__(self, passed: Any) -> None:
        self._passed = passed  # seconds

    def __call__(self) -> datetime:
        return START + timedelta(seconds=self._passed.value)

    def moves(self, days: int) -> None:
        self._passed.value += days * 86_400


def ask(environ: dict[str, str], passed: Any, state: Any, took: Any) -> None:
    """Texts from a new phone every 20 ms. Returns how long the answers took, in seconds, and in
    which state."""
    quiet()
    rt = runtime.build(settings.load(environ), now=Clock(passed))
    lasted: dict[int, list[float]] = {IDLE: [], BUSY: []}
    for number in itertools.count():
        if state.value == OVER:
            break
        sms = IncomingSms("simulator", f"ask{number}", f"+62857{number:08}", "2757", "KONTAK")
        during, started = state.value, time.perf_counter()
        answer = responder.respond(rt, sms)
        lasted[max(during, state.value, IDLE)].append(time.perf_counter() - started)
        assert answer is not None
        assert answer.reply is not None
        time.sleep(EVERY)
    took.put(lasted)


def p99(lasted: list[float]) -> float:
    return sorted(lasted)[int(len(lasted) * 0.99)]


def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def main() -> None:
    quiet()
    programs = postgres_programs()
    if programs is None:
        sys.exit("no PostgreSQL programs here")
    server = Postgres(programs)
    try:
        with tempfile.TemporaryDirectory() as home:
            environ = {"DATABASE_URL": server.url, "SMSGW_HOME": home, "SMSGW_SECRET_KEY": "b" * 32}
            measure(environ)
    finally:
        server.stop()


def measure(environ: dict[str, str]) -> None:
    processes = multiprocessing.get_context("spawn")
    passed, state, took = processes.Value("d", 0), processes.Value("i", IDLE), processes.Queue()
    clock = Clock(passed)
    rt = runtime.build(settings.load(environ), now=clock)
    migrations.upgrade(rt.service, "service")
    migrations.upgrade(rt.ledger.engine, "ledger")
    load(rt.ledger.engine, reference_folder())
    asking = processes.Process(target=ask, args=(environ, passed, state, took))
    asking.start()
    late, spent = 0, 0.0
    for day, look in enumerate(days(rt, clock, MESSAGES // DAYS), 1):
        sweep(rt)
        state.value, started = BUSY, time.perf_counter()
        while look.step():
            pass
        spent += time.perf_counter() - started
        state.value = IDLE
        late += is_late(rt, clock)
        if day % 73 == 0:
            print(f"{rows_held(rt)[0]:,} messages", flush=True)
    state.value = OVER
    lasted = took.get()
    asking.join()
    tell(rt, lasted, late, spent)


def is_late(rt: Runtime, clock: Clock) -> bool:
    since = clock() - rt.settings.retention
    oldest = oldest_text(rt, messages, "received_at"), oldest_text(rt, replies, "made_at")
    return any(each < since for each in oldest)


def tell(rt: Runtime, lasted: dict[int, list[float]], late: int, spent: float) -> None:
    held, asked = rows_held(rt), len(lasted[IDLE]) + len(lasted[BUSY])
    idle, busy = p99(lasted[IDLE]), p99(lasted[BUSY])
    print(
        f"{held[0]:,} messages of a year: on {late} days a text was older than "
        f"{rt.settings.retention.days} days; {numbers_held(rt):,} numbers are left; it "
        f"took {spent:.0f} s; {asked:,} people asked meanwhile, p99 {busy * 1000:.0f} ms, and "
        f"{idle * 1000:.0f} ms while nothing was destroyed"
    )
    least = MESSAGES // DAYS * DAYS + asked
    if late or min(held) < least:
        sys.exit(f"texts were late, or rows are gone: {held}, at least {least} of each")
    if busy > max(idle * RATIO, idle + NOISE):
        sys.exit("destroying slows answers down")


if __name__ == "__main__":
    main()
