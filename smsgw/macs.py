"""Proofs that we wrote a row which grants a right, by a keyed hash of what it says.

Who can write to the database and has not the secret makes no such row, moves none to another phone,
and gives none other words. Each begins with its version.
"""

from datetime import UTC, datetime

from smsgw.runtime import Transaction


def of_binding(
    tx: Transaction,
    number: str,
    nkp: str,
    on_file: str | None,
    made_by: str,
    tells_from: datetime | None,
) -> bytes:
    """That the phone `number` may ask for `nkp`. When it was used last is not in it."""
    starts = tells_from.astimezone(UTC).isoformat() if tells_from else ""
    return tx.vault.hash(f"1 {number} {nkp} {on_file or ''} {made_by} {starts}", "binding")


def of_reply(
    tx: Transaction, phone_id: int, message_id: int, binding_id: int | None, text: str
) -> bytes:
    """That this text answers that message, on that phone."""
    return tx.vault.hash(f"1 {phone_id} {message_id} {binding_id or ''} {text}", "reply mac")
