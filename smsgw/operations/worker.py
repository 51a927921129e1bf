"""Runs the worker, which runs known jobs of the queue in its own process, and nothing else in
it."""

from collections.abc import Callable

import rq.job
from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from smsgw import logs
from smsgw.operations import process
from smsgw.operations.jobs import (
    RUNTIME,
    answer_parts,
    answer_waiting,
    beat,
    do_task,
    drain_sender_id,
    settle_unknown,
)
from smsgw.operations.queue import SHUTDOWN, connect
from smsgw.runtime import Runtime

log = logs.get(__name__)

QUEUE_AGAIN = 5.0  # seconds until a worker tries again


def work(rt: Runtime) -> None:
    """Runs jobs until the process is told to stop; what is in hand is finished. A Redis that is
    full or away is waited for. Raises NoQueue."""
    if rt.redis_url is None:
        raise NoQueue("there is no REDIS_URL, and no `smsgw run` keeps a server in SMSGW_HOME")
    RUNTIME.set(rt)
    process.freeze_loaded_objects()
    connection = Redis.from_url(rt.redis_url)
    while not SHUTDOWN.is_set():
        worker = Worker(
            [connect(connection)],
            connection=connection,
            serializer=JSONSerializer,
            log_job_description=False,
        )
        try:
            worker.work(logging_level="WARNING")
        except RedisError as error:
            log.error("queue unavailable for the worker", error=type(error).__name__)
            SHUTDOWN.wait(QUEUE_AGAIN)
        else:
            return


class UnknownJob(Exception):
    """Says that a job in the queue is none of ours."""


class Job(rq.job.Job):
    """Runs what JOBS names and nothing else: who can write to the queue could otherwise name any
    function of any library, which rq would import and call. Callbacks are functions too."""

    @property
    def func(self) -> Callable[..., None]:
        """Raises UnknownJob."""
        work = JOBS.get(str(self.func_name)) if self.instance is None else None
        if work is None:
            raise UnknownJob
        return work

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None


JOBS = {
    f"{work.__module__}.{work.__qualname__}": work
    for work in (drain_sender_id, answer_waiting, answer_parts, settle_unknown, do_task, beat)
}


class Worker(SimpleWorker):
    """Runs jobs in its own process, and lets the one in hand know when to come to an end."""

    job_class = Job

    def handle_warm_shutdown_request(self) -> None:
        SHUTDOWN.set()


class NoQueue(Exception):
    """Says that no Redis-compatible server is configured."""
