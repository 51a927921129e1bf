"""Prepares a web process for its first message."""

from contextlib import suppress

from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from smsgw.phone import FICTITIOUS
from smsgw.runtime import Runtime
from smsgw.transcripts import sandbox
from smsgw.transcripts.sandbox import NotTried, SandboxStep

NOBODY = f"{FICTITIOUS}00000000"


def warm_up(rt: Runtime) -> None:
    """Answers a message that nobody sent, in a transaction that is rolled back: statements are
    compiled and connections open before the first real message. What fails here fails again, and is
    reported, when it is needed."""
    with suppress(NotTried), bound_contextvars(warmup=True):
        sandbox.run(rt, [SandboxStep(NOBODY, "SALDO")], rt.configuration)
    with suppress(RedisError):
        if rt.redis is not None:
            rt.redis.ping()
