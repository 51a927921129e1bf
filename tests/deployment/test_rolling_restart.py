"""Two machines behind nginx are restarted in turn, twice each, while people write: the caller never
repeats a request, and gets 200 for each; nobody is left without an answer, and nobody gets two. The
second time the web process does not end by itself: what it has taken by then is lost with it, and
nginx passes it to the other machine."""

import asyncio
import signal
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from smsgw.carriers.twilio import signature
from tests.chaos.carrier import OURS, PUBLIC_URL, TOKEN, Carrier
from tests.chaos.environment import SMSGW, WEB, Process, World, phone
from tests.chaos.judge import Verdict, is_settled, judge
from tests.chaos.run import until_up, world
from tests.conftest import ABSENT
from tests.support.nginx import Nginx, running
from tests.support.processes import free_port
from tests.support.programs import required
from tests.support.servers import postgres_programs

pytestmark = [
    pytest.mark.skipif(postgres_programs() is None, reason=ABSENT),
    pytest.mark.timeout(240),
]

RATE = 12.0  # messages a second
FROZEN = 0.5  # seconds: some requests are on the way to a process that does not answer
SETTLES_WITHIN = 120.0


class Machine:
    """Runs web and a worker, as the process manager of one machine does."""

    def __init__(self, made: World, name: str, port: int) -> None:
        self._made, self._name = made, name
        self._environ = {**made.environ, "PORT": str(port)}
        self.url = f"http://127.0.0.1:{port}"
        self._start()

    def restart(self) -> None:
        for each in self._processes:
            each.stop()
        self._start()

    def restart_after_a_crash(self) -> None:
        web, _ = self._processes
        web.freeze()
        time.sleep(FROZEN)
        web.stop(signal.SIGKILL)
        self.restart()

    def _start(self) -> None:
        commands = {"web": WEB, "worker": [SMSGW, "worker"]}
        self._processes = [
            Process(command, self._environ, self._made.log(f"{self._name} {kind}"))
            for kind, command in commands.items()
        ]
        for number, each in enumerate(self._processes):
            self._made.processes[f"{self._name} {number}"] = each


def test_a_rolling_restart_of_two_machines_is_noticed_by_nobody() -> None:
    required("nginx", "nginx-light")
    verdict, statuses, proxy = asyncio.run(_rolling_restart())
    assert statuses.keys() == {200}
    assert (verdict.lost, verdict.doubled) == ([], [])
    assert verdict.received == verdict.answered == statuses[200] > RATE
    assert proxy.handed_over > 0, "no request met a machine that was away: this shows nothing"


async def _rolling_restart() -> tuple[Verdict, Counter[int], "Proxy"]:
    carrier = Carrier(seed=1, fault_rate=0)
    await carrier.start()
    with world(carrier, WEB_CONCURRENCY="1") as made, _two_machines(made) as (machines, proxy):
        made.start("clock")
        for each in machines:
            carrier.service = each.url
            await until_up(carrier)
        is_over = asyncio.Event()
        carrier.service = machines[0].url
        load = asyncio.create_task(_load(proxy.nginx, is_over))
        ways = [each.restart for each in machines]
        for restart in ways + [each.restart_after_a_crash for each in machines]:
            await asyncio.to_thread(restart)
            carrier.service = restart.__self__.url
            await until_up(carrier)
        is_over.set()
        statuses = await load
        await _settle(made)
        verdict = await asyncio.to_thread(judge, made.rt, carrier)
        proxy.read()
        await carrier.stop()
    return verdict, statuses, proxy


class Proxy:
    def __init__(self, nginx: Nginx) -> None:
        self.nginx = nginx
        self.handed_over = 0

    def read(self) -> None:
        """Counts the requests that went to the second machine after the first."""
        self.handed_over = self.nginx.access.count(", 127.0.0.1:")


@contextmanager
def _two_machines(made: World) -> Iterator[tuple[list[Machine], Proxy]]:
    ports = [free_port(), free_port()]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), ports) as nginx:
        yield [Machine(made, f"machine {n}", port) for n, port in enumerate(ports)], Proxy(nginx)


async def _load(nginx: Nginx, is_over: asyncio.Event) -> Counter[int]:
    """Sends one message of one phone after the other, and none twice. Returns the answers."""
    trusted = ssl.create_default_context(cafile=nginx.certificate)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trusted, limit=0), timeout=aiohttp.ClientTimeout(15)
    ) as client:
        sent = []
        while not is_over.is_set():
            sent.append(asyncio.create_task(_deliver(client, nginx, len(sent))))
            await asyncio.sleep(1 / RATE)
        return Counter(await asyncio.gather(*sent))


async def _deliver(client: aiohttp.ClientSession, nginx: Nginx, number: int) -> int:
    form = {
        "MessageSid": f"SM-{number}", "From": phone(number), "To": OURS, "Body": "SALDO",
        "NumSegments": "1",
    }  # fmt: skip
    signed = signature(TOKEN, f"{PUBLIC_URL}/in/twilio", form.items())
    header = {"X-Twilio-Signature": signed}
    async with client.post(f"{nginx.url}/in/twilio", data=form, headers=header) as response:
        return response.status


async def _settle(made: World) -> None:
    async with asyncio.timeout(SETTLES_WITHIN):
        while not await asyncio.to_thread(is_settled, made.rt, made.damage):
            await asyncio.sleep(0.2)
