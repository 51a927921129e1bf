"""For a while four times as many people write as the sender ID may answer.

The throttle is the real one, and takes its time from Redis. So a round is a second of the throttle,
whose bucket is full when the round begins. For everything else a round lasts fifteen seconds, so
that people wait for longer than a repeat counts as one once its answer has been sent.
"""

import gc
import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

import pytest
from sqlalchemy import Row, func, select

from smsgw import responder
from smsgw.carriers.carrier import IncomingSms, OutgoingSms
from smsgw.carriers.simulator import Simulator
from smsgw.messaging import dispatch, expiry_notices, throttle
from smsgw.messaging.screening import REPEAT_WITHIN
from smsgw.operations.clock import sweep
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import QUEUED, Priority, ReplyState, attempts, messages, replies
from smsgw.storage.tables.phones import phones
from tests.conftest import P1, Clock
from tests.support.batches import together
from tests.support.sender_ids import SENDER_ID

IN, OUT = 80, 20  # messages, and SMS, in a round
ROUND, SURGE = timedelta(seconds=15), 20  # rounds
MOST_ROUNDS = 120
VALIDITY = 10 * ROUND
NEW, FLOOD = 45, 2  # messages in a round of people who are new, and of one who writes all the time
WORDS = ("SALDO", "IURAN", "STATUS", "KONTAK", "DATA", "JP")
ANSWERS_AN_HOUR = 20  # of one phone
OBJECTS = 3_000  # of Python that a thousand messages may leave behind


class Recording(Simulator):
    """Remembers to whom it sent what, as long as nobody has looked."""

    def __init__(self) -> None:
        self.sent: list[OutgoingSms] = []

    def send(self, sms: OutgoingSms) -> str:
        self.sent.append(sms)
        return super().send(sms)


@dataclass
class Surge:
    rt: Runtime
    clock: Clock
    carrier: Recording
    received: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    waits: dict[str, datetime] = field(default_factory=dict)  # by phone, since when
    impatient: deque[str] = field(default_factory=deque)  # who write again, in turn
    told: list[str] = field(default_factory=list)  # who are to write again
    long_repeats: int = 0  # after REPEAT_WITHIN

    def run(self) -> Iterator[int]:
        """Plays rounds until everybody has been answered; yields the number of each."""
        for number in range(MOST_ROUNDS):
            self._receive(self._messages(number))
            self._send()
            yield number
            if number >= SURGE and not self.waits:
                return

    def _messages(self, number: int) -> list[tuple[str, str]]:
        told, self.told = self.told, []
        if number >= SURGE:
            return [(each, "SALDO") for each in told]
        new = [phone(number * NEW + index) for index in range(NEW)]
        again = [
            self.impatient.popleft() for _ in range(min(len(self.impatient), IN - NEW - FLOOD))
        ]
        self.impatient += [*again, *new[::3], *new[1::3]]  # every third waits in silence
        flood = [(P1, WORDS[(number * FLOOD + index) % len(WORDS)]) for index in range(FLOOD)]
        return [*flood, *((each, "SALDO") for each in (*new, *again, *told))]

    def _receive(self, texts: Sequence[tuple[str, str]]) -> None:
        calls = []
        for sender, text in texts:
            self.received += 1
            sms = IncomingSms("simulator", f"surge-{self.received}", sender, SENDER_ID, text)
            calls.append(partial(responder.respond, self.rt, sms))
        made = together(self.rt, calls) if calls else []
        for (sender, _), each in zip(texts, made, strict=True):
            answer = each.result()
            assert answer is not None
            self._note(sender, answer.verdict.reason or str(answer.verdict.outcome))

    def _note(self, sender: str, outcome: str) -> None:
        self.outcomes[outcome] += 1
        if sender == P1:
            return
        since = self.waits.setdefault(sender, self.clock.now)
        if outcome == "duplicate":
            self.long_repeats += self.clock.now - since > REPEAT_WITHIN
        else:
            self.waits[sender] = self.clock.now

    def _send(self) -> None:
        """Sends what the throttle allows in a round."""
        self.clock.now += ROUND
        sweep(self.rt)
        assert self.rt.redis is not None
        self.rt.redis.delete(f"sender-id:simulator:{SENDER_ID}")
        begun = time.monotonic()
        dispatch.drain(self.rt, "simulator", SENDER_ID)
        sent, self.carrier.sent = self.carrier.sent, []
        assert len(sent) <= 1 + OUT * (1 + time.monotonic() - begun)
        is_notice = {sms.recipient: sms.text.startswith("Maaf, pesan Anda") for sms in sent}
        if any(is_notice.values()):
            assert self._asked_for() == 0
        self.told += [each for each, is_one in is_notice.items() if is_one]
        for recipient, is_one in is_notice.items():
            if not is_one:
                self.waits.pop(recipient, None)
        self.impatient = deque(each for each in self.impatient if each in self.waits)

    def _asked_for(self) -> int:
        """Counts what people asked for and wait for."""
        with self.rt.reading() as tx:
            waiting = select(func.count()).where(QUEUED, replies.c.priority < Priority.SCHEDULED)
            return tx.connection.execute(waiting).scalar_one()


def phone(index: int) -> str:
    return f"+62812345{index:05}"


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def rows(rt: Runtime) -> list[Row[Any]]:
    """Returns all replies by phone, oldest first."""
    with rt.reading() as tx:
        ordered = select(replies).order_by(replies.c.phone_id, replies.c.id)
        return list(tx.connection.execute(ordered))


def flooding_phone(rt: Runtime) -> int:
    with rt.reading() as tx:
        found = select(phones.c.id).where(phones.c.hash == rt.vault.hash(P1, "phone"))
        return tx.connection.execute(found).scalar_one()


def in_order_of_sends(rt: Runtime) -> list[int]:
    """Returns the ids of the replies that people asked for, as they were claimed."""
    with rt.reading() as tx:
        is_its = attempts.c.reply_id == replies.c.id
        claimed = select(replies.c.id).join_from(attempts, replies, is_its).order_by(attempts.c.id)
        asked = claimed.where(replies.c.priority < Priority.SCHEDULED)
        return list(tx.connection.execute(asked).scalars())


@pytest.fixture
def surge(rt: Runtime, clock: Clock) -> Surge:
    carrier = Recording()
    limited = {"sender_rates": {SENDER_ID: float(OUT)}, "validity": VALIDITY}
    settings = rt.settings.model_copy(update=limited)
    return Surge(replace(rt, settings=settings, carriers={"simulator": carrier}), clock, carrier)


@pytest.mark.thorough
def test_in_a_surge_everybody_is_answered_once_or_told(
    surge: Surge, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="smsgw")  # pytest would keep a record of each message
    rt, held = surge.rt, []
    for number in surge.run():
        if number in {SURGE // 3, SURGE - 1}:
            held.append(objects())
    assert not surge.waits
    assert held[1] - held[0] < OBJECTS
    assert throttle.hits(rt)["simulator", SENDER_ID] > SURGE

    flooding, expired, told = flooding_phone(rt), 0, 0
    for phone_id, its_rows in groupby(rows(rt), key=lambda row: row.phone_id):
        its_own = list(its_rows)
        notices = [row for row in its_own if row.wording == expiry_notices.WORDING]
        answers = [row.state for row in its_own if row not in notices]
        told += sum(row.state == ReplyState.SENT for row in notices)
        expired += answers.count(ReplyState.EXPIRED)
        if phone_id == flooding:
            assert len(answers) <= ANSWERS_AN_HOUR
        else:  # once, and again only after the answer before has expired
            assert answers == [ReplyState.EXPIRED] * (len(answers) - 1) + [ReplyState.SENT]
        assert len([row for row in notices if row.state != ReplyState.REFUSED]) <= 1
    assert (expired > NEW, told > 0) == (True, True)
    assert in_order_of_sends(rt) == sorted(in_order_of_sends(rt))
    assert surge.outcomes["duplicate"] > surge.received / 4
    assert surge.long_repeats > 0
    with rt.reading() as tx:
        count = select(func.count()).select_from(messages)
        assert tx.connection.execute(count).scalar_one() == surge.received
