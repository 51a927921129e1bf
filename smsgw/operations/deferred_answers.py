"""Gives the answers that waited for the ledger, in turn, once it is back."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rq.timeouts import BaseTimeoutException

from smsgw import logs, responder
from smsgw.messaging import inbox
from smsgw.messaging.answer import Answer, NotStored, StillDeferred
from smsgw.messaging.inbox import DeferredMessage
from smsgw.runtime import Runtime

log = logs.get(__name__)

DEFERRED_AT_ONCE = 1000
FAILED_IN_A_ROW = 3


@dataclass
class Failed:
    """Collects what the ledger could not answer in one round: everything, or look-ups by
    keyword."""

    in_a_row: int = 0
    by_keyword: Counter[str | None] = field(default_factory=Counter)

    def is_closed_to(self, deferred: DeferredMessage) -> bool:
        return self.by_keyword[deferred.keyword] >= FAILED_IN_A_ROW


def answer_deferred(rt: Runtime, is_over: Callable[[], bool]) -> Iterator[Answer]:
    """Answers until the ledger fails three times in a row, or `is_over`; the sweep finds the rest.
    If a look-up failed for three messages of a keyword, its others wait, and no other keyword."""
    failed = Failed()
    with rt.writing() as tx:
        for message_id in inbox.fail_unreadable(tx, DEFERRED_AT_ONCE):
            log.error("a deferred message cannot be decrypted", message=message_id)
    with rt.reading() as tx:
        waiting = inbox.deferred(tx, DEFERRED_AT_ONCE)
    for message in waiting:
        if is_over() or failed.in_a_row == FAILED_IN_A_ROW:
            break
        answer = None if failed.is_closed_to(message) else _try_one(rt, message, failed)
        if answer is not None:
            yield answer


def _try_one(rt: Runtime, deferred: DeferredMessage, failed: Failed) -> Answer | None:
    try:
        answer = _answer_one(rt, deferred)
    except StillDeferred as error:
        failed.by_keyword[deferred.keyword] += 1
        if error.was_asked:
            with rt.writing() as tx:
                inbox.put_off(tx, deferred)
        return None
    except NotStored:
        failed.in_a_row += 1
        return None
    failed.in_a_row = 0
    return answer


def _answer_one(rt: Runtime, deferred: DeferredMessage) -> Answer | None:
    """Gives up the message at a bug of ours, which must not hold up all messages behind it."""
    try:
        return responder.answer_deferred(rt, deferred)
    except (NotStored, BaseTimeoutException):
        raise
    except Exception as error:
        log.exception("an answer failed", message=deferred.message_id, error=type(error).__name__)
        with rt.writing() as tx:
            inbox.give_up(tx, deferred.message_id)
        return None
