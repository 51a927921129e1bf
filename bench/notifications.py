"""Measures notifications: how long it takes to find who has to be told among many subscribers, with
how much memory and which slowest statement, and what answers cost beside a run.

100,000 participants, 20,000 of them subscribed, 5,000 with a changed balance, then 5,000 others, so
that 10,000 wait; `--full` takes ten times as many, which is what is promised, and some minutes.
Then phones ask for their balance, in turns with nothing beside and with notifications that leave.
`--kills` kills the process at so many random points instead, and begins it again. Exit 1 where
another number is found, it takes too long, or answers take longer.
"""

import argparse
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random

from sqlalchemy import Connection, event, func, select, text

from smsgw import logs, responder, runtime, settings
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging import dispatch
from smsgw.notifications import cycle, kinds
from smsgw.notifications.cycle import Cycle
from smsgw.runtime import Runtime
from smsgw.storage.tables.notifications import notifications
from tests.support.servers import Postgres, postgres_programs
from tests.support.subscribers import BALANCE, FIRST_NKP, FIRST_PHONE, fill

KEY = "a key for measurements, of no use elsewhere"
NOON = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)  # 10.00 WIB, day in all three zones for 8 hours
LATER = NOON + timedelta(hours=2)
MEANWHILE = NOON + timedelta(hours=4)
LIMIT, SLOWEST = 60.0, 2.0  # seconds of a run, and of a statement
ANSWERS_A_SECOND, TURNS = 30, 3
MOST_TIMES, MOST_MORE = 1.5, 5.0  # of the 99th percentile of answers alone; and milliseconds
CHANGED = """
UPDATE balances SET total = total + 1
WHERE nkp IN (SELECT (:first + n * :step)::text FROM generate_series(0, :last) n)"""


@dataclass
class Clock:
    """Stands at noon unless it is moved, or goes on from there: what is measured must not depend on
    the hour."""

    now: datetime = NOON
    started: float | None = None  # of time.monotonic

    def __call__(self) -> datetime:
        passed = time.monotonic() - self.started if self.started is not None else 0.0
        return self.now + timedelta(seconds=passed)


@dataclass
class Watch:
    """Keeps the slowest statement of an engine, and the memory of the process meanwhile."""

    slowest: float = 0.0
    statement: str = ""
    memory: list[int] = field(default_factory=list)

    def listen(self, rt: Runtime) -> None:
        for engine in (rt.service, rt.ledger.engine):
            event.listen(engine, "before_cursor_execute", self._begins)
            event.listen(engine, "after_cursor_execute", self._ends)

    def _begins(self, connection: Connection, *_: object) -> None:
        connection.info["began"] = time.monotonic()

    def _ends(self, connection: Connection, _: object, statement: str, *__: object) -> None:
        took = time.monotonic() - connection.info["began"]
        if took > self.slowest:
            self.slowest, self.statement = took, statement[:60].replace("\n", " ")


def megabytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


def build(url: str, clock: Clock) -> Runtime:
    environ = {"DATABASE_URL": url, "SMSGW_SECRET_KEY": KEY}
    built = runtime.build(settings.load(environ), now=clock)
    unlimited = {"notification_approval": 10**8, "notification_segments": 10**8}
    return replace(built, settings=built.settings.model_copy(update=unlimited))


def look(rt: Runtime, watch: Watch) -> float:
    """Looks at all subscribers once; returns the seconds."""
    started = time.monotonic()
    while cycle.look_at_next(rt):
        watch.memory.append(megabytes())
    return time.monotonic() - started


def change(rt: Runtime, sizes: argparse.Namespace, turn: int = 0) -> None:
    """Changes the balances of as many subscribers as `sizes` says, others in each turn."""
    step = sizes.participants // sizes.subscribed
    every = sizes.subscribed // sizes.changed
    given = {"first": FIRST_NKP + turn * step, "step": step * every, "last": sizes.changed - 1}
    with rt.ledger.engine.begin() as connection:
        connection.execute(text(CHANGED), given)


def count(rt: Runtime, state: str | None = None) -> int:
    counted = select(func.count(notifications.c.id))
    if state is not None:
        counted = counted.where(notifications.c.state == state)
    with rt.reading() as tx:
        return int(tx.connection.execute(counted).scalar_one())


def look_until_killed(url: str, now: datetime, left: int) -> None:
    rt = build(url, Clock(now))

    @event.listens_for(rt.service, "after_cursor_execute")
    def count_down(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    while cycle.look_at_next(rt):
        pass


def try_kills(rt: Runtime, url: str, clock: Clock, kills: int, slices: int) -> None:
    chance, ended = Random(7), []
    for _ in range(kills):
        left = chance.randint(10, max(20, 6 * slices // kills))
        process = multiprocessing.Process(target=look_until_killed, args=(url, clock.now, left))
        process.start()
        process.join()
        ended.append(process.exitcode == -signal.SIGKILL)
    look(rt, Watch())
    print(f"killed {sum(ended)} times while it looked, and begun again")


def work(url: str, started: float, is_over: Event) -> None:
    """Sends what is due, as a worker does."""
    rt = build(url, Clock(MEANWHILE, started))
    while not is_over.wait(0.02):
        dispatch.drain(rt, rt.default_carrier.name, rt.default_carrier.default_sender_id)


def notify(url: str, started: float, rate: float, is_over: Event, took: Pipe) -> None:
    """Queues notifications, as the clock does; tells how many seconds each step took."""
    rt = build(url, Clock(MEANWHILE, started))
    rt = replace(rt, settings=rt.settings.model_copy(update={"notification_rate": rate}))
    one, steps = Cycle(rt), []
    while not is_over.wait(1.0):
        began = time.monotonic()
        one.step(1.0)
        steps.append(time.monotonic() - began)
    took.send(steps)


def ask(rt: Runtime, numbers: Sequence[str]) -> list[float]:
    """Lets each phone ask for its balance, so many a second; returns the milliseconds of each."""
    took = []
    for number in numbers:
        began = time.monotonic()
        sms = IncomingSms("simulator", f"of {number}", number, "2757", "SALDO")
        answer = responder.respond(rt, sms)
        took.append(1000 * (time.monotonic() - began))
        if answer is None or answer.verdict.outcome != "answered":
            raise SystemExit(f"a balance was not answered: {answer and answer.verdict.outcome}")
        time.sleep(max(0.0, 1 / ANSWERS_A_SECOND - (time.monotonic() - began)))
    return took


def percentile(took: Sequence[float], percent: int) -> float:
    return sorted(took)[len(took) * percent // 100]


@dataclass
class Turns:
    """Takes turns of answers alone and beside notifications, each with other phones: what a
    phone sends again is not answered."""

    url: str
    sizes: argparse.Namespace
    alone: list[float] = field(default_factory=list)  # milliseconds
    beside: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)  # seconds of the clock's
    asked: int = 0

    def run(self) -> None:
        started = time.monotonic()
        rt, is_over = build(self.url, Clock(MEANWHILE, started)), multiprocessing.Event()
        ask(rt, self._phones(50))
        worker = multiprocessing.Process(target=work, args=(self.url, started, is_over))
        worker.start()
        number = self.sizes.seconds * ANSWERS_A_SECOND // TURNS
        for _ in range(TURNS):
            self.alone += ask(rt, self._phones(number))
            self.beside += self._beside(rt, started, number)
        is_over.set()
        worker.join()

    def _beside(self, rt: Runtime, started: float, number: int) -> list[float]:
        is_over = multiprocessing.Event()
        ours, theirs = multiprocessing.Pipe()
        given = (self.url, started, self.sizes.rate, is_over, theirs)
        clock = multiprocessing.Process(target=notify, args=given)
        clock.start()
        time.sleep(2.0)  # it has begun
        took = ask(rt, self._phones(number))
        is_over.set()
        self.steps += ours.recv()
        clock.join()
        return took

    def _phones(self, number: int) -> list[str]:
        step = self.sizes.participants // self.sizes.subscribed
        places = range(self.asked, self.asked + number)
        self.asked += number
        return [f"+62812{FIRST_PHONE + place * step}" for place in places]


def measure(url: str, sizes: argparse.Namespace) -> bool:
    clock = Clock()
    rt = build(url, clock)
    began = time.monotonic()
    fill(rt, url, sizes.participants, sizes.subscribed)
    print(f"filled in {time.monotonic() - began:.0f} s")
    with rt.writing() as tx:
        kinds.switch(tx, BALANCE, "operator:bench", is_on=True)
    first = look(rt, Watch())
    print(f"first look at {sizes.subscribed:,} subscribers: {first:.1f} s, {count(rt)} found")
    change(rt, sizes)
    clock.now = LATER
    if sizes.kills:
        try_kills(rt, url, clock, sizes.kills, sizes.subscribed // 1000)
        print(f"{count(rt):,} notifications for {sizes.changed:,} who changed")
        return count(rt) == sizes.changed
    is_fast = look_at_changes(rt, sizes)
    change(rt, sizes, turn=1)
    clock.now = MEANWHILE
    look(rt, Watch())
    print(f"{count(rt):,} of {2 * sizes.changed:,} wait")
    return beside_answers(rt, url, sizes) and is_fast and count(rt) == 2 * sizes.changed


def look_at_changes(rt: Runtime, sizes: argparse.Namespace) -> bool:
    watch, cpu = Watch(), time.process_time()
    watch.listen(rt)
    took = look(rt, watch)
    cpu = time.process_time() - cpu
    print(
        f"{count(rt):,} of {sizes.subscribed:,} found in {took:.1f} s ({cpu:.1f} s of this "
        f"process), slowest statement {watch.slowest:.2f} s ({watch.statement}), memory "
        f"{watch.memory[0]} to {max(watch.memory)} MB"
    )
    return took < LIMIT and watch.slowest < SLOWEST and count(rt) == sizes.changed


def beside_answers(rt: Runtime, url: str, sizes: argparse.Namespace) -> bool:
    turns = Turns(url, sizes)
    turns.run()
    sent, left = count(rt) - count(rt, "planned"), count(rt, "planned")
    third = len(turns.steps) // 3
    print(
        f"{sent:,} left meanwhile, {left:,} wait still; the clock's step took "
        f"{1000 * percentile(turns.steps[:third], 50):.0f} ms at first and "
        f"{1000 * percentile(turns.steps[-third:], 50):.0f} ms at last, "
        f"{1000 * max(turns.steps):.0f} ms at most"
    )
    for percent in (50, 95, 99):
        alone, beside = (percentile(each, percent) for each in (turns.alone, turns.beside))
        print(
            f"p{percent} of {len(turns.alone):,} answers alone {alone:.1f} ms, beside "
            f"{sizes.rate:.0f} a second {beside:.1f} ms: {beside / alone:.2f} times"
        )
    is_much = beside / alone > MOST_TIMES and beside - alone > MOST_MORE  # of the last, p99
    return sent > 0 and not is_much


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="ten times each size")
    parser.add_argument("--kills", type=int, default=0, help="kill it so often while it looks")
    parser.add_argument("--seconds", type=int, help="of answers, in each way (60, or else 12)")
    parser.add_argument("--rate", type=float, default=20.0, help="notifications a second (20)")
    given = parser.parse_args()
    times = 10 if given.full else 1
    given.participants, given.subscribed = 100_000 * times, 20_000 * times
    given.changed = 5_000 * times
    given.seconds = given.seconds or (60 if given.full else 12)
    logs.set_up(logging.CRITICAL)
    programs = postgres_programs()
    if programs is None:
        print("no PostgreSQL programs here")
        return 1
    with ExitStack() as stack:
        server = Postgres(programs)
        stack.callback(server.stop)
        return 0 if measure(server.url, given) else 1


if __name__ == "__main__":
    raise SystemExit(main())
