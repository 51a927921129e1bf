"""Composes notifications, and puts them into the outbox with what the audit log says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from handlers import notification
from handlers.values import Verbatim
from smsgw.messaging import outbox
from smsgw.messaging.composer import Composer
from smsgw.messaging.outbox import NewReply
from smsgw.notifications import events
from smsgw.notifications.telling import Telling
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.tables.messages import Priority
from smsgw.storage.transaction import Transaction

CLOCK = "clock"  # as the actor


@dataclass(frozen=True, slots=True)
class Composition:
    telling: Telling
    text: str
    says_stop: bool


def send(
    rt: Runtime, tx: Transaction, call_centre: Verbatim | None, tellings: Sequence[Telling]
) -> list[tuple[str, str]]:
    """Queues notifications and writes what they disclose; returns (number, text) of each. Raises
    Conflict where another process queued one of them."""
    composer = Composer(rt, tx, rt.configuration, call_centre, CLOCK)
    composed = compose(tx, composer, tellings)
    reply_ids = outbox.add_all(tx, [_reply(rt, tx, each) for each in composed])
    by_event = zip((each.telling.event.id for each in composed), reply_ids, strict=True)
    says_stop = [each.telling.event.id for each in composed if each.says_stop]
    events.queue(tx, dict(by_event), says_stop)
    if composed:
        audit.note_all(tx, [entry for each in composed for entry in _entries(composer, each)])
    return [(each.telling.known.caller.phone, each.text) for each in composed]


def compose(tx: Transaction, composer: Composer, tellings: Sequence[Telling]) -> list[Composition]:
    """Renders each in its phone's language. A phone is told once a month how to end them."""
    said = events.said_stop(tx, {each.event.phone_id for each in tellings})
    composed = []
    for each in tellings:
        says_stop = each.event.phone_id not in said
        said.add(each.event.phone_id)
        values = {**each.reply.values, "off": notification.OFF if says_stop else None}
        text = _of(composer, each).render(each.reply.wording, values)
        composed.append(Composition(each, text, says_stop))
    return composed


def _of(composer: Composer, telling: Telling) -> Composer:
    """Returns the composer for a notification, which answers no message."""
    return composer._replace(message_id=-telling.event.id, language=telling.known.language)


def _entries(composer: Composer, each: Composition) -> list[audit.AuditEntry]:
    event, reply = each.telling.event, each.telling.reply
    nkps = [*reply.shows, *([reply.about] if reply.about else [])]
    theirs = _of(composer, each.telling)
    return [theirs.disclosure(event.phone_id, nkp, reply.wording) for nkp in nkps]


def _reply(rt: Runtime, tx: Transaction, each: Composition) -> NewReply:
    telling, carrier = each.telling, rt.default_carrier
    return NewReply(
        message_id=-telling.event.id,
        phone_id=telling.event.phone_id,
        number=telling.known.caller.phone,
        binding_id=telling.event.binding_id,
        carrier=carrier.name,
        sender_id=carrier.default_sender_id,
        text=each.text,
        lasts=min(telling.until - tx.now, rt.settings.validity),
        priority=Priority.NOTIFICATION,
        wording=telling.reply.wording,
    )
