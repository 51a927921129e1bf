"""Measures how long a reply of one sender ID waits while another sender ID, which may send one SMS
a second, has 10,000 waiting. It must wait no longer than without them. There are two workers.

The workers, PostgreSQL and Redis are real; the carrier is the simulator, which takes all at once.
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import structlog
from sqlalchemy import func, insert, select

from smsgw import responder, runtime, settings
from smsgw.carriers.carrier import IncomingSms
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.operations import jobs
from smsgw.runtime import Runtime
from smsgw.storage import migrations
from smsgw.storage.tables.messages import replies
from tests.support.servers import Postgres, Queue, postgres_programs

SLOW, OTHER = "+15005550006", "2757"
WORKERS, WAITING, MESSAGES, EVERY = 2, 10_000, 400, 0.025  # seconds
RATIO, NOISE = 1.5, 0.05  # times, and seconds that a machine like this one differs by


def p99(rt: Runtime, round_: int) -> float:
    """Sends messages to the other sender ID, and returns what its replies waited, in seconds."""
    for number in range(MESSAGES):
        sender = f"+62812{round_}{number:06}"
        sms = IncomingSms("simulator", f"{round_}-{number}", sender, OTHER, "BANTUAN")
        answer = responder.respond(rt, sms)
        assert answer is not None
        jobs.hint_all(rt, answer)
        time.sleep(EVERY)
    newest = (
        select(replies.c.waited).where(replies.c.sender_id == OTHER).order_by(replies.c.id.desc())
    )
    while True:
        with rt.reading() as tx:
            waits = list(tx.connection.execute(newest.limit(MESSAGES)).scalars())
        if None not in waits:
            return sorted(waits)[int(MESSAGES * 0.99)]
        time.sleep(0.2)


def pile_up(rt: Runtime) -> None:
    first = IncomingSms("simulator", "first", "+6281299999999", SLOW, "BANTUAN")
    assert responder.respond(rt, first)
    names = [column.name for column in replies.c if column.name != "id"]
    with rt.writing() as tx:
        (row,) = tx.connection.execute(select(replies).where(replies.c.sender_id == SLOW))
        values = {name: getattr(row, name) for name in names}
        tx.connection.execute(insert(replies), [values] * (WAITING - 1))
    jobs.hint(rt, "simulator", SLOW)


def left(rt: Runtime) -> int:
    with rt.reading() as tx:
        waiting = select(func.count()).where(
            replies.c.sender_id == SLOW, replies.c.state == "queued"
        )
        return int(tx.connection.execute(waiting).scalar_one())


def environment(server: Postgres, queue: Queue, home: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": server.url,
        "REDIS_URL": queue.url,
        "SMSGW_HOME": home,
        "SMSGW_SECRET_KEY": "a key for measuring, of no use elsewhere",
        "SMSGW_SENDER_RATES": f"{SLOW}=1",
    }


def build(environ: dict[str, str]) -> Runtime:
    rt = runtime.build(settings.load(environ))
    migrations.upgrade(rt.service, "service")
    migrations.upgrade(rt.ledger.engine, "ledger")
    load(rt.ledger.engine, reference_folder())
    return rt


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    programs = postgres_programs()
    if programs is None:
        sys.exit("no PostgreSQL programs here")
    server, queue = Postgres(programs), Queue()
    with tempfile.TemporaryDirectory() as home:
        environ = environment(server, queue, home)
        rt = build(environ)
        command = [Path(sys.executable).parent / "smsgw", "worker"]
        workers = [
            subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
            for _ in range(WORKERS)
        ]
        try:
            p99(rt, 0)
            alone = p99(rt, 1)
            pile_up(rt)
            began, beside = left(rt), p99(rt, 2)
            sent = began - left(rt)
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait()
            rt.close()
            queue.stop()
            server.stop()
    print(
        f"p99 of a sender ID alone {alone * 1000:.0f} ms, beside one with {WAITING:,} waiting at "
        f"1/s {beside * 1000:.0f} ms; that one sent {sent} in the {MESSAGES * EVERY:.0f} s"
    )
    if beside > alone * RATIO + NOISE:
        sys.exit(f"the other sender ID's replies wait {beside / alone:.1f} times as long")


main()
