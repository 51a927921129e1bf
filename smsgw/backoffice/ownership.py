"""Tells what of a phone's history belongs to who uses it now, since numbers are sold again.

A participant counts as the phone's own while the gate of answers would tell this phone of them.
What happened while they were bound is their own. Of the rest, only what came after the last sign
that the number changed hands is.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, false, or_, select

from handlers.disclosure import OnFile, number_on_file
from handlers.question import Bound
from smsgw.registry import phone_state, phones
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.phones import bindings
from smsgw.storage.transaction import Transaction

GIVES_UP = ("bukan_saya", "ganti_hp")  # keywords by which a phone says that it is another's
JUST_AFTER = timedelta(microseconds=1)
Period = tuple[datetime | None, datetime | None]  # from, until; None: no limit


@dataclass(frozen=True, slots=True)
class Owner:
    """Describes who uses a phone now. `nkps` are their own, by the hash; `bindings` are those of
    them on this phone, `others` are all that this phone had for somebody else."""

    phone_id: int
    number: str
    phone_hash: bytes
    nkps: dict[bytes, str]
    bindings: frozenset[int]
    others: frozenset[int]
    other_nkps: frozenset[bytes]
    periods: tuple[Period, ...]

    def within(self, at: ColumnElement[Any]) -> ColumnElement[bool]:
        """Tells in SQL whether something happened in the owner's own time."""
        return or_(false(), *(_in_period(at, since, until) for since, until in self.periods))

    def had(self, at: datetime | None) -> bool:
        return at is not None and any(
            (since is None or at >= since) and (until is None or at <= until)
            for since, until in self.periods
        )

    def is_own(self, binding_id: ColumnElement[Any]) -> ColumnElement[bool]:
        """Tells in SQL whether a reply discloses nothing, or what is the owner's own."""
        return binding_id.is_(None) | binding_id.in_(self.bindings)


def owner_of(rt: Runtime, phone_id: int) -> Owner | None:
    """Returns None if the phone's number is forgotten. Raises LedgerDown."""
    with rt.reading() as tx:
        number = phones.number_of(tx, phone_id)
        known = phone_state.read(tx, number) if number is not None else None
    if number is None or known is None:
        return None
    proven = [each for each in known.caller.bound if _is_proven(rt, each, number)]
    with rt.reading() as tx:
        return _owner(tx, rt, phone_id, number, [each.nkp for each in proven])


def _is_proven(rt: Runtime, bound: Bound, number: str) -> bool:
    """Asks what every answer asks before it tells this phone of a participant."""
    participant = rt.ledger.participant(bound.nkp)
    is_told = bound.tells_from is None or bound.tells_from <= rt.now()
    is_used = bound.used_at is not None and rt.now() - bound.used_at < rt.settings.unused_for
    same = number_on_file(participant, bound.on_file, number) is OnFile.SAME
    return is_told and is_used and same


def _owner(
    tx: Transaction, rt: Runtime, phone_id: int, number: str, nkps: Collection[str]
) -> Owner:
    hashes = {tx.vault.hash(nkp, "nkp"): nkp for nkp in nkps}
    here = select(bindings).where(bindings.c.phone_id == phone_id).order_by(bindings.c.id)
    rows = tx.connection.execute(here).all()
    own = [row for row in rows if row.nkp_hash in hashes]
    others = [row for row in rows if row.nkp_hash not in hashes]
    changed_at = max(
        [
            *(row.ended_at or tx.now for row in others),
            *_signs_of_change(tx, phone_id, rt),
        ],
        default=None,
    )
    return Owner(
        phone_id=phone_id,
        number=number,
        phone_hash=tx.vault.hash(number, "phone"),
        nkps=hashes,
        bindings=frozenset(row.id for row in own),
        others=frozenset(row.id for row in others),
        other_nkps=frozenset(row.nkp_hash for row in others),
        periods=_periods(own, changed_at),
    )


def _periods(own: Sequence[Row[Any]], changed_at: datetime | None) -> tuple[Period, ...]:
    """Returns the times of the owner's own bindings, and the time since the number last changed
    hands, or since their first binding after that."""
    periods: list[Period] = [(row.bound_at, row.ended_at) for row in own]
    behind = changed_at + JUST_AFTER if changed_at is not None else None
    later = [row.bound_at for row in own if changed_at is None or row.bound_at >= changed_at]
    return (*periods, (min(later, default=behind), None))


def _signs_of_change(tx: Transaction, phone_id: int, rt: Runtime) -> list[datetime]:
    """Returns when the phone said that it is another's, and when it began to be silent for as long
    as a number needs to be sold again."""
    at = messages.c.received_at
    rows = tx.connection.execute(
        select(at, messages.c.keyword, messages.c.outcome)
        .where(messages.c.phone_id == phone_id)
        .order_by(at)
    ).all()
    gave_up = [
        row.received_at for row in rows if row.keyword in GIVES_UP and row.outcome == "answered"
    ]
    times = [row.received_at for row in rows]
    silent_since = [
        earlier for earlier, later in pairwise(times) if later - earlier >= rt.settings.unused_for
    ]
    return [*gave_up, *silent_since]


def _in_period(
    at: ColumnElement[Any], since: datetime | None, until: datetime | None
) -> ColumnElement[bool]:
    limits = [*([at >= since] if since else []), *([at <= until] if until else [])]
    return and_(*limits) if limits else at.is_not(None)
