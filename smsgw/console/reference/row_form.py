"""Reads and shows the form of one row of the ledger, whose fields follow the rules of its CSV
file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from flask import request

from smsgw.console import days
from smsgw.console.rendering import _
from smsgw.ledger import reference_tables
from smsgw.ledger.csv_format import FILES
from smsgw.ledger.reference_tables import DATED, LedgerRow
from smsgw.ledger.rules import LENGTH, Longest, Rule

HOLDS_FROM, HOLDS_UNTIL = "holds_from", "holds_until"  # the first day of a change, its last


@dataclass(frozen=True, slots=True)
class TypedRow:
    """Holds what was typed, and what is wrong with it: a sentence's rest by field."""

    table: str
    fields: Mapping[str, str]
    faults: Mapping[str, str] = field(default_factory=dict)
    typed_days: Mapping[str, str] = field(default_factory=dict)
    holds_from: date | None = None
    holds_until: date | None = None

    @classmethod
    def of(cls, row: LedgerRow) -> "TypedRow":
        return cls(row.table, row.fields)

    @classmethod
    def empty(cls, table: str) -> "TypedRow":
        return cls(table, dict.fromkeys(reference_tables.columns(table), ""))

    @property
    def row(self) -> LedgerRow:
        return reference_tables.read(self.table, self.fields)


def read(table: str, before: LedgerRow | None, today: date) -> TypedRow:
    """Reads the form; what names a row that is there already is not taken from it."""
    typed = {
        name: " ".join(request.form.get(name, "").split())
        for name in reference_tables.columns(table)
    }
    if before is not None:
        typed |= {name: before.fields[name] for name in _fixed(table, before, today)}
    broken = reference_tables.faults(table, typed)
    faults = {name: _explain(rule, typed[name]) for name, rule in broken.items()}
    if adds_rate(before, today) and DATED not in faults and typed[DATED] < today.isoformat():
        faults[DATED] = _("must not be in the past: a new rate replaces this one from its day on")
    return with_days(TypedRow(table, typed, faults), today)


def with_days(typed: TypedRow, today: date) -> TypedRow:
    """Reads from and until which day the change holds; none means at once, and for good."""
    if not can_be_planned(typed.table):
        return typed
    written = {name: request.form.get(name, "").strip() for name in (HOLDS_FROM, HOLDS_UNTIL)}
    read = {name: days.read(day) for name, day in written.items()}
    faults = dict(typed.faults)
    for name, day in read.items():
        if written[name] and day is None:
            faults[name] = _("must be a date such as 2025-09-30")
        elif day is not None and day < today:
            faults[name] = _("must not be in the past")
    begins, ends = read[HOLDS_FROM], read[HOLDS_UNTIL]
    if begins and ends and ends < begins and HOLDS_UNTIL not in faults:
        faults[HOLDS_UNTIL] = _("must not be before the first day")
    return replace(typed, faults=faults, typed_days=written, holds_from=begins, holds_until=ends)


def can_be_planned(table: str) -> bool:
    """Tells whether changes of the table can wait for a day; rows of rates have days themselves."""
    return DATED not in reference_tables.columns(table)


def adds_rate(before: LedgerRow | None, today: date) -> bool:
    """Tells whether a change of this row makes another: a rate that is or was in force stays."""
    return (
        before is not None and DATED in before.fields and before.fields[DATED] <= today.isoformat()
    )


def inputs(table: str, before: LedgerRow | None, today: date) -> list[dict[str, Any]]:
    """Describes each field of the form."""
    fixed = set() if before is None else _fixed(table, before, today)
    return [
        {
            "name": name,
            "label": labels()[name],
            "is_fixed": name in fixed,
            "is_needed": name in FILES[table].key,
            "type": "date" if name == DATED else "text",
            "most": _most(table, name),
        }
        for name in reference_tables.columns(table)
    ]


def labels() -> Mapping[str, str]:
    return {
        "code": _("Code"),
        "name": _("Name"),
        "city": _("City"),
        "address": _("Address"),
        "phone": _("Telephone"),
        "hours": _("Opening hours"),
        "timezone": _("Time zone"),
        "program": _("Programme"),
        "category": _("Category"),
        "item": _("Item"),
        "effective_from": _("In force from"),
        "value": _("Value"),
        "unit": _("Unit"),
        "note": _("Note"),
        "channel": _("Channel"),
        HOLDS_FROM: _("Holds from"),
        HOLDS_UNTIL: _("Holds until"),
    }


def _fixed(table: str, before: LedgerRow, today: date) -> set[str]:
    fixed = set(FILES[table].key)
    return fixed - {DATED} if adds_rate(before, today) else fixed


def _most(table: str, name: str) -> int | None:
    longest = (rule for rule in FILES[table].kinds[name].rules if isinstance(rule, Longest))
    return next((rule.characters for rule in longest), None)


def _explain(rule: Rule | None, typed: str) -> str:
    """Says in the operator's language what an import would say of the field."""
    if rule is None:
        return _("is empty")
    if isinstance(rule, Longest):
        return _("has {length} characters, {most} at most", length=len(typed), most=rule.characters)
    known = {
        "must be a date such as 2025-09-30": _("must be a date such as 2025-09-30"),
        "must be a number such as 0.30": _("must be a number such as 0.30"),
    }
    return known.get(rule.says, rule.says.replace(LENGTH, str(len(typed))))
