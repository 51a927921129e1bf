"""Measures a scrape of /metrics over the hourly sums that 50,000,000 messages of two years leave.

What is promised: a scrape takes less than 0.2 s of processor time, and of a clock's where nothing
else runs. The clock sums up the past every five minutes, and its time is shown too. The sums are
copied into their tables; the rows of the messages themselves are gone, as after SMSGW_ROW_MONTHS. A
web process is asked as Prometheus asks it.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random

import psycopg
import requests
from sqlalchemy import Table

from grammar import Reason
from handlers import HANDLERS
from handlers.question import Outcome
from smsgw.messaging.hourly_counts import BUCKETS, HOUR, hour_of
from smsgw.operations.metrics import CACHE_KEY
from smsgw.operations.summed_metrics import PastSums
from smsgw.runtime import Runtime
from smsgw.storage.tables.counts import (
    answer_tallies,
    failure_tallies,
    reply_tallies,
    send_tallies,
    tallies,
)
from tests.support.process_usage import Processes
from tests.support.processes import free_port
from tests.support.servers import Postgres, Queue, postgres_programs
from tests.support.service_set import connect
from tests.support.web_process import Web, migrated, web_process

MESSAGES = int(os.environ.get("MESSAGES", "50000000"))
SPAN = timedelta(days=730)
ASKED = int(os.environ.get("ASKED", "20"))
LIMIT = 0.2  # seconds
TOKEN = "a token that is long enough for a bench"  # noqa: S105
CARRIERS = {"twilio": 0.7, "kannel": 0.3}  # of all messages
# Of an hour of the day in Jakarta, beside the mean of all.
DAY = (0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 0.8, 1.2, 1.8, 2.1, 2.1, 1.9,
       1.7, 1.7, 1.8, 1.7, 1.4, 1.1, 0.9, 0.9, 0.8, 0.5, 0.3, 0.2)  # fmt: skip
FEWER = 0.8  # messages of a keyword beside the one before it
OUTCOMES = {
    Outcome.ANSWERED: 0.80, Outcome.NOT_REGISTERED: 0.07, Outcome.INVALID: 0.04,
    Outcome.CONFIRM: 0.02, Outcome.PENDING: 0.02, Outcome.NOT_LINKED: 0.01,
    Outcome.UNAVAILABLE: 0.01, Outcome.UNKNOWN: 0.005, Outcome.LOCKED: 0.005,
}  # fmt: skip
SILENT = {"duplicate": 0.01, "throttled": 0.005, "echo": 0.001, "budget": 0.001}
MISREAD = 0.08  # of all messages
FAILURES = {
    ("expired", ""): 0.001, ("undelivered", ""): 0.01, ("undelivered", "30003"): 0.01,
    ("undelivered", "30005"): 0.005, ("undelivered", "30006"): 0.002,
}  # fmt: skip
SENDS = {
    ("sent", "", ""): 0.97, ("retry", "429", ""): 0.01, ("retry", "", ""): 0.005,
    ("unknown", "", "found"): 0.001, ("unknown", "", "sent again"): 0.001,
    ("refused", "21610", ""): 0.003,
}  # fmt: skip

Rows = Iterator[Sequence[object]]
Shares = dict[tuple[str, ...], float]


def kinds() -> Shares:
    """Returns the share of all messages that has each keyword, outcome and reason."""
    weights = [FEWER**place for place in range(len(HANDLERS))]
    shares: Shares = {}
    for keyword, weight in zip(HANDLERS, weights, strict=True):
        of_all = (1 - MISREAD) * weight / sum(weights)
        for outcome, share in OUTCOMES.items():
            shares[keyword, str(outcome), ""] = of_all * share
        for reason, share in SILENT.items():
            shares[keyword, str(Outcome.SILENT), reason] = of_all * share
    for reason in Reason:
        shares["", str(Outcome.UNKNOWN), str(reason)] = MISREAD / len(Reason)
    return shares


def hours(until: datetime) -> Iterator[tuple[datetime, float]]:
    """Yields each hour, and how many messages it has."""
    number = SPAN // HOUR
    for index in range(number):
        at = hour_of(until) - (number - index) * HOUR
        yield at, MESSAGES / number * DAY[(at.hour + 7) % 24] * len(DAY) / sum(DAY)


def counted(until: datetime, shares: Shares) -> Rows:
    """Yields an hour, a carrier, what of it is counted, and its count where there is any."""
    chance = Random(1)
    for (at, messages), (carrier, of_carrier) in product(hours(until), CARRIERS.items()):
        for values, share in shares.items():
            if count := int(messages * of_carrier * share + chance.random()):
                yield at, carrier, *values, count


def all_sums(until: datetime) -> Iterator[tuple[Table, Rows]]:
    marks = ((at, "", "", "", "", 0, 0) for at, _ in hours(until))
    yield tallies, iter(marks)
    yield tallies, ((*row, row[-1]) for row in counted(until, kinds()))
    waited = {(str(place),): 0.4**place for place in range(len(BUCKETS) + 1)}
    replies = counted(until, waited)
    yield reply_tallies, ((*row, row[-1], float(row[-1]) * 2) for row in replies)
    yield answer_tallies, ((*row, row[-1], row[-1]) for row in counted(until, {(): 0.95}))
    yield failure_tallies, counted(until, FAILURES)
    yield send_tallies, counted(until, SENDS)


def fill(rt: Runtime) -> int:
    """Returns how many rows there are."""
    number = 0
    with connect(rt.settings.service_url) as connection:
        for table, rows in all_sums(rt.now()):
            number += _copy(connection, table, rows)
        connection.execute("VACUUM (ANALYZE)")
    return number


def _copy(connection: psycopg.Connection, table: Table, rows: Rows) -> int:
    number = 0
    with connection.cursor().copy(f"COPY {table.name} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
            number += 1
    return number


def scrape(rt: Runtime, web: Web) -> float:
    """Returns how long it took, in seconds: it tells nothing that the one before has counted."""
    assert rt.redis is not None
    rt.redis.delete(CACHE_KEY)
    started = time.perf_counter()
    header = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.get(f"{web.address}/metrics", headers=header, timeout=60)
    took = time.perf_counter() - started
    assert "smsgw_messages_received_total" in answer.text, answer.text
    return took


def measure(rt: Runtime, web: Web, server: Postgres) -> float:
    """Returns the processor time of a scrape, in seconds."""
    processes = Processes()
    processes.groups = {"web": web.process.pid, "postgres": server.pid}
    started = time.perf_counter()
    PastSums(rt).step()
    summing = time.perf_counter() - started
    scrape(rt, web)  # a process counts for the first time
    before = processes.cpu()
    took = [scrape(rt, web) for _ in range(ASKED)]
    used = {name: (after - before[name]) / ASKED for name, after in processes.cpu().items()}
    shown = [f"{each * 1000:.0f}" for each in (statistics.median(took), min(took), max(took))]
    print(f"a scrape takes {shown[0]} ms ({shown[1]} to {shown[2]})")
    print(f"its processor time: {', '.join(f'{name} {each:.3f} s' for name, each in used.items())}")
    print(f"the clock sums up the past in {summing:.2f} s")
    return sum(used.values())


def main() -> None:
    programs = postgres_programs()
    if programs is None:
        sys.exit("no PostgreSQL programs here")
    server, queue = Postgres(programs), Queue()
    try:
        with tempfile.TemporaryDirectory() as home:
            environ = {
                "PATH": os.environ["PATH"], "DATABASE_URL": server.url, "REDIS_URL": queue.url,
                "SMSGW_HOME": home, "SMSGW_SECRET_KEY": "b" * 32, "SMSGW_METRICS_TOKEN": TOKEN,
                "PORT": str(free_port()),
            }  # fmt: skip
            with migrated(environ) as rt:
                print(f"{fill(rt):,} hourly sums of {MESSAGES:,} messages", flush=True)
                with web_process(environ, Path(home) / "web.log") as web:
                    used = measure(rt, web, server)
    finally:
        server.stop()
        queue.stop()
    if used > LIMIT:
        sys.exit("a scrape is too slow")


if __name__ == "__main__":
    main()
