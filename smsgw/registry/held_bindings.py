"""Opens the bindings that phones hold, and leaves out those that we did not make."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select

from handlers.question import Bound
from smsgw.storage import row_macs
from smsgw.storage.tables.phones import bindings
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.tables.types import Instant
from smsgw.storage.transaction import Transaction

WRONG_ANSWERS_COUNT_FOR = timedelta(hours=24)
UNUSED_FOR = timedelta(days=365)  # after that a number may be another person's

_used_since = bindparam("used_since", type_=Instant)
IS_IN_USE = bindings.c.ended_at.is_(None) & (bindings.c.used_at > _used_since)
COLUMNS = (
    bindings.c.id.label("binding_id"),
    *(bindings.c.nkp, bindings.c.nkp_hash, bindings.c.on_file, bindings.c.on_file_hash),
    *(bindings.c.made_by, bindings.c.tells_from, bindings.c.consented_at, bindings.c.mac),
    *(bindings.c.used_at, bindings.c.wrong_answers, bindings.c.wrong_since),
)
_in_use = select(bindings.c.phone_id, *COLUMNS).where(IS_IN_USE).order_by(bindings.c.id)

_PROVEN = row_macs.BINDING.columns - {"phone"}


def opened(
    tx: Transaction, rows: Iterable[Row[*tuple[Any, ...]]], phone_hash: bytes
) -> dict[int, Bound]:
    """Returns the bindings of a phone by their ids. One that cannot be decrypted, or that we did
    not make, discloses nothing."""
    held = {}
    for row in rows:
        proven = {name: getattr(row, name) for name in _PROVEN}
        proven["phone"] = phone_hash
        if not tx.is_ours(row_macs.BINDING, row.mac, row.binding_id, proven):
            continue
        nkp = tx.opened(row.nkp, Ciphertext.NKP, row.binding_id, row.nkp_hash)
        on_file = tx.opened(row.on_file, Ciphertext.ON_FILE, row.binding_id, row.on_file_hash)
        if nkp is not None and (on_file is not None or row.on_file is None):
            wrong = row.wrong_answers if _counts(tx, row.wrong_since) else 0
            held[row.binding_id] = Bound(nkp, on_file, row.tells_from, row.used_at, wrong)
    return held


def of_phones(tx: Transaction, hashes: Mapping[int, bytes]) -> dict[int, list[Bound]]:
    """Returns the bindings of many phones by the phones' ids. `hashes`: those of their numbers."""
    held: dict[int, list[Bound]] = {}
    found = _in_use.where(bindings.c.phone_id.in_(hashes))
    for row in tx.connection.execute(found, {"used_since": tx.now - UNUSED_FOR}):
        mine = opened(tx, [row], hashes[row.phone_id])
        held.setdefault(row.phone_id, []).extend(mine.values())
    return held


def _counts(tx: Transaction, since: datetime | None) -> bool:
    return since is not None and since > tx.now - WRONG_ANSWERS_COUNT_FOR
