"""Two sets of processes share a database and a queue, as two machines do: nothing is doubled."""

import asyncio
import json
import time
from collections import Counter

import pytest

from tests.chaos.carrier import Carrier
from tests.chaos.environment import COMMANDS, SECOND_SET, SHARED_PORT, World, phone
from tests.chaos.judge import Verdict, is_settled, judge
from tests.chaos.run import until_up, world
from tests.conftest import ABSENT
from tests.support.servers import postgres_programs

pytestmark = [
    pytest.mark.skipif(postgres_programs() is None, reason=ABSENT),
    pytest.mark.timeout(240),
]

TEXTS = ("SALDO", "KONTAK", "STATUS")
PHONES = 60
WAIT = 90.0  # seconds


def test_two_sets_of_processes_answer_each_message_once() -> None:
    """Each message is delivered twice at the same instant, and a phone's next one before its last
    one is answered."""
    verdict, books, logs = asyncio.run(_two_sets())
    assert (verdict.lost, verdict.doubled) == ([], [])
    assert verdict.received == verdict.answered == PHONES * len(TEXTS)
    assert verdict.ends == Counter({"sent": verdict.answered})
    assert len(books) == verdict.answered
    assert logs.keys() == COMMANDS.keys() | SECOND_SET.keys()
    assert [name for name, log in logs.items() if "the clock's work failed" in log] == []
    assert _answered(logs["web"]) > 0
    assert _answered(logs["web 2"]) > 0


async def _two_sets() -> tuple[Verdict, list[dict[str, object]], dict[str, str]]:
    carrier = Carrier(seed=1, fault_rate=0)
    await carrier.start()
    with world(carrier, **SHARED_PORT) as made:
        carrier.service = made.url
        made.start(*COMMANDS, *SECOND_SET)
        await until_up(carrier)
        for text in TEXTS:
            deliveries = (_deliver_twice(carrier, number, text) for number in range(PHONES))
            await asyncio.gather(*deliveries)
        await _settle(made)
        verdict = await asyncio.to_thread(judge, made.rt, carrier)
        logs = {name: made.log(name).read_text() for name in made.processes}
        await carrier.stop()
    return verdict, carrier.books, logs


async def _deliver_twice(carrier: Carrier, number: int, text: str) -> None:
    sid = f"SM-{text}-{number}"
    await asyncio.gather(*(carrier.deliver(sid, phone(number), text) for _ in range(2)))


async def _settle(made: World) -> None:
    until = time.monotonic() + WAIT
    while not await asyncio.to_thread(is_settled, made.rt, made.damage):
        assert time.monotonic() < until
        await asyncio.sleep(0.2)


def _answered(log: str) -> int:
    """Counts the messages that a web process answered after its warm-up."""
    lines = [json.loads(line) for line in log.splitlines()]
    return sum(each["event"] == "message" and "warmup" not in each for each in lines)
