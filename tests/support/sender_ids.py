"""Makes replies that wait for a sender ID, and carriers that fail."""

from dataclasses import replace
from itertools import count

from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import select

from smsgw import responder
from smsgw.carriers.carrier import Ending, IncomingSms, OutgoingSms, SendError, WebhookRequest
from smsgw.carriers.simulator import Simulator
from smsgw.messaging import dispatch
from smsgw.operations import jobs
from smsgw.operations.queue import QUEUE
from smsgw.operations.worker import Worker
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import replies
from tests.conftest import P1, Clock

SENDER_ID = "2757"


class Failing(Simulator):
    """Fails as it was told to, and remembers what it was asked."""

    def __init__(self, *endings: Ending) -> None:
        self.endings = list(endings)
        self.sent: list[OutgoingSms] = []

    def send(self, sms: OutgoingSms) -> str:
        self.sent.append(sms)
        if self.endings:
            raise SendError(self.endings.pop(0), "busy")
        return super().send(sms)

    def verify(self, request: WebhookRequest) -> None:
        raise AssertionError


def receive(rt: Runtime, clock: Clock, number: int = 1) -> None:
    """Receives messages from one phone; beyond its limit, from others. None is a repeat."""
    for index in range(number):
        clock.moves(minutes=3)
        sender, reference = P1 if index < 4 else f"+628570000{index:04}", next(_references)
        text = "SALDO" if reference % 2 else "CEK SALDO"
        sms = IncomingSms("simulator", f"job-{reference}", sender, SENDER_ID, text)
        assert responder.respond(rt, sms)


def send_all(rt: Runtime) -> None:
    """Sends what is due."""
    dispatch.drain(rt, "simulator", SENDER_ID)


def states(rt: Runtime) -> list[str]:
    with rt.reading() as tx:
        return list(tx.connection.execute(select(replies.c.state).order_by(replies.c.id)).scalars())


def with_carrier(rt: Runtime, carrier: Simulator) -> Runtime:
    return replace(rt, carriers={"simulator": carrier})


def burst(rt: Runtime) -> int:
    """Runs what is queued as the worker does; returns how many jobs there were."""
    jobs.RUNTIME.set(rt)
    queue = Queue(QUEUE, connection=rt.redis, serializer=JSONSerializer)
    waiting = queue.count
    worker = Worker([queue], connection=rt.redis, serializer=JSONSerializer)
    worker.work(burst=True, logging_level="ERROR")
    assert queue.failed_job_registry.count == 0
    return waiting


_references = count()
