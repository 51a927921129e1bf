"""Queues replies that wait for a sender ID, and measures how fast a carrier gets them."""

import asyncio
import time
from datetime import timedelta

from sqlalchemy import func, select

from smsgw import runtime, settings
from smsgw.messaging import outbox
from smsgw.messaging.outbox import NewReply
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.phones import bindings, phones
from tests.support.bench_traffic import number_of
from tests.support.load_driver import Driver
from tests.support.table_fill import REPLY

LASTS = timedelta(hours=2)
AT_ONCE = 5_000
STALLS = 30.0  # seconds without a reply after which no more are waited for


def queue_replies(environ: dict[str, str], number: int, bound: int, sender_id: str) -> None:
    """Queues so many, each telling of a participant whose phone is bound, and commits them
    together."""
    rt = runtime.build(settings.load(environ))
    with rt.writing() as tx:
        hashes = [tx.vault.hash(number_of(index), "phone") for index in range(bound)]
        own = select(phones.c.hash, phones.c.id, bindings.c.id)
        own = own.join_from(phones, bindings, bindings.c.phone_id == phones.c.id)
        found = tx.connection.execute(own.where(phones.c.hash.in_(hashes)))
        ids = {found_by: (phone_id, binding_id) for found_by, phone_id, binding_id in found}
        message_id = tx.connection.execute(select(func.min(messages.c.id))).scalar_one()
        new = [
            NewReply(
                message_id=message_id,
                phone_id=ids[hashes[index % bound]][0],
                number=number_of(index % bound),
                binding_id=ids[hashes[index % bound]][1],
                carrier="twilio",
                sender_id=sender_id,
                text=REPLY,
                lasts=LASTS,
            )
            for index in range(number)
        ]
        for first in range(0, number, AT_ONCE):
            outbox.add_all(tx, new[first : first + AT_ONCE])
    rt.close()


async def drain_rate(driver: Driver, number: int, *, skip: float, seconds: float) -> float:
    """Returns the replies per second that the carrier gets, until it has `number` or `seconds` are
    over. `skip`: seconds after the first one that do not count."""
    await wait_until_taken(driver, 1, STALLS)
    await wait_until_taken(driver, number, skip)
    before, since = driver.taken, time.monotonic()
    await wait_until_taken(driver, number, seconds)
    return (driver.taken - before) / (time.monotonic() - since)


async def wait_until_taken(driver: Driver, number: int, seconds: float) -> None:
    """Waits until the carrier has so many replies, but not longer than `seconds`."""
    until = time.monotonic() + seconds
    while driver.taken < number and time.monotonic() < until:
        await asyncio.sleep(0.01)
