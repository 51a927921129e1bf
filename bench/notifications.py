"""Measures notifications: how long it takes to find who has to be told among many subscribers, with
how much memory and which slowest statement, and what answers cost beside a run.

100,000 participants, 20,000 of them subscribed, 5,000 with a changed balance; `--full` takes ten
times as many, which is what is promised, and some minutes. Then notifications leave beside answers.
`--kills` kills the process at so many random points instead, and begins it again.
"""

import argparse
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg
from sqlalchemy import event, func, select, text

from handlers.changes import NotificationKind
from smsgw import logs, responder, runtime, settings
from smsgw.carriers.carrier import IncomingSms
from smsgw.ledger.csv_import import load, reference_folder
from smsgw.messaging import dispatch
from smsgw.notifications import cycle, kinds
from smsgw.notifications.cycle import Cycle
from smsgw.runtime import Runtime
from smsgw.storage import migrations, row_macs
from smsgw.storage.tables.notifications import notifications
from smsgw.storage.tables.security import Ciphertext
from tests.support.servers import Postgres, postgres_programs

KEY = "a key for measurements, of no use elsewhere"
NOON = datetime(2026, 11, 29, 5, 0, tzinfo=UTC)  # 12.00 WIB, day in all three zones
BALANCE = NotificationKind.BALANCE
FIRST_NKP, FIRST_PHONE = 80_000_000_000, 10_000_000
LIMIT, SLOWEST = 60.0, 2.0  # seconds of a run, and of a statement
ANSWERS = 600
AT_ONCE = 5_000
PEOPLE = """
INSERT INTO participants (nkp, phone, name, status)
SELECT (%(nkp)s + n)::text, '+62812' || (%(phone)s + n)::text, 'Ani', 'AKTIF'
FROM generate_series(0, %(number)s - 1) n"""
BALANCES = """
INSERT INTO balances (nkp, as_of, total)
SELECT (%(nkp)s + n)::text, DATE '2026-10-31', 1000000 + n
FROM generate_series(0, %(number)s - 1) n"""
CHANGED = """
UPDATE balances SET total = total + 1
WHERE nkp IN (SELECT (:nkp + n * :step)::text FROM generate_series(0, :last) n)"""


@dataclass
class Clock:
    """Stands at noon unless it is moved: what is measured must not depend on the hour."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


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

    def _begins(self, *given: object) -> None:
        given[4]._began = time.monotonic()  # type: ignore[attr-defined]

    def _ends(self, *given: object) -> None:
        took = time.monotonic() - given[4]._began  # type: ignore[attr-defined]
        if took > self.slowest:
            self.slowest, self.statement = took, str(given[2])[:60].replace("\n", " ")


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


def fill(rt: Runtime, url: str, participants: int, subscribed: int) -> None:
    migrations.upgrade(rt.service, "service")
    migrations.upgrade(rt.ledger.engine, "ledger")
    load(rt.ledger.engine, reference_folder())
    given = {"nkp": FIRST_NKP, "phone": FIRST_PHONE, "number": participants}
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in (PEOPLE, BALANCES):
            connection.execute(statement, given)
        step = participants // subscribed
        for first in range(0, subscribed, AT_ONCE):
            some = range(first, min(first + AT_ONCE, subscribed))
            _copy(rt, connection, [(index, index * step) for index in some])
        connection.execute("SELECT setval('phones_id_seq', (SELECT max(id) FROM phones))")
        connection.execute("SELECT setval('bindings_id_seq', (SELECT max(id) FROM bindings))")
        connection.execute("VACUUM ANALYZE")


def _copy(rt: Runtime, connection: psycopg.Connection, some: Sequence[tuple[int, int]]) -> None:
    """Copies phones that are bound and have asked; of each (its place, its participant's)."""
    made = [_rows(rt, place + 1, FIRST_NKP + at, f"+62812{FIRST_PHONE + at}") for place, at in some]
    names = {
        "phones": "id, hash, number, version",
        "bindings": "id, phone_id, nkp_hash, nkp, bound_at, consented_at, on_file, on_file_hash, "
        "made_by, used_at, mac",
        "subscriptions": "kind, phone_id, consented_at, mac",
    }
    with connection.cursor() as cursor:
        for number, (table, columns) in enumerate(names.items()):
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for rows in made:
                    copy.write_row(rows[number])


def _rows(
    rt: Runtime, id_: int, participant: int, number: str
) -> tuple[tuple[object, ...], tuple[object, ...], tuple[object, ...]]:
    vault, nkp, at = rt.vault, str(participant), rt.now() - timedelta(days=1)
    phone_hash, nkp_hash = vault.hash(number, "phone"), vault.hash(nkp, "nkp")
    sealed = vault.encrypt(number, Ciphertext.PHONE, phone_hash)
    proven = {
        "phone": phone_hash,
        "nkp_hash": nkp_hash,
        "on_file_hash": phone_hash,
        "made_by": "consent",
        "tells_from": None,
        "consented_at": at,
    }
    asked = {"phone": phone_hash, "kind": BALANCE, "consented_at": at}
    bound = (
        *(id_, id_, nkp_hash, vault.encrypt(nkp, Ciphertext.NKP, nkp_hash), at, at),
        vault.encrypt(number, Ciphertext.ON_FILE, phone_hash),
        *(phone_hash, "consent", at, row_macs.BINDING.make(vault, proven)),
    )
    subscribed = (str(BALANCE), id_, at, row_macs.SUBSCRIPTION.make(vault, asked))
    return (id_, phone_hash, sealed, 1), bound, subscribed


def look(rt: Runtime, watch: Watch) -> float:
    """Looks at all subscribers once; returns the seconds."""
    started = time.monotonic()
    while cycle.look_at_next(rt):
        watch.memory.append(megabytes())
    return time.monotonic() - started


def change(rt: Runtime, participants: int, subscribed: int, changed: int) -> None:
    step = participants // subscribed * (subscribed // changed)
    given = {"nkp": FIRST_NKP, "step": step, "last": changed - 1}
    with rt.ledger.engine.begin() as connection:
        connection.execute(text(CHANGED), given)


def planned(rt: Runtime) -> int:
    with rt.reading() as tx:
        return int(tx.connection.execute(select(func.count(notifications.c.id))).scalar_one())


def look_until_killed(url: str, now: datetime, left: int) -> None:
    rt = build(url, Clock(now))

    @event.listens_for(rt.service, "after_cursor_execute")
    def count(*_: object) -> None:
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


def notify(url: str, rate: float) -> None:
    """Queues and sends, as the clock and a worker do, until it is killed."""
    rt = build(url, Clock(NOON + timedelta(hours=2)))
    rt = replace(rt, settings=rt.settings.model_copy(update={"notification_rate": rate}))
    one = Cycle(rt)
    while True:
        started = time.monotonic()
        one.step(1.0)
        dispatch.drain(rt, rt.default_carrier.name, rt.default_carrier.default_sender_id)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - started)))


def answers(rt: Runtime, numbers: Sequence[str], turn: int) -> list[float]:
    """Answers SALDO of many phones, thirty a second; returns the milliseconds of each, in order."""
    took = []
    for index, number in enumerate(numbers):
        started = time.monotonic()
        sms = IncomingSms("simulator", f"{turn}-{index}", number, "2757", "SALDO")
        responder.respond(rt, sms)
        took.append(1000 * (time.monotonic() - started))
        time.sleep(max(0.0, 1 / 30 - (time.monotonic() - started)))
    return sorted(took)


def shown(took: Sequence[float]) -> str:
    return f"p50 {took[len(took) // 2]:.1f} ms, p99 {took[len(took) * 99 // 100]:.1f} ms"


def measure(url: str, sizes: argparse.Namespace) -> bool:
    clock = Clock()
    rt = build(url, clock)
    began = time.monotonic()
    fill(rt, url, sizes.participants, sizes.subscribed)
    print(f"filled in {time.monotonic() - began:.0f} s")
    with rt.writing() as tx:
        kinds.switch(tx, BALANCE, "operator:bench", is_on=True)
    first = look(rt, Watch())
    print(f"first look at {sizes.subscribed:,} subscribers: {first:.1f} s, {planned(rt)} found")
    change(rt, sizes.participants, sizes.subscribed, sizes.changed)
    clock.now += timedelta(hours=2)
    if sizes.kills:
        try_kills(rt, url, clock, sizes.kills, sizes.subscribed // 1000)
        print(f"{planned(rt):,} notifications for {sizes.changed:,} who changed")
        return planned(rt) == sizes.changed
    watch, cpu = Watch(), time.process_time()
    watch.listen(rt)
    took = look(rt, watch)
    cpu = time.process_time() - cpu
    print(
        f"{planned(rt):,} of {sizes.subscribed:,} found in {took:.1f} s ({cpu:.1f} s of this "
        f"process), slowest statement {watch.slowest:.2f} s ({watch.statement}), memory "
        f"{watch.memory[0]} to {max(watch.memory)} MB"
    )
    is_fast = took < LIMIT and watch.slowest < SLOWEST and planned(rt) == sizes.changed
    return is_fast and beside_answers(rt, url, sizes)


def beside_answers(rt: Runtime, url: str, sizes: argparse.Namespace) -> bool:
    step = sizes.participants // sizes.subscribed
    numbers = [f"+62812{FIRST_PHONE + (7 + index) * step}" for index in range(ANSWERS)]
    answers(rt, numbers[:50], 0)
    alone = answers(rt, numbers, 1)
    beside = multiprocessing.Process(target=notify, args=(url, sizes.rate))
    beside.start()
    time.sleep(3)
    together = answers(rt, numbers[::-1], 2)
    beside.kill()
    beside.join()
    print(f"answers alone: {shown(alone)}; beside {sizes.rate:.0f} a second: {shown(together)}")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="ten times each size")
    parser.add_argument("--kills", type=int, default=0, help="kill it so often while it looks")
    parser.add_argument("--rate", type=float, default=20.0, help="notifications a second (20)")
    given = parser.parse_args()
    times = 10 if given.full else 1
    given.participants, given.subscribed = 100_000 * times, 20_000 * times
    given.changed = 5_000 * times
    logs.set_up()
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
