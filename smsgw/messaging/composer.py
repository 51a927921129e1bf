"""Composes what a phone is told: rendered in its language, logged, and put into the outbox."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select

from handlers.placeholders import TEXT_WIDTH
from handlers.ports import Ledger
from handlers.values import Value, Verbatim
from smsgw import gsm7
from smsgw.configuration.compiler import Configuration
from smsgw.messaging import inbox, outbox
from smsgw.registry import phones
from smsgw.registry.bindings import Notice
from smsgw.runtime import Runtime
from smsgw.storage import audit
from smsgw.storage.audit import Act, AuditEntry
from smsgw.storage.tables.messages import Priority, messages
from smsgw.storage.transaction import Transaction


class Outgoing(NamedTuple):
    recipient: str
    text: str
    carrier: str
    sender_id: str


class Composer(NamedTuple):
    """Composes replies and notices for one message, in one transaction."""

    rt: Runtime
    tx: Transaction
    configuration: Configuration
    call_centre: Verbatim | None
    actor: str
    message_id: int = 0
    text_hash: bytes = b""
    language: str = "id"

    def render(self, wording: str, values: Mapping[str, Value]) -> str:
        everywhere = {"call_centre": self.call_centre, "ref": inbox.reference(self.message_id)}
        return self.configuration.text(wording, {**values, **everywhere}, self.language)

    def disclosure(self, phone_id: int, nkp: str, wording: str) -> AuditEntry:
        return AuditEntry(
            Act.DISCLOSED,
            self.actor,
            phone_id=phone_id,
            message_id=self.message_id,
            nkp=nkp,
            detail=wording,
        )

    def log_disclosure(self, phone_id: int, nkp: str, wording: str) -> None:
        audit.note_all(self.tx, [self.disclosure(phone_id, nkp, wording)])

    def send_notice(self, notice: Notice, priority: Priority = Priority.ASKED) -> Outgoing:
        """Tells another phone, in its own language, by the carrier of unasked messages."""
        theirs = self._replace(language=phones.language_of(self.tx, notice.phone_id))
        text = theirs.render(notice.reply.wording, notice.reply.values)
        carrier, sender_id = self.rt.default_carrier.name, self.rt.default_carrier.default_sender_id
        self.log_disclosure(notice.phone_id, notice.nkp, notice.reply.wording)
        draft = outbox.NewReply(
            message_id=self.message_id,
            phone_id=notice.phone_id,
            number=notice.number,
            binding_id=None,
            carrier=carrier,
            sender_id=sender_id,
            text=text,
            lasts=notice.lasts or self.rt.settings.validity,
            priority=Priority.SCHEDULED if notice.delay else priority,
            wording=notice.reply.wording,
            delay=notice.delay,
        )
        outbox.add(self.tx, draft)
        return Outgoing(notice.number, text, carrier, sender_id)

    def send_answer(
        self, phone_id: int, number: str, wording: str, text: str, binding_id: int | None = None
    ) -> Outgoing:
        """Sends what an officer says to an earlier message. It leaves from the number that the
        message came to, and counts as no wait of a machine's."""
        carrier, sender_id = self._reply_route()
        draft = outbox.NewReply(
            message_id=self.message_id,
            phone_id=phone_id,
            number=number,
            binding_id=binding_id,
            carrier=carrier,
            sender_id=sender_id,
            text=text,
            lasts=self.rt.settings.validity,
            priority=Priority.SCHEDULED,
            wording=wording,
        )
        outbox.add(self.tx, draft)
        return Outgoing(number, text, carrier, sender_id)

    def _reply_route(self) -> tuple[str, str]:
        """Returns the carrier and the sender ID for the reply: those of the message, or the default
        ones if its carrier is not in use any more."""
        came = select(messages.c.carrier, messages.c.sender_id).where(
            messages.c.id == self.message_id
        )
        row = self.tx.connection.execute(came).one()
        if row.carrier in self.rt.carriers:
            return row.carrier, row.sender_id
        return self.rt.default_carrier.name, self.rt.default_carrier.default_sender_id


def call_centre(ledger: Ledger) -> Verbatim | None:
    """Returns the telephone number of the call centre, which is shown whole or not at all."""
    contact = ledger.contact("call_centre")
    number = contact.value if contact else None
    fits = number is not None and len(number) <= TEXT_WIDTH and gsm7.is_gsm7(number)
    return Verbatim(number) if number and fits else None
