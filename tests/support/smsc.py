"""Plays an SMS centre that speaks SMPP: phones text by it, and it treats replies as it is told."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import smpp34

UCS2 = 8
RECEIPT = 4  # esm_class of a delivery receipt


@dataclass
class Centre:
    port: int
    reject_next: list[int] = field(default_factory=list)  # command_status, one a submit
    verdict: str = "DELIVRD"  # what receipts say; empty: there are none
    taken: list[tuple[str, str, str]] = field(default_factory=list)  # source, destination, text
    tries: int = 0
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    bound: threading.Event = field(default_factory=threading.Event)
    esme: smpp34.Esme | None = None

    def text(self, sender: str, to: str, words: str) -> None:
        """Texts from a phone; in UCS-2 if the words are not plain ASCII."""
        is_plain = words.isascii()
        octets = words.encode("ascii" if is_plain else "utf-16-be")
        delivery = self._deliver(
            to,
            octets,
            source_addr=sender,
            source_addr_ton=5 if sender.isalpha() else 1,
            source_addr_npi=1,
            data_coding=0 if is_plain else UCS2,
        )
        asyncio.run_coroutine_threadsafe(delivery, self.loop).result(10)

    async def _deliver(self, *where_and_what: object, **how: object) -> None:
        await self.esme.deliver_sm(*where_and_what, **how)

    async def serve(self) -> None:
        server = smpp34.Server("127.0.0.1", self.port, system_id="CENTRE")
        await server.start()
        try:
            while True:
                self._happened(await server.next())
        finally:
            await server.stop()

    def _happened(self, event: smpp34.Esme | smpp34.SubmitSmEvent | smpp34.Unbound) -> None:
        if isinstance(event, smpp34.Esme):
            self.esme = event
            self.bound.set()
        elif isinstance(event, smpp34.SubmitSmEvent):
            self.submitted(event)

    def submitted(self, sm: smpp34.SubmitSmEvent) -> None:
        self.tries += 1
        if self.reject_next:
            sm.reject(self.reject_next.pop(0))
            return
        charset = "utf-16-be" if sm.data_coding == UCS2 else "ascii"
        text = sm.short_message.decode(charset, "replace")
        self.taken.append((sm.source_addr, sm.destination_addr, text))
        number = f"{len(self.taken):08}"
        sm.accept(number)
        if self.verdict and sm.registered_delivery:
            self.loop.create_task(self.report(number, sm.source_addr, sm.destination_addr))

    async def report(self, number: str, source: str, destination: str) -> None:
        await asyncio.sleep(0.2)
        is_bad = self.verdict != "DELIVRD"
        receipt = (
            f"id:{number} sub:001 dlvrd:{0 if is_bad else 1:03} submit date:2510310300 "
            f"done date:2510310300 stat:{self.verdict} err:{'0CB' if is_bad else '000'} text:"
        )
        await self.esme.deliver_sm(
            source, receipt.encode(), source_addr=destination, esm_class=RECEIPT
        )


@contextmanager
def centre(port: int) -> Iterator[Centre]:
    made = Centre(port)
    task = made.loop.create_task(made.serve())

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            made.loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield made
    finally:
        made.loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        made.loop.close()
