"""Decides whether a message is answered at all: echoes of our replies, repeats, phones
that we do not serve."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from grammar import Command, Misread, normalise
from smsgw import phone
from smsgw.carriers.carrier import IncomingSms
from smsgw.configuration.compiler import Configuration
from smsgw.messaging.answer import Answer, Decision
from smsgw.messaging.inbox import DeferredMessage
from smsgw.messaging.rate_limits import Gate
from smsgw.registry.phone_state import PhoneState
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import ReplyState

REPEAT_WITHIN = timedelta(minutes=2)
WAITS = {ReplyState.QUEUED, ReplyState.SENDING}
# What people send twice on purpose, or to a question that was asked twice.
NEVER_REPEATS = {"ya", "tidak", "kode", "lanjut", "ulang", "stop"}
ECHO_FROM = 12  # characters


class ParsedMessage(NamedTuple):
    """Holds a message as the grammar read it."""

    sms: IncomingSms
    configuration: Configuration
    said: Command | Misread
    text_hash: bytes
    gate: Gate
    is_ours: bool  # a reply of ours that comes back
    deferred: DeferredMessage | None  # where its answer had to wait
    actor: str


@dataclass(slots=True)
class Inbound:
    """Holds a message on its way through: what is known of its phone, what is decided, and what
    became of it."""

    parsed: ParsedMessage
    is_read: bool = False
    known: PhoneState | None = None  # none where no phone sent it
    ids: tuple[int, ...] = ()  # of the message and its reply, if they are taken already
    decision: Decision | None = None
    outcome: Answer | Exception | None = None


def still_open(inbound: Sequence[Inbound]) -> list[Inbound]:
    """Returns those whose outcome is not known yet."""
    return [each for each in inbound if each.outcome is None]


def may_be_answered(rt: Runtime, known: PhoneState, sender_id: str) -> bool:
    """Tells whether a phone gets replies: one of a country that we serve, or one that is bound to a
    participant, wherever it is. Our own numbers never do."""
    number = known.caller.phone
    if not (known.caller.nkps or phone.is_in(number, rt.settings.countries)):
        return False
    ours = (sender_id, *(it.default_sender_id for it in rt.carriers.values()))
    return phone.can_get_sms(number) and number not in map(phone.e164, ours)


def is_echo(parsed: ParsedMessage, known: PhoneState) -> bool:
    """Tells whether our last reply to this phone comes back, perhaps with something around it."""
    last = normalise(known.last_reply) if known.last_reply else ""
    return len(last) >= ECHO_FROM and last in normalise(parsed.sms.text)


def is_stored(parsed: ParsedMessage, known: PhoneState) -> bool:
    """Tells whether the phone's last message is this one, which its carrier delivers again."""
    before = known.previous
    if before is None or parsed.deferred is not None:
        return False
    return (before.carrier, before.carrier_ref) == (parsed.sms.carrier, parsed.sms.carrier_ref)


def is_repeat(rt: Runtime, parsed: ParsedMessage, known: PhoneState) -> bool:
    """Tells whether the text equals the phone's message just before, whose reply still waits to be
    sent, however long, or has just been sent: that is impatience, not a new question."""
    before = known.previous
    is_letter = len(parsed.said.rest) == 1 and not parsed.said.word
    if before is None or parsed.deferred is not None or is_letter:
        return False
    if before.text_hash != parsed.text_hash:
        return False
    if before.is_deferred:
        return True  # its answer is promised; it will come once
    if parsed.said.keyword in NEVER_REPEATS:
        return False
    # Who says the same again with the answer in hand asks again.
    is_recent = rt.now() - before.received_at < REPEAT_WITHIN
    return before.reply_state in WAITS or (is_recent and before.reply_state == ReplyState.SENT)
