"""Makes a month of messages for the demo, each answered and sent, so that its charts show
something."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging import dispatch
from smsgw.messaging.hourly_counts import Tallies
from smsgw.runtime import Runtime
from smsgw.storage.tables.counts import tallies
from smsgw.transcripts import reader
from smsgw.transcripts.world import Clock

DAYS = 30
TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
FILES = ("asked-well", "sloppy-balance", "other-messages", "wrong-messages")
PHONES = [f"+62841{number:08}" for number in range(120)]  # never assigned
SENDER_ID = "2757"
SEEN_TO = re.compile("DAFTAR|LAPOR|HAPUS|ADU", re.IGNORECASE)  # what officers would be left with
BY_HOUR = [1, 1, 1, 1, 2, 4, 8, 14, 20, 24, 22, 20, 16, 18, 20, 18, 16, 14, 12, 12, 10, 8, 4, 2]


def play_month(rt: Runtime, a_day: int, seed: int = 20261031) -> None:
    """Plays a month. `a_day` is the number of messages on the busiest days, at the hours when
    people write."""
    chance = random.Random(seed)
    clock = Clock(rt.now())
    then = replace(rt, now=clock)
    texts = [text for text in _texts() if not SEEN_TO.search(text)]
    local = rt.now().astimezone(rt.settings.zone)
    for number, at in enumerate(_instants(local, a_day, chance)):
        clock.now = at.astimezone(UTC)
        sms = IncomingSms(
            "simulator", f"month-{number}", chance.choice(PHONES), SENDER_ID, chance.choice(texts)
        )
        responder.respond(then, sms)
        clock.now += timedelta(milliseconds=chance.randint(150, 1500))
        dispatch.drain(then, "simulator", SENDER_ID)
    with rt.writing() as tx:  # a clock that runs has counted hours before they were spoken in
        tx.connection.execute(delete(tallies))
    clock.now = rt.now()
    counting = Tallies(then)
    while counting.step():  # the hours of a month, some at a time
        pass


def _instants(until: datetime, a_day: int, chance: random.Random) -> Iterator[datetime]:
    for back in range(DAYS, -1, -1):
        day = until - timedelta(days=back)
        busy = 0.4 if day.weekday() >= 5 else chance.uniform(0.75, 1)
        hours = chance.choices(range(24), BY_HOUR, k=round(a_day * busy))
        at = [
            day.replace(hour=hour, minute=chance.randrange(60), second=chance.randrange(60))
            for hour in hours
        ]
        yield from (each for each in sorted(at) if each < until)


def _texts() -> Iterator[str]:
    for name in FILES:
        for conversation in reader.read(TRANSCRIPTS / f"{name}.yaml").transcript.conversations:
            yield from (step.text for step in conversation.steps if step.text)
