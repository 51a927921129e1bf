"""Looks at how the ledger would run each look-up, and finds those that read whole tables."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, CursorResult, event, text
from sqlalchemy.exc import DBAPIError

from smsgw.ledger.inspection.finding import Finding
from smsgw.ledger.statements import FOR_SEVERAL, LOOK_UPS, NOBODY

LARGE = 10_000  # rows
SLOW = 200.0  # milliseconds, a tenth of what a look-up may take
ROW = 100  # octets, roughly, where nobody counted
WHOLE = {"Seq Scan", "Index Scan", "Index Only Scan"}  # of PostgreSQL, without a condition
MAY_NOT_EXPLAIN = 1345  # of MySQL
POSTGRESQL_SIZE = """
    SELECT CASE WHEN c.reltuples >= 0 THEN c.reltuples
        ELSE pg_relation_size(c.oid) / :row END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relname = :name
"""
INDEX = (
    "index what its key is made of; where the view computes the key, the index must be of the same "
    "expression"
)

Ask = Callable[[Connection], CursorResult[*tuple[Any, ...]]]


@dataclass(slots=True)
class Plan:
    """Holds the tables that are read whole, with about how many rows; foreign tables whose rows
    come here before any is left out; and how long it took."""

    whole: dict[str, float] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    milliseconds: float | None = None


def asked(nkps: Sequence[str], nik: str | None) -> Iterator[tuple[str, str, Ask]]:
    """Yields each look-up by an NKP or a NIK: its name, its table and how to ask it."""
    keys = dict(NOBODY) | ({"nkp": nkps[0]} if nkps else {}) | ({"nik": nik} if nik else {})
    for name, statement in LOOK_UPS.items():
        given = {key: keys[key] for key in statement.compile().params if key in keys}
        if given:
            table = statement.get_final_froms()[0]
            yield name, str(table), lambda it, s=statement, g=given: it.execute(s, g)  # type: ignore[misc]
    several = list(nkps) or [str(NOBODY["nkp"])]
    tables = {
        "participant": "participants",
        "balance": "balances",
        "programs": "programs",
        "claims": "claims",
    }
    for name, bulk in FOR_SEVERAL.items():
        table_name = tables.get(name, "contributions")
        yield f"{name} of several", table_name, lambda it, b=bulk: it.execute(*b.asked(it, several))  # type: ignore[misc]


def check(connection: Connection, name: str, ask: Ask, *, analyze: bool) -> Iterator[Finding]:
    """Yields what is wrong with the plan of a look-up. Raises DBAPIError."""
    place = f"look-up {name}"
    try:
        plan = _EXPLAINED[connection.dialect.name](connection, ask, analyze)
    except DBAPIError as error:
        if getattr(error.orig, "args", (None,))[0] != MAY_NOT_EXPLAIN:
            raise
        remedy = "GRANT SHOW VIEW to it, and SELECT below it, or let the owner run EXPLAIN"
        yield Finding(place, "the role may not see how it would run", remedy, is_note=True)
        plan = Plan(milliseconds=_measured(connection, ask) if analyze else None)
    took = "" if plan.milliseconds is None else f"takes {plan.milliseconds:.1f} ms"
    rows = sum(plan.whole.values())
    if rows >= LARGE:
        tables = ", ".join(sorted(plan.whole))
        problem = f"reads the whole of {tables}, about {rows:,.0f} rows"
        yield Finding(place, f"{problem}, and {took}" if took else problem, INDEX)
    elif plan.milliseconds is not None and plan.milliseconds >= SLOW:
        yield Finding(place, f"{took}; 2 s are the limit", "see EXPLAIN ANALYZE of the view")
    elif took:
        yield Finding(place, took, "nothing is to do", is_note=True)
    if plan.fetched:
        problem = f"fetches all of {', '.join(plan.fetched)} from another server"
        remedy = "compare the foreign column itself in the view, so that the server gets the key"
        yield Finding(place, problem, remedy)


def _postgresql(connection: Connection, ask: Ask, analyze: bool) -> Plan:
    options = "ANALYZE, VERBOSE, FORMAT JSON" if analyze else "VERBOSE, FORMAT JSON"
    (row,) = _explain(connection, f"EXPLAIN ({options}) ", ask)
    (told,) = next(iter(row.values()))
    plan = Plan(milliseconds=told.get("Execution Time"))
    for node in _nodes(told["Plan"]):
        name = node.get("Relation Name")
        if node["Node Type"] == "Foreign Scan" and "Filter" in node:
            plan.fetched.append(str(name or node.get("Relations")))
        elif name and node["Node Type"] in WHOLE and "Index Cond" not in node:
            size = {"schema": node["Schema"], "name": name, "row": ROW}
            rows = connection.execute(text(POSTGRESQL_SIZE), size).scalar()
            plan.whole[name] = float(rows or 0)
    return plan


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _mysql(connection: Connection, ask: Ask, analyze: bool) -> Plan:
    plan = Plan()
    for row in _explain(connection, "EXPLAIN ", ask):
        if row["type"] in {"ALL", "index"} and not str(row["table"]).startswith("<"):
            plan.whole[str(row["table"])] = float(row["rows"] or 0)
    if analyze:
        plan.milliseconds = _measured(connection, ask)
    return plan


def _sqlite(connection: Connection, ask: Ask, analyze: bool) -> Plan:
    plan = Plan()
    named = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
    tables = set(named.scalars())
    for row in _explain(connection, "EXPLAIN QUERY PLAN ", ask):
        scan = re.match(r"SCAN (\w+)$", str(row["detail"]))
        if scan and scan[1] in tables:
            few = f'SELECT count(*) FROM (SELECT 1 FROM "{scan[1]}" LIMIT {LARGE})'  # noqa: S608
            plan.whole[scan[1]] = float(connection.execute(text(few)).scalar_one())
    if analyze:
        plan.milliseconds = _measured(connection, ask)
    return plan


def _explain(connection: Connection, how: str, ask: Ask) -> Sequence[Mapping[str, Any]]:
    """Asks with `how` before the statement; the rows that come have no columns of its own."""

    def explain(_c: Any, _cursor: Any, sql: str, given: Any, _x: Any, _m: bool) -> tuple[str, Any]:
        return how + sql, given

    event.listen(connection, "before_cursor_execute", explain, retval=True)
    try:
        told = ask(connection)
        names = [column[0] for column in told.cursor.description]
        return [dict(zip(names, tuple(row), strict=True)) for row in told]
    finally:
        event.remove(connection, "before_cursor_execute", explain)


def _measured(connection: Connection, ask: Ask) -> float:
    started = time.monotonic()
    ask(connection).all()
    return (time.monotonic() - started) * 1000


_EXPLAINED = {"postgresql": _postgresql, "mysql": _mysql, "sqlite": _sqlite}
