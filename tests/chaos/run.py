"""Sends messages while processes are killed, and checks every promise afterwards."""

import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from smsgw.ledger.synthetic import FIRST_NKP
from tests.chaos.carrier import METRICS_TOKEN, SLOW, Carrier
from tests.chaos.damage import Damage, overwrite
from tests.chaos.environment import BOUND, World, phone
from tests.chaos.judge import Verdict, is_settled, judge
from tests.support.servers import Postgres

FROZEN = 6.0  # seconds, of the ledger
SAID = [
    "SALDO",
    "saldo jht",
    "SALDO {nkp}",
    "STATUS",
    "IURAN",
    "JP",
    "KLAIM",
    "KANTOR BANDUNG",
    "INFO JHT",
    "BANTUAN",
    "KONTAK",
    "halo apa kabar",
    "makasih",
    "LAPOR kartu saya hilang {number}",
    "DAFTAR SALDO#3171011708900000#BUDI SANTOSO#17-08-1990#{nkp}",
]


@dataclass(frozen=True)
class Plan:
    seed: int
    messages: int
    kills: int
    rate: float = 50.0  # messages a second
    each_writes: int = 4  # messages of one phone, about
    fault_rate: float = 0.08
    patience: float = 600.0  # seconds for all to settle
    targets: tuple[str, ...] = (
        "web",
        "web child",
        "worker 1",
        "worker 2",
        "clock",
        "database",
        "database frozen",
        "queue",
        "queue flushed",
        "ledger frozen",
        "import",
        "rows overwritten",
    )
    frozen: float = 20.0  # seconds, of the database
    imported: int = 300_000  # rows
    is_sqlite: bool = False


# What there is to strike where the databases are files.
OF_SQLITE = ("web", "web child", "worker 1", "clock", "queue", "queue flushed", "import")


@dataclass
class Report:
    plan: Plan
    verdict: Verdict
    kills: Counter[str]
    happened: Counter[str]
    given_up: Counter[str]  # by what was going on when they came
    waits: list[float]
    slow: Counter[str]  # of them above 10 s, by the same
    seconds: float
    metrics: list[str] = field(default_factory=list)  # what each of several askers was told
    damage: Damage = field(default_factory=Damage)
    findings: list[str] = field(default_factory=list)  # of `smsgw audit verify`

    def p99(self) -> float:
        ordered = sorted(self.waits)
        return ordered[int(len(ordered) * 0.99)] if ordered else 0.0

    def table(self) -> str:
        verdict = self.verdict
        rows = {
            "database": "SQLite" if self.plan.is_sqlite else "PostgreSQL",
            "seed": self.plan.seed,
            "messages": f"{self.plan.messages:,} at {self.plan.rate:g} per second",
            "kills and restarts": _listed(self.kills),
            "carrier faults injected": _listed(self.happened),
            "dropped by the carrier before acknowledgement, by what was going on": (
                f"{self.given_up.total()}: {_listed(self.given_up)}"
            ),
            "rows overwritten, and number of tables": (
                f"{len(self.damage.tables)}, {len(set(self.damage.tables))}; "
                f"`smsgw audit verify` names {len(self.findings)} of them"
            ),
            "messages from phones with an overwritten row": verdict.harmed,
            "all other messages acknowledged and stored": f"{verdict.received:,}",
            "answered at once / later, when the ledger was back / silent": (
                f"{verdict.answered:,} / {verdict.answered_later:,} / {verdict.silent:,}"
            ),
            "unknown sends, and how they were resolved": (
                f"{verdict.ends['unknown']:,}: {_listed(verdict.settled - Counter({'': 10**9}))}"
            ),
            "**lost**": f"**{len(verdict.lost)}**",
            "**answered twice without a recorded unknown send**": f"**{len(verdict.doubled)}**",
            "answered twice after an unknown send, by policy": verdict.resent,
            "leases left": verdict.ends["open"],
            "webhook p99 over the whole run": f"{self.p99():.2f} s",
            "webhooks above 10 s, by what was going on": _listed(+self.slow),
            "duration": f"{self.seconds:.0f} s",
        }
        return "| | |\n| --- | --- |\n" + "\n".join(f"| {k} | {v} |" for k, v in rows.items())


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counted.items())) or "none"


@contextlib.contextmanager
def world(carrier: Carrier, *, is_sqlite: bool = False, **environ: str) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="smsgw-chaos-") as home:
        made = World(Path(home), carrier.url, is_sqlite=is_sqlite, **environ)
        try:
            yield made
        finally:
            made.stop()
            keep = os.environ.get("SMSGW_TEST_LOGS")
            if keep:
                for log in Path(home).glob("*.log"):
                    Path(keep, log.name).write_bytes(log.read_bytes())


async def run(plan: Plan) -> Report:
    started = time.monotonic()
    carrier = Carrier(plan.seed, plan.fault_rate)
    await carrier.start()
    with world(carrier, is_sqlite=plan.is_sqlite) as made:
        made.start()
        carrier.service = made.url
        await until_up(carrier)
        kills: Counter[str] = Counter()
        await asyncio.gather(_load(plan, carrier), Strikes(plan, made, carrier, kills).run())
        await _settle(plan, made, carrier)
        verdict = await asyncio.to_thread(judge, made.rt, carrier, made.damage)
        findings = await asyncio.to_thread(made.findings)
        if not made.damage.tables:  # with an overwritten row the figures are never whole
            await _counted(carrier, verdict)
        scraped = [await _metrics(carrier) for _ in range(6)]
        await carrier.stop()
    return Report(
        plan=plan,
        verdict=verdict,
        kills=kills,
        happened=carrier.happened,
        given_up=Counter(
            during for sid, during in carrier.given_up.items() if sid not in carrier.acknowledged
        ),
        waits=carrier.waits,
        slow=carrier.slow,
        seconds=time.monotonic() - started,
        metrics=scraped,
        damage=made.damage,
        findings=findings,
    )


async def until_up(carrier: Carrier) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            status, _ = await carrier.get("/readyz")
            if status == 200:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("the web process does not answer")


async def _metrics(carrier: Carrier) -> str:
    _, figures = await carrier.get("/metrics", Authorization=f"Bearer {METRICS_TOKEN}")
    return figures


async def _counted(carrier: Carrier, verdict: Verdict) -> None:
    """Waits until the clock has counted what was sent last."""
    made = {
        "smsgw_sends_total": sum(verdict.ends.values()),
        "smsgw_reply_seconds_count": verdict.answered + 2 * verdict.answered_later,
    }
    for _ in range(60):
        metrics = await _metrics(carrier)
        if all(total(metrics, name) == number for name, number in made.items()):
            return
        await asyncio.sleep(1)


def total(metrics: str, name: str) -> float:
    """Returns the sum over all labels."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (.+)$", metrics, re.M))


async def _load(plan: Plan, carrier: Carrier) -> None:
    chance = Random(plan.seed + 1)
    begun = time.monotonic()
    sent = []
    for number in range(plan.messages):
        sender = chance.randrange(BOUND + plan.messages // plan.each_writes)
        text = chance.choice(SAID).format(nkp=FIRST_NKP + sender % BOUND, number=number)
        sid = f"SM-in-{number:06}"
        delay = begun + number / plan.rate + chance.expovariate(5) - time.monotonic()
        await asyncio.sleep(max(0, begun + number / plan.rate - time.monotonic()))
        delivery = carrier.deliver(sid, phone(sender), text)
        sent.append(asyncio.create_task(_after(max(0, min(delay, 2)), delivery)))
    await asyncio.gather(*sent)


async def _after(seconds: float, what: object) -> None:
    await asyncio.sleep(seconds)
    await what


@dataclass
class Strikes:
    """Spreads the strikes over the load. The seed decides the order of the targets; each has its
    turn."""

    plan: Plan
    made: World
    carrier: Carrier
    kills: Counter[str]

    async def run(self) -> None:
        plan, chance = self.plan, Random(self.plan.seed + 2)
        order: list[str] = []
        while len(order) < plan.kills:
            order += chance.sample(plan.targets, len(plan.targets))
        order = order[: plan.kills]
        lasts = {"database frozen": plan.frozen, "ledger frozen": FROZEN}
        rest = plan.messages / plan.rate - sum(lasts.get(target, 0) for target in order)
        every = max(0.5, rest / (plan.kills + 1))
        imports: list[asyncio.Task[None]] = []
        for target in order:
            await asyncio.sleep(every * chance.uniform(0.8, 1.2))
            if target == "import":
                await asyncio.gather(*imports)  # one at a time
                imports = [asyncio.create_task(self._strike(target, chance))]
            else:
                await self._strike(target, chance)
        await asyncio.gather(*imports)

    async def _strike(self, target: str, chance: Random) -> None:
        self.kills[target] += 1
        self.carrier.going_on.add(target)
        await asyncio.to_thread(_strike(self.plan, self.made, target, chance))
        self.carrier.going_on.discard(target)


def _strike(plan: Plan, made: World, target: str, chance: Random) -> Callable[[], None]:
    def restart(server: object) -> None:
        server.kill()
        time.sleep(chance.uniform(0.2, 1))
        server.start()

    def freeze(server: Postgres, seconds: float) -> None:
        server.freeze()
        time.sleep(seconds)
        server.thaw()

    return {
        "web child": lambda: made.processes["web"].kill_a_child(chance),
        "database": lambda: restart(made.database),
        "database frozen": lambda: freeze(made.database, plan.frozen),
        "queue": lambda: restart(made.queue),
        "queue flushed": made.flush,
        "ledger frozen": lambda: freeze(made.ledger, FROZEN),
        "import": lambda: made.load(plan.imported),
        "rows overwritten": lambda: overwrite(made.rt.service, chance, made.damage),
    }.get(target, lambda: made.processes[target].kill())


async def _settle(plan: Plan, made: World, carrier: Carrier) -> None:
    """Waits until nothing moves in our rows and the carrier has delivered everything."""
    until = time.monotonic() + plan.patience
    while time.monotonic() < until:
        await asyncio.sleep(1)
        if not carrier.tasks and await asyncio.to_thread(is_settled, made.rt, made.damage):
            return


def main() -> None:
    number = {
        name: int(os.environ[name]) for name in ("SEED", "MESSAGES", "KILLS") if name in os.environ
    }
    plan = Plan(
        seed=number.get("SEED", 20251031),
        messages=number.get("MESSAGES", 8000),
        kills=number.get("KILLS", 48),
        rate=float(os.environ.get("RATE", "25")),
    )
    on_sqlite = replace(
        plan,
        messages=plan.messages // 5,
        kills=plan.kills // 3,
        rate=plan.rate / 2.5,
        targets=OF_SQLITE,
        is_sqlite=True,
    )
    faults = [fault for each in (plan, on_sqlite) for fault in _faults(asyncio.run(run(each)))]
    if faults:
        sys.exit("\n".join(faults))


def _faults(report: Report) -> Iterator[str]:
    sys.stdout.write(report.table() + "\n\n")
    sys.stdout.flush()
    verdict = report.verdict
    yield from verdict.lost + verdict.doubled
    if verdict.ends["open"]:
        yield f"{verdict.ends['open']} leases are left"
    if report.p99() >= SLOW:
        yield f"one webhook in a hundred took {report.p99():.1f} s or more"


if __name__ == "__main__":
    main()
