"""Defines what becomes of a message: what is decided, and the answer that was stored."""

from typing import NamedTuple

from handlers.changes import Change
from handlers.question import Reply
from smsgw.messaging.composer import Outgoing
from smsgw.messaging.inbox import Verdict


class NotStored(Exception):
    """Says that nothing was stored; the carrier should deliver the message again."""


class StillDeferred(NotStored):
    """Says that a look-up of this answer failed; those of other answers may succeed. `was_asked` is
    False if the look-up was not tried, because it had failed for others."""

    def __init__(self, *, was_asked: bool) -> None:
        super().__init__()
        self.was_asked = was_asked


class Answer(NamedTuple):
    """Holds what became of one message. `reply` is None if it gets none."""

    message_id: int
    verdict: Verdict
    reply: Outgoing | None = None
    also: tuple[Outgoing, ...] = ()

    @property
    def sender_ids(self) -> set[tuple[str, str]]:
        """Returns the (carrier, sender ID) pairs that the replies leave by."""
        replies = (self.reply, *self.also) if self.reply else self.also
        return {(each.carrier, each.sender_id) for each in replies}


class Decision(NamedTuple):
    verdict: Verdict
    reply: Reply | None = None
    changes: tuple[Change, ...] = ()
