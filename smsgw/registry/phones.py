"""Changes a phone's row when no message from it does: for reports of carriers, and in time."""

import secrets

from sqlalchemy import update

from smsgw.storage.tables.phones import phones
from smsgw.storage.transaction import Transaction


def opt_out(tx: Transaction, phone_id: int) -> None:
    """Records that the phone said STOP to the carrier, which refuses us from then on."""
    tx.connection.execute(
        update(phones)
        .where(phones.c.id == phone_id, phones.c.stopped_at.is_(None))
        .values(stopped_at=tx.now)
    )


def erase(tx: Transaction, phone_id: int) -> None:
    """Forgets what was said last, and counts the version up: whoever answers the phone at this
    instant starts again."""
    nothing = {"last_message_id": None, "last_reply_id": None, "wants_news": False}
    own_phone = update(phones).where(phones.c.id == phone_id)
    tx.connection.execute(own_phone.values(version=phones.c.version + 1, **nothing))


def forget(tx: Transaction, phone_id: int, version: int) -> bool:
    """Destroys the number, unless the phone wrote since `version` was read."""
    forgotten = tx.connection.execute(
        update(phones)
        .where(phones.c.id == phone_id, phones.c.version == version)
        .values(number=None, hash=secrets.token_bytes(32), version=version + 1)
    )
    return forgotten.rowcount == 1
