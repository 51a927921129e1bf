"""Measures `smsgw ledger load` on PostgreSQL, with fsync: the rate, the memory of the process, and
how long look-ups take meanwhile.

    PYTHONPATH=. .venv/bin/python bench/load.py [PARTICIPANTS [MONTHS]]

Figures are of this machine; what is promised is that memory stays flat.
"""

import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from sqlalchemy import Engine

from smsgw.ledger.csv_import import load
from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.ledger.synthetic import FIRST_NKP
from smsgw.storage import engines, migrations
from tests.support.process_usage import Processes
from tests.support.servers import Postgres, postgres_programs

PARTICIPANTS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
MONTHS = int(sys.argv[2]) if len(sys.argv) > 2 else 36
HEADINGS = {
    "participants": "nkp,nik,name,birth_date,phone,email,category,status,status_since,"
    "status_reason,employer,emergency_name,emergency_phone",
    "contributions": "nkp,month,jht,jp,jkk,jkm,jkp,paid_on",
}
PLAIN = ("fsync=on", "max_connections=80")
GROWTH = 64.0  # MiB


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def people(count: int) -> Iterator[str]:
    for number in range(count):
        yield (
            f"{FIRST_NKP + number},3171{number % 10**8:08}0000,Budi Santoso {number},"
            f"19{60 + number % 40}-{1 + number % 12:02}-17,+628{11 + number % 8}{number:08},"
            f"budi{number}@mail.id,PU,AKTIF,2015-03-01,,PT Maju Jaya {number % 1000},"
            f"Rina Santoso,+6281299{number % 10**6:06}\n"
        )


def paid(count: int, months: int) -> Iterator[str]:
    days = [date(2022 + (9 + month) // 12, 1 + (9 + month) % 12, 1) for month in range(months)]
    ends = [f"{day:%Y-%m},456000,240000,43200,24000,28800,{day:%Y-%m}-28\n" for day in days]
    for number in range(count):
        nkp = f"{FIRST_NKP + number},"
        yield nkp + nkp.join(ends)


def write(folder: Path, name: str, rows: Iterator[str]) -> None:
    with (folder / f"{name}.csv").open("w") as file:
        file.write(HEADINGS[name] + "\n")
        file.writelines(rows)


class Reader(threading.Thread):
    """Looks a participant up again and again, as messages do, and keeps the longest time."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True)
        self._ledger = SqlLedger(engine)
        self._done = threading.Event()
        self.longest, self.count = 0.0, 0

    def run(self) -> None:
        while not self._done.wait(0.02):
            started = time.perf_counter()
            self._ledger.participant(str(FIRST_NKP))
            self._ledger.last_contribution(str(FIRST_NKP))
            self.longest = max(self.longest, time.perf_counter() - started)
            self.count += 1

    def end(self) -> None:
        self._done.set()
        self.join()


def measure(server: Postgres, folder: Path, what: str) -> None:
    engine, reader = engines.engine(server.url), Reader(engines.engine(server.url, 2.0))
    processes = Processes()
    processes.groups = {"PostgreSQL": server.pid}
    before = {**processes.cpu(), "this process": time.process_time()}
    steps: list[tuple[str, float]] = []
    reader.start()
    started = time.perf_counter()
    counts = load(
        engine, folder, begin_step=lambda name: steps.append((name, time.perf_counter() - started))
    )
    took = time.perf_counter() - started
    reader.end()
    after = {**processes.cpu(), "this process": time.process_time()}
    used = {name: end - before[name] for name, end in after.items()}
    rows = sum(count.rows for count in counts.values())
    print(f"{what}: {rows:,} rows in {took:.1f} s ({rows / took:,.0f} a second)")
    ends = [at for _, at in steps[1:]] + [took]
    parts = (f"{name} {end - at:.1f} s" for (name, at), end in zip(steps, ends, strict=True))
    print(f"  {', '.join(parts)}; memory {memory():.0f} MiB")
    cpu = ", ".join(f"{name} {seconds / rows * 1e6:.1f} µs" for name, seconds in used.items())
    print(f"  CPU a row: {cpu}; {sum(used.values()) / took:.1f} cores were had")
    print(f"  {reader.count:,} look-ups meanwhile, the longest {reader.longest * 1000:.0f} ms")
    engine.dispose()


def main() -> None:
    programs = postgres_programs()
    if programs is None:
        sys.exit("no PostgreSQL programs here")
    server = Postgres(programs, options=PLAIN)
    try:
        migrations.upgrade(engines.engine(server.url), "ledger")
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write(folder, "participants", people(1_000))
            measure(server, folder, "a few first")
            before = memory()
            write(folder, "participants", people(PARTICIPANTS))
            measure(server, folder, "participants")
            measure(server, folder, "the same again")
            (folder / "participants.csv").unlink()
            write(folder, "contributions", paid(PARTICIPANTS, MONTHS))
            measure(server, folder, "contributions")
    finally:
        server.stop()
    if memory() - before > GROWTH:
        sys.exit(f"memory grew by {memory() - before:.0f} MiB, at most {GROWTH}")


main()
