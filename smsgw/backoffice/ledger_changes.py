"""Changes the ledger's small tables for operators, at once or from a day on.

A change is stored before it is made, and with the audit's entry of it ends: whatever dies in
between, the clock goes on. What was changed meanwhile is never overwritten.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from smsgw import logs
from smsgw.ledger import reference_tables
from smsgw.ledger.reference_tables import LedgerRow, RowChanged, RowExists
from smsgw.ledger_access import NoDatabase
from smsgw.runtime import Runtime
from smsgw.storage import audit, row_macs
from smsgw.storage.audit import Act
from smsgw.storage.tables.operators import PlanFault, planned_changes
from smsgw.storage.transaction import Transaction

log = logs.get(__name__)

AT_ONCE = 20  # changes that one look makes


class LedgerRefuses(Exception):
    """The ledger does not let us write: rights, or a server that is read-only."""


class AlreadyPlanned(Exception):
    """Another change of the same field is planned, which has to be taken back first."""

    def __init__(self, planned: "PlannedChange") -> None:
        super().__init__(planned.id)
        self.planned = planned


@dataclass(frozen=True, slots=True)
class LedgerChange:
    """Says what a row is to become; nothing stands for no row."""

    before: LedgerRow | None
    after: LedgerRow | None

    @property
    def row(self) -> LedgerRow:
        row = self.before or self.after
        if row is None:
            raise ValueError("a change has a row")
        return row

    @property
    def is_addition(self) -> bool:
        return self.before is None

    @property
    def differing(self) -> Sequence[tuple[str, str, str]]:
        """Returns each column that changes, with what it holds and what it will hold."""
        before = self.before.fields if self.before else {}
        after = self.after.fields if self.after else {}
        names = self.row.fields
        pairs = [(name, before.get(name, ""), after.get(name, "")) for name in names]
        return [each for each in pairs if each[1] != each[2]]

    @property
    def reverse(self) -> "LedgerChange":
        return LedgerChange(self.after, self.before)

    def touches(self, other: "LedgerChange") -> bool:
        """Tells whether both change a field of the same row."""
        names = {name for name, _, _ in self.differing}
        is_same_row = self.row.table == other.row.table and self.row.name == other.row.name
        return is_same_row and not names.isdisjoint(name for name, _, _ in other.differing)

    def __str__(self) -> str:
        what = f"{self.row.table} {self.row.key}"
        if self.after is None:
            return f"{what}: deleted"
        pairs = (f"{name}: {old or '–'} → {new or '–'}" for name, old, new in self.differing)
        return f"{what}: {'added; ' if self.is_addition else ''}{'; '.join(pairs)}"


@dataclass(frozen=True, slots=True)
class PlannedChange:
    id: int
    change: LedgerChange
    holds_from: date
    planned_by: str
    planned_at: datetime
    fault: str | None


def make(rt: Runtime, change: LedgerChange, actor: str, until: date | None = None) -> bool:
    """Makes a change now, up to and with a last day if there is one. Returns False if the ledger
    does not answer: then the clock makes it as soon as it does. Raises AlreadyPlanned, RowExists,
    RowChanged, LedgerRefuses: nothing was changed."""
    with rt.writing() as tx:
        _require_free(tx, change)
        stored = [_store(tx, change, rt.today, actor), *_store_end(tx, change, until, actor)]
    try:
        return _make(rt, stored[0])
    except (RowExists, RowChanged, LedgerRefuses) as error:
        with rt.writing() as tx:
            for each in stored:
                why = f"{each.change} ({type(error).__name__})"
                _end(tx, each, Act.LEDGER_WITHDRAWN, why)
        raise


def plan(
    rt: Runtime, change: LedgerChange, holds_from: date, actor: str, until: date | None = None
) -> None:
    """Plans a change for a day to come, and the way back behind its last day. Raises
    AlreadyPlanned."""
    with rt.writing() as tx:
        _require_free(tx, change)
        _store(tx, change, holds_from, actor)
        _store_end(tx, change, until, actor)
        audit.note(tx, Act.LEDGER_PLANNED, actor, detail=f"{holds_from}: {change}")


def _require_free(tx: Transaction, change: LedgerChange) -> None:
    """Refuses what would make a planned change impossible on its day."""
    others = (each for each in planned(tx, change.row.table) if each.fault is None)
    other = next((each for each in others if each.change.touches(change)), None)
    if other is not None:
        raise AlreadyPlanned(other)


def _store_end(
    tx: Transaction, change: LedgerChange, until: date | None, actor: str
) -> list["PlannedChange"]:
    if until is None:
        return []
    ends = until + timedelta(days=1)
    audit.note(tx, Act.LEDGER_PLANNED, actor, detail=f"{ends}: {change.reverse}")
    return [_store(tx, change.reverse, ends, actor)]


def planned(tx: Transaction, table: str | None = None) -> list[PlannedChange]:
    """Returns what is planned, the next first."""
    found = select(planned_changes).order_by(planned_changes.c.holds_from, planned_changes.c.id)
    if table is not None:
        found = found.where(planned_changes.c.table_name == table)
    read = (_read(tx, row) for row in tx.connection.execute(found).all())
    return [each for each in read if each is not None]


def withdraw(tx: Transaction, plan_id: int, actor: str) -> bool:
    """Takes a planned change back. Returns False if it is not there."""
    row = tx.connection.execute(_with_id(plan_id)).first()
    plan = None if row is None else _read(tx, row)
    if plan is None:
        return False
    return _end(tx, plan, Act.LEDGER_WITHDRAWN, f"{plan.holds_from}: {plan.change}", actor)


def make_due(rt: Runtime) -> None:
    """Makes the changes whose day has come."""
    due = planned_changes.c.fault.is_(None) & (planned_changes.c.holds_from <= rt.today)
    with rt.reading() as tx:
        first = select(planned_changes).where(due).order_by(planned_changes.c.id).limit(AT_ONCE)
        plans = [_read(tx, row) for row in tx.connection.execute(first).all()]
    for plan in filter(None, plans):
        try:
            if not _make(rt, plan):
                return
        except (RowExists, RowChanged):
            _mark(rt, plan, PlanFault.CHANGED)
        except LedgerRefuses:
            _mark(rt, plan, PlanFault.REFUSED)


def _make(rt: Runtime, plan: PlannedChange) -> bool:
    try:
        reference_tables.apply(rt.ledger.engine, plan.change.before, plan.change.after)
    except NoDatabase:
        raise LedgerRefuses from None
    except SQLAlchemyError as error:
        if _is_away(error):
            log.warning("a change waits for the ledger", plan=plan.id, error=type(error).__name__)
            return False
        log.error("the ledger refuses a change", plan=plan.id, error=type(error).__name__)
        raise LedgerRefuses from None
    with rt.writing() as tx:
        _end(tx, plan, Act.LEDGER_CHANGED, str(plan.change))
    return True


def _is_away(error: SQLAlchemyError) -> bool:
    """Tells a ledger that does not answer in time from one that refuses."""
    if isinstance(error, OperationalError):
        return "readonly" not in str(error.orig)  # as SQLite says it
    return isinstance(error, NoConnection)


def _store(tx: Transaction, change: LedgerChange, holds_from: date, actor: str) -> PlannedChange:
    row = {
        "table_name": change.row.table,
        "before": _json(change.before),
        "after": _json(change.after),
        "holds_from": holds_from,
        "planned_by": actor,
    }
    proof = {"mac": row_macs.PLANNED_CHANGE.make(tx.vault, row)}
    values = {**row, **proof, "planned_at": tx.now}
    stored = insert(planned_changes).values(values).returning(planned_changes.c.id)
    plan_id = tx.connection.execute(stored).scalar_one()
    return PlannedChange(plan_id, change, holds_from, actor, tx.now, None)


def _end(
    tx: Transaction, plan: PlannedChange, act: Act, detail: str, actor: str | None = None
) -> bool:
    """Deletes the plan, and notes what became of it once."""
    gone = delete(planned_changes).where(planned_changes.c.id == plan.id)
    if tx.connection.execute(gone).rowcount != 1:
        return False
    audit.note(tx, act, actor or plan.planned_by, detail=detail)
    return True


def _mark(rt: Runtime, plan: PlannedChange, fault: PlanFault) -> None:
    log.error("a planned change could not be made", plan=plan.id, why=fault)
    with rt.writing() as tx:
        of = planned_changes.c.id == plan.id
        tx.connection.execute(update(planned_changes).where(of).values(fault=fault))


def _read(tx: Transaction, row: Row[Any]) -> PlannedChange | None:
    """Returns None if no operator planned it; the log tells."""
    if not tx.is_ours(row_macs.PLANNED_CHANGE, row.mac, row.id, row._mapping):
        return None
    before, after = (_row(row.table_name, text) for text in (row.before, row.after))
    change = LedgerChange(before, after)
    return PlannedChange(row.id, change, row.holds_from, row.planned_by, row.planned_at, row.fault)


def _with_id(plan_id: int) -> Any:
    return select(planned_changes).where(planned_changes.c.id == plan_id)


def _json(row: LedgerRow | None) -> str | None:
    return None if row is None else json.dumps(row.fields, ensure_ascii=False)


def _row(table: str, text: str | None) -> LedgerRow | None:
    return None if text is None else LedgerRow(table, json.loads(text))
