"""Copies what a phone sent and received, and what is open with it."""

import json

from sqlalchemy import exists, select

from smsgw.backoffice.ownership import Owner
from smsgw.backoffice.personal_copy.rows import Entry, named_by, read
from smsgw.storage.tables.messages import attempts, parts
from smsgw.storage.tables.messages import messages as _messages
from smsgw.storage.tables.messages import replies as _replies
from smsgw.storage.tables.phones import pages, phones, questions
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction


def phone(tx: Transaction, owner: Owner) -> list[Entry]:
    row = tx.connection.execute(select(phones).where(phones.c.id == owner.phone_id)).one()
    return [
        {
            "number": owner.number,
            "language": row.language,
            "opted_out": row.stopped_at is not None,
            "opted_out_at": row.stopped_at if owner.had(row.stopped_at) else None,
        }
    ]


def messages(tx: Transaction, owner: Owner) -> list[Entry]:
    """Leaves out a message whose answer was about somebody else who had this number, or shared the
    phone."""
    of_another = exists().where(
        _replies.c.message_id == _messages.c.id, ~owner.is_own(_replies.c.binding_id)
    )
    came = _messages.c.phone_id == owner.phone_id
    found = select(_messages).where(came, owner.within(_messages.c.received_at), ~of_another)
    return [
        {
            "received_at": row.received_at,
            "to": row.sender_id,
            "carrier": row.carrier,
            "text": tx.opened(
                row.text, Ciphertext.MESSAGE, row.id, *named_by(Ciphertext.MESSAGE, row)
            ),
            "keyword": row.keyword,
            "outcome": row.outcome,
            "reason": row.reason,
        }
        for row in read(tx, found.order_by(_messages.c.id))
    ]


def replies(tx: Transaction, owner: Owner) -> list[Entry]:
    own = (_replies.c.phone_id == owner.phone_id) & owner.is_own(_replies.c.binding_id)
    found = select(_replies).where(own, owner.within(_replies.c.made_at)).order_by(_replies.c.id)
    return [
        {
            "made_at": row.made_at,
            "from": row.sender_id,
            "carrier": row.carrier,
            "text": tx.opened(
                row.text,
                Ciphertext.REPLY,
                row.id,
                *(owner.phone_hash, row.message_id, row.binding_id),
            ),
            "segments": row.segments,
            "state": row.state,
            "attempts": _attempts(tx, row.id),
        }
        for row in read(tx, found)
    ]


def _attempts(tx: Transaction, reply_id: int) -> list[Entry]:
    found = select(attempts).where(attempts.c.reply_id == reply_id).order_by(attempts.c.id)
    return [
        {"started_at": row.started_at, "ended_at": row.ended_at, "ending": row.ending}
        for row in read(tx, found)
    ]


def open_question(tx: Transaction, owner: Owner) -> list[Entry]:
    own = (questions.c.phone_id == owner.phone_id) & owner.within(questions.c.asked_at)
    return [
        {
            "kind": row.kind,
            "asked_at": row.asked_at,
            "expires_at": row.expires_at,
            "text": json.loads(
                tx.opened(row.asked, Ciphertext.ASKED, row.phone_id, owner.phone_hash) or "{}"
            ).get("text"),
        }
        for row in read(tx, select(questions).where(own))
    ]


def further_pages(tx: Transaction, owner: Owner) -> list[Entry]:
    own = (pages.c.phone_id == owner.phone_id) & owner.within(pages.c.expires_at)
    return [
        {
            "expires_at": row.expires_at,
            "texts": json.loads(
                tx.opened(row.texts, Ciphertext.PAGES, row.phone_id, owner.phone_hash) or "[]"
            ),
        }
        for row in read(tx, select(pages).where(own))
    ]


def parts_of_messages(tx: Transaction, owner: Owner) -> list[Entry]:
    own = (parts.c.sender_hash == owner.phone_hash) & owner.within(parts.c.received_at)
    return [
        {
            "received_at": row.received_at,
            "number": row.number,
            "total": row.total,
            "text": tx.opened(
                row.text, Ciphertext.PART_TEXT, row.id, *named_by(Ciphertext.PART_TEXT, row)
            ),
        }
        for row in read(tx, select(parts).where(own).order_by(parts.c.id))
    ]
