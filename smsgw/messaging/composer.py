"""Telling somebody something: worded in their language, noted in the audit, put into the outbox."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select

from handlers.ports import Contact
from handlers.values import Value, Verbatim
from smsgw import gsm7
from smsgw.configuration import placeholders
from smsgw.configuration.compiler import Configuration
from smsgw.messaging import inbox, outbox
from smsgw.registry import phone_state
from smsgw.registry.bindings import Notice
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act
from smsgw.storage.tables.messages import Priority, messages
from smsgw.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Outgoing:
    recipient: str
    text: str
    carrier: str
    lane: str


@dataclass(frozen=True, slots=True)
class Told:
    """What telling somebody something takes."""

    rt: Runtime
    tx: Transaction
    configuration: Configuration
    call_centre: Verbatim | None
    actor: str
    message_id: int = 0
    text_hash: bytes = b""
    language: str = "id"


def call_centre(contact: Contact | None) -> Verbatim | None:
    """A telephone number is shown whole or not at all."""
    number = contact.value if contact else None
    fits = number is not None and len(number) <= placeholders.TEXT_WIDTH and gsm7.is_gsm7(number)
    return Verbatim(number) if number and fits else None


def worded(told: Told, wording: str, values: Mapping[str, Value]) -> str:
    everywhere = {"call_centre": told.call_centre, "ref": inbox.reference(told.message_id)}
    return told.configuration.text(wording, {**values, **everywhere}, told.language)


def disclosed(told: Told, phone_id: int, nkp: str, wording: str) -> None:
    audit.note(
        *(told.tx, Act.DISCLOSED, told.actor),
        phone_id=phone_id,
        message_id=told.message_id,
        nkp=nkp,
        detail=wording,
    )


def notify(told: Told, notice: Notice, priority: Priority = Priority.ASKED) -> Outgoing:
    """Another phone, in its own language, by the carrier of what nobody asked for."""
    told = replace(told, language=phone_state.language_of(told.tx, notice.phone_id))
    text = worded(told, notice.reply.wording, notice.reply.values)
    carrier, lane = told.rt.unasked.name, told.rt.unasked.own_lane
    lasts = notice.lasts or told.rt.settings.validity
    disclosed(told, notice.phone_id, notice.nkp, notice.reply.wording)
    outbox.add(
        told.tx,
        outbox.Draft(
            *(told.message_id, notice.phone_id, notice.number, None, carrier, lane, text, lasts),
            priority=Priority.SCHEDULED if notice.delay else priority,
            wording=notice.reply.wording,
            delay=notice.delay,
        ),
    )
    return Outgoing(notice.number, text, carrier, lane)


def answer_later(
    told: Told, phone_id: int, number: str, wording: str, text: str, binding_id: int | None = None
) -> Outgoing:
    """What an officer says to a message of before: it leaves from the number that the message came
    to, and counts as no wait of a machine's."""
    carrier, lane = _lane(told)
    outbox.add(
        told.tx,
        outbox.Draft(
            *(told.message_id, phone_id, number, binding_id, carrier, lane, text),
            lasts=told.rt.settings.validity,
            priority=Priority.SCHEDULED,
            wording=wording,
        ),
    )
    return Outgoing(number, text, carrier, lane)


def _lane(told: Told) -> tuple[str, str]:
    """Where the message's carrier is not in use any more, that of what nobody asked for."""
    came = select(messages.c.carrier, messages.c.lane).where(messages.c.id == told.message_id)
    row = told.tx.connection.execute(came).one()
    if row.carrier in told.rt.carriers:
        return row.carrier, row.lane
    return told.rt.unasked.name, told.rt.unasked.own_lane
