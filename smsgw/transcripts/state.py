"""Reads what the databases hold after a step about the phone that wrote, and the queued replies."""

from typing import cast

from sqlalchemy import func, select

from handlers.changes import Choice, Consent, DraftQuestion, Identity, OpenQuestion, Suggestion
from smsgw import phone
from smsgw.registry import phone_state, registration_codes
from smsgw.runtime import Runtime
from smsgw.storage.crypto import Part
from smsgw.storage.tables.cases import cases
from smsgw.storage.tables.messages import replies
from smsgw.storage.tables.phones import phones
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction
from smsgw.transcripts.comparison import FurtherSms
from smsgw.transcripts.format import Language, State

NAMES: dict[type[OpenQuestion], str] = {
    Consent: "consent",
    Suggestion: "suggestion",
    DraftQuestion: "draft",
    Choice: "choice",
    Identity: "identity",
}


def read(rt: Runtime, sender: str) -> State:
    """Reads the state; a phone that never wrote has none."""
    number = phone.e164(sender)
    if number is None:
        return State()
    with rt.reading() as tx:
        known = phone_state.read(tx, number)
        own = phones.c.id == known.phone_id
        row = tx.connection.execute(select(phones.c.stopped_at).where(own)).first()
        return State(
            bound=known.caller.nkps,
            locked=known.caller.locked,
            language=cast(Language, known.language),
            stopped=row is not None and row.stopped_at is not None,
            open=_open_question(tx, known.phone_id, known.caller.open),
            cases=_open_cases(tx, known.phone_id),
        )


def _open_question(tx: Transaction, phone_id: int, question: OpenQuestion | None) -> str | None:
    if question is not None:
        return NAMES[type(question)]
    return "code" if registration_codes.is_awaited(tx, phone_id) else None


def _open_cases(tx: Transaction, phone_id: int) -> int:
    own = (cases.c.phone_id == phone_id) & cases.c.closed_at.is_(None)
    return int(tx.connection.execute(select(func.count()).where(own)).scalar_one())


def newest_reply(rt: Runtime) -> int:
    """Returns the id of the newest reply; 0 for none."""
    with rt.reading() as tx:
        return tx.connection.execute(select(func.max(replies.c.id))).scalar_one() or 0


def queued_since(rt: Runtime, reply_id: int) -> list[tuple[int, FurtherSms]]:
    """Replies with a higher id, each with its id, sent or not."""
    rows = (
        select(replies, phones.c.number, phones.c.hash)
        .join_from(replies, phones, phones.c.id == replies.c.phone_id)
        .where(replies.c.id > reply_id)
        .order_by(replies.c.id)
    )
    with rt.reading() as tx:
        return [
            (
                row.id,
                FurtherSms(
                    to=_decrypt(tx, row.number, Ciphertext.PHONE, row.hash),
                    text=_decrypt(
                        tx,
                        row.text,
                        Ciphertext.REPLY,
                        row.hash,
                        row.message_id,
                        row.binding_id,
                    ),
                    wording=row.wording,
                ),
            )
            for row in tx.connection.execute(rows)
        ]


def _decrypt(tx: Transaction, sealed: bytes | None, column: Ciphertext, *named_by: Part) -> str:
    """Returns nothing if the question expired within the step."""
    return tx.vault.decrypt(sealed, column, *named_by) if sealed is not None else ""
