"""Measures the ledger on PostgreSQL: making participants, and look-ups in a small and in a large
one.

Figures are of this machine; what is promised is that memory stays flat, and that a look-up among
fifty times as many participants costs at most twice as much.
"""

import os
import resource
import sys
import time
from datetime import date

from smsgw.ledger.sql_ledger import SqlLedger
from smsgw.ledger.synthetic import FIRST_NKP, make
from smsgw.storage import engines, migrations
from tests.support.servers import Postgres, postgres_programs

LARGE = int(os.environ.get("PARTICIPANTS", "200000"))
SMALL = LARGE // 50
LOOK_UPS = 3_000
RATIO, GROWTH = 2.0, 64.0  # times, MiB


def memory() -> float:
    """Returns the most memory this process has used, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def look_ups(ledger: SqlLedger, among: int) -> float:
    """Returns the seconds of one look-up, averaged over the whole ledger."""
    step = max(among // LOOK_UPS, 1)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        for number in range(LOOK_UPS):
            assert ledger.balance(str(FIRST_NKP + number * step % among), date.max) is not None
        best = min(best, (time.perf_counter() - started) / LOOK_UPS)
    return best


def main() -> None:
    programs = postgres_programs()
    if programs is None:
        sys.exit("no PostgreSQL programs here")
    server = Postgres(programs)
    try:
        engine = engines.engine(server.url)
        migrations.upgrade(engine, "ledger")
        cost, held = {}, {}
        for count in (SMALL, LARGE):
            started = time.perf_counter()
            make(engine, count)
            took = time.perf_counter() - started
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
            cost[count], held[count] = look_ups(SqlLedger(engine), count), memory()
            print(
                f"{count:,} participants made in {took:.1f} s ({count / took:,.0f} a second), "
                f"memory {held[count]:.0f} MiB; a look-up {cost[count] * 1e6:.0f} µs"
            )
        engine.dispose()
    finally:
        server.stop()
    if held[LARGE] - held[SMALL] > GROWTH:
        sys.exit(f"memory grew by {held[LARGE] - held[SMALL]:.0f} MiB, at most {GROWTH}")
    if cost[LARGE] > RATIO * cost[SMALL]:
        sys.exit(f"a look-up costs {cost[LARGE] / cost[SMALL]:.1f} times as much, at most {RATIO}")


main()
