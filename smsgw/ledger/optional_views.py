"""Reads two views that a ledger may have and need not.

    participant_offices (nkp, office)     whose office is which, by the code in `offices`
    changes (nkp, changed_at)             whose data changed when

A scheme with an `updated_at` column shows it as `changes`. `changed_at` needs an index behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, column, inspect, select, table, type_coerce
from sqlalchemy.exc import SQLAlchemyError

from handlers.ports import LedgerDown
from smsgw.ledger.row_ledger import RowLedger
from smsgw.ledger.values import RawType, nkp_of
from smsgw.ledger_access import NoDatabase
from smsgw.storage import engines
from smsgw.storage.bulk import BulkSelect
from smsgw.storage.tables.ledger import offices
from smsgw.storage.tables.types import Instant

_raw = RawType()
_offices_of = table("participant_offices", column("nkp"), column("office"))
_changes = table("changes", column("nkp"), column("changed_at", Instant))
_of_several = BulkSelect(
    select(
        type_coerce(_offices_of.c.nkp, _raw).label("key"),
        type_coerce(_offices_of.c.office, _raw).label("office"),
        offices.c.timezone,
    )
    .outerjoin(offices, offices.c.code == _offices_of.c.office)
    .where,
    type_coerce(_offices_of.c.nkp, _raw),
    is_typed=False,
)
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class OfficeOf:
    code: str
    timezone: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Holds who changed, in order, and where to go on."""

    nkps: Sequence[str]
    until: datetime
    is_last: bool


def has_offices(ledger: RowLedger) -> bool:
    return _has(ledger, _offices_of.name)


def has_changes(ledger: RowLedger) -> bool:
    return _has(ledger, _changes.name)


def is_office(ledger: RowLedger, code: str) -> bool:
    """Tells whether there is an office with this code. Raises LedgerDown."""
    return _finds(ledger, select(offices.c.code).where(offices.c.code == code))


def knows_offices(ledger: RowLedger) -> bool:
    """Tells whether the ledger says of anybody which office is theirs. Raises LedgerDown."""
    return has_offices(ledger) and _finds(ledger, select(_offices_of.c.nkp).limit(1))


def offices_of(ledger: RowLedger, nkps: Sequence[str]) -> Mapping[str, OfficeOf]:
    """Returns the offices of participants, as far as the ledger says. Raises LedgerDown."""
    if not nkps or not has_offices(ledger):
        return {}
    try:
        with engines.reading(ledger.engine).connect() as connection:
            rows = _of_several.run(connection, list(nkps)).all()
    except SQLAlchemyError as error:
        raise LedgerDown(type(error).__name__) from error
    return {
        nkp_of(row.key): OfficeOf(str(row.office), str(row.timezone or "").upper() or None)
        for row in rows
        if row.office is not None
    }


def changed_since(ledger: RowLedger, since: datetime) -> Changes:
    """Returns the first of those who changed at `since` or later; all that changed at the same
    instant come together. Raises LedgerDown."""
    changes: Select[*tuple[Any, ...]] = select(_changes.c.nkp, _changes.c.changed_at)
    first = changes.where(_changes.c.changed_at >= since).order_by(_changes.c.changed_at)
    try:
        with engines.reading(ledger.engine).connect() as connection:
            rows = connection.execute(first.limit(AT_ONCE)).all()
            until = rows[-1].changed_at if rows else since
            is_last = len(rows) < AT_ONCE
            if not is_last:
                same = changes.where(_changes.c.changed_at == until)
                rows = [row for row in rows if row.changed_at != until]
                rows += connection.execute(same).all()
                until += timedelta(microseconds=1)  # all of that instant are here
    except SQLAlchemyError as error:
        raise LedgerDown(type(error).__name__) from error
    nkps = list(dict.fromkeys(nkp_of(row.nkp) for row in rows))
    return Changes(nkps, until.astimezone(UTC), is_last)


def _finds(ledger: RowLedger, statement: Select[*tuple[Any, ...]]) -> bool:
    try:
        with engines.reading(ledger.engine).connect() as connection:
            return connection.execute(statement).first() is not None
    except SQLAlchemyError as error:
        raise LedgerDown(type(error).__name__) from error


def _has(ledger: RowLedger, name: str) -> bool:
    """Raises LedgerDown."""
    try:
        return bool(inspect(ledger.engine).has_table(name))
    except NoDatabase:
        return False
    except SQLAlchemyError as error:
        raise LedgerDown(type(error).__name__) from error
