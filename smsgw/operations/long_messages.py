"""Answers long messages that a carrier delivers in parts.

1. Each part is stored, and acknowledged after that.
2. Whoever stores the last one settles which parts belong together, and answers their message.
3. The texts of the parts are destroyed.

Each step is a transaction. Where a process dies in between, the next one repeats the step: a part
is stored once, and a message by its carrier_ref once. The clock finds what nobody continued, and
what stays incomplete.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from rq.timeouts import BaseTimeoutException

from smsgw import logs, responder
from smsgw.carriers.carrier import IncomingSms
from smsgw.messaging import parts
from smsgw.messaging.answer import Answer, NotStored
from smsgw.messaging.inbox import Repeated
from smsgw.messaging.parts import JoinedMessage
from smsgw.runtime import Runtime

log = logs.get(__name__)


def receive(rt: Runtime, sms: IncomingSms) -> Sequence[Answer]:
    """Stores a part, and answers the message that it completes. Raises NotStored."""
    with suppress(Repeated), rt.writing() as tx:
        parts.add(tx, sms)
    with rt.writing() as tx:
        complete = parts.complete(tx, sms)
    answers = [_answer(rt, message) for message in complete]
    return [answer for answer in answers if answer is not None]


def answer_waiting(rt: Runtime, is_over: Callable[[], bool]) -> Iterator[Answer]:
    """Answers what nobody continued and what stays incomplete, until `is_over`; the sweep finds
    the rest."""
    with rt.writing() as tx:
        due = parts.due(tx, may_expire=rt.clock_check.is_right())
    for message in due:
        if is_over():
            break
        answer = _try_one(rt, message)
        if answer is not None:
            yield answer


def _try_one(rt: Runtime, message: JoinedMessage) -> Answer | None:
    """A bug of ours must not stand in the way of everybody behind."""
    try:
        return _answer(rt, message)
    except BaseTimeoutException:
        raise
    except NotStored:
        return None
    except Exception as error:
        log.exception("an answer failed", parts=message.part_ids, error=type(error).__name__)
        return None


def _answer(rt: Runtime, message: JoinedMessage) -> Answer | None:
    """None where it was answered before, or cannot be decrypted."""
    if message.sms is None:
        log.error("a long message cannot be decrypted", parts=message.part_ids)
    answer = responder.respond(rt, message.sms) if message.sms is not None else None
    with rt.writing() as tx:
        parts.empty(tx, message.part_ids)
    return answer
