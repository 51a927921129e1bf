"""Measures what a reply costs a worker: a real one, over real servers, and a carrier that takes all
at once. No web process runs, so that the worker's CPU can be told from its neighbours'.

Replies are stored in batches with their hints, as web processes do, or all at once with
`--batch 0`.
"""

import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import select

from smsgw import responder, runtime, settings
from smsgw.carriers.carrier import IncomingSms
from smsgw.operations import jobs
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import replies
from tests.support.backlog import queue_replies, wait_until_taken
from tests.support.bench_traffic import number_of, seed
from tests.support.load_driver import Driver
from tests.support.process_usage import Processes
from tests.support.service_set import BIN, WORKER, Servers, started

BOUND, WARM = 4_000, 400
LATER = "stored later"  # a sender ID that nobody sends for


class Store:
    """Stores replies to sender IDs in turn: rows of LATER, made beforehand, move to them."""

    def __init__(self, rt: Runtime, sender_ids: int) -> None:
        self._rt = rt
        self._ids = [str(7_000 + number) for number in range(sender_ids)]
        with rt.reading() as tx:
            own = select(replies.c.id).where(replies.c.sender_id == LATER).order_by(replies.c.id)
            self._rows = iter(list(tx.connection.execute(own).scalars()))

    def add(self, number: int) -> None:
        rows = [(next(self._rows), self._ids[place % len(self._ids)]) for place in range(number)]
        by_id: dict[str, list[int]] = {}
        for row, sender_id in rows:
            by_id.setdefault(sender_id, []).append(row)
        with self._rt.writing() as tx:
            for sender_id, moved in by_id.items():
                which = replies.update().where(replies.c.id.in_(moved))
                tx.connection.execute(which.values(sender_id=sender_id))
        for sender_id in by_id:
            jobs.hint(self._rt, "twilio", sender_id)

    def add_all(self, number: int, batch: int, every: float) -> None:
        due = time.monotonic()
        for first in range(0, number, batch or number):
            self.add(min(batch or number, number - first))
            due += every
            time.sleep(max(0.0, due - time.monotonic()))


async def measure(arguments: argparse.Namespace) -> None:
    with ExitStack() as stack:
        driver = Driver(iter(()), carrier_takes=arguments.takes)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = Servers(stack, home, await driver.listen())
        with servers.prepared() as rt:
            seed(rt, BOUND)
            responder.respond(rt, IncomingSms("twilio", "1", number_of(0), LATER, "SALDO"))
        queue_replies(servers.environ, WARM + arguments.number, BOUND, LATER)
        servers.analyze()
        command, processes = [BIN / WORKER[0], *WORKER[1:]], Processes()
        log = home / "worker.log"
        processes.groups["worker"] = stack.enter_context(started(command, servers.environ, log))
        rt = runtime.build(settings.load(servers.environ))
        store = Store(rt, arguments.sender_ids)
        for number in (WARM, arguments.number):
            driver.taken = 0
            used, began = processes.cpu()["worker"], time.monotonic()
            how = (number, arguments.batch, arguments.every)
            storing = asyncio.create_task(asyncio.to_thread(store.add_all, *how))
            await wait_until_taken(driver, number, 120)
            await storing
            rate = driver.taken / (time.monotonic() - began)
            await asyncio.sleep(0.5)  # until the last are recorded
            each = (processes.cpu()["worker"] - used) * 1e6 / driver.taken
        rt.close()
    print(f"{driver.taken} replies, {rate:,.0f} a second: {each:,.0f} µs of CPU each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=4_000)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--every", type=float, default=0.016, help="seconds between two batches")
    parser.add_argument("--takes", type=float, default=0.0, help="seconds that the carrier takes")
    parser.add_argument("--sender-ids", type=int, default=1)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
