"""Promises kept while everything is killed. `make chaos` is the long run of the same."""

import asyncio
import time
from dataclasses import replace

import pytest

from tests.chaos.carrier import Carrier
from tests.chaos.environment import phone
from tests.chaos.judge import judge
from tests.chaos.run import FROZEN, OF_SQLITE, Plan, run, total, until_up, world
from tests.conftest import ABSENT
from tests.support.servers import postgres_programs
from tests.support.waiting import LONGEST

pytestmark = [
    pytest.mark.skipif(postgres_programs() is None, reason=ABSENT),
    pytest.mark.timeout(480),
]


# Each target is struck once, with as little as half a second in between, while messages come.
ALL = Plan(
    7,
    600,
    11,
    rate=25.0,
    # Of two SMS to one phone in doubt, one is decided five minutes after its lease has ended. That
    # is rare where few phones write twice; `make chaos` waits for it.
    each_writes=1,
    patience=400,
    frozen=9.0,  # above what a webhook waits
    imported=20_000,
)
KILLS = replace(ALL, targets=tuple(each for each in ALL.targets if each != "rows overwritten"))


def test_nothing_is_lost_and_nothing_answered_twice() -> None:
    report = asyncio.run(run(KILLS))
    verdict = report.verdict
    assert set(report.kills) == set(KILLS.targets), report.table()
    assert (verdict.lost, verdict.doubled) == ([], []), report.table()
    assert verdict.ends["open"] == 0, report.table()
    assert verdict.received + report.given_up.total() >= ALL.messages, report.table()
    assert verdict.received == sum((verdict.answered, verdict.answered_later, verdict.silent))
    # Two web processes were asked, six times in all; they tell the same, and what was done.
    first, *others = report.metrics
    for name in ("smsgw_messages_received_total", "smsgw_reply_seconds_count", "smsgw_sends_total"):
        assert {total(each, name) for each in others} == {total(first, name)}
    assert total(first, "smsgw_messages_received_total") == verdict.received
    replies = verdict.answered + 2 * verdict.answered_later
    assert total(first, "smsgw_reply_seconds_count") == replies
    assert total(first, "smsgw_sends_total") == sum(verdict.ends.values())


def test_nothing_is_lost_on_sqlite() -> None:
    plan = Plan(seed=4, messages=150, kills=7, rate=10.0, fault_rate=0, patience=90)
    plan = replace(plan, targets=OF_SQLITE, imported=20_000, is_sqlite=True)
    report = asyncio.run(run(plan))
    verdict = report.verdict
    assert set(report.kills) == set(OF_SQLITE), report.table()
    assert (verdict.lost, verdict.doubled) == ([], []), report.table()
    assert verdict.received + report.given_up.total() == plan.messages, report.table()


def test_overwriting_a_row_in_each_table_harms_nothing_else() -> None:
    """Rows are overwritten twice, and then every process starts anew."""
    targets = ("rows overwritten", "rows overwritten", "web", "worker 1", "worker 2", "clock")
    plan = Plan(seed=3, messages=200, kills=6, rate=20.0, fault_rate=0, patience=90)
    report = asyncio.run(run(replace(plan, targets=targets)))
    verdict, printed = report.verdict, report.table() + "\n".join(report.findings)
    assert (verdict.lost, verdict.doubled) == ([], []), printed
    assert verdict.received == sum((verdict.answered, verdict.answered_later, verdict.silent))
    assert len(set(report.damage.tables)) >= 15, printed
    assert 0 < verdict.harmed < 0.2 * verdict.received, printed
    for table in ("phones", "bindings", "operators", "sessions", "configurations", "data_keys"):
        assert any(each.startswith(table) for each in report.findings), printed


def test_replies_survive_a_crash_between_acknowledgement_and_send() -> None:
    asyncio.run(_die_after_acknowledging())


async def _die_after_acknowledging() -> None:
    carrier = Carrier(seed=1, fault_rate=0)
    await carrier.start()
    with world(carrier) as made:
        carrier.service = made.url
        made.start("web")
        await until_up(carrier)
        await carrier.deliver("SM-1", phone(0), "SALDO")
        assert carrier.acknowledged == {"SM-1"}
        await asyncio.to_thread(made.kill_everything)
        assert carrier.books == []
        await asyncio.to_thread(made.database.start)
        await asyncio.to_thread(made.queue.start)
        made.start()
        until = time.monotonic() + LONGEST
        while not carrier.books and time.monotonic() < until:
            await asyncio.sleep(0.1)
        await asyncio.sleep(6)  # a sweep of the clock more
        assert len(carrier.books) == 1
        assert "Rp" in str(carrier.books[0]["body"])
        await carrier.stop()


def test_a_frozen_ledger_delays_answers_but_not_the_notice() -> None:
    asyncio.run(_freeze())


async def _freeze() -> None:
    carrier = Carrier(seed=1, fault_rate=0)
    await carrier.start()
    with world(carrier) as made:
        carrier.service = made.url
        made.start()
        await until_up(carrier)
        await asyncio.gather(*(carrier.deliver(f"SM-w-{n}", phone(n), "SALDO") for n in range(8)))
        carrier.waits.clear()
        made.ledger.freeze()
        texts = []
        for number in range(100):
            texts.append(
                asyncio.create_task(carrier.deliver(f"SM-{number}", phone(50 + number), "SALDO"))
            )
            await asyncio.sleep(FROZEN / 100)
        await asyncio.gather(*texts)
        waits = sorted(carrier.waits)
        made.ledger.thaw()
        until = time.monotonic() + LONGEST
        while len(carrier.books) < 208 and time.monotonic() < until:
            await asyncio.sleep(0.2)
        await asyncio.sleep(3)
        verdict = await asyncio.to_thread(judge, made.rt, carrier)
        await carrier.stop()
    assert waits[74] < FROZEN / 2  # who waits for the ledger waits for so long on average
    assert (verdict.lost, verdict.doubled) == ([], [])
    assert (verdict.answered, verdict.answered_later) == (8, 100)
