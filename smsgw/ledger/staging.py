"""Builds the statements by which PostgreSQL checks and takes over the rows of a ledger file, from a
table that holds them as text."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    Delete,
    Insert,
    MetaData,
    Select,
    String,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql

from smsgw.ledger import rules
from smsgw.ledger.csv_format import FILES, File
from smsgw.ledger.rules import REFUSED_PHONES, UNLOGGED, PhoneNumber

PART = "\x1f"  # between the columns of a key


class Staging:
    def __init__(self, name: str, file: File) -> None:
        self.file = file
        self.rows = Table(
            f"load_{name}",
            MetaData(),
            Column("line", BigInteger),
            Column("fault", String),
            Column("row", String),
            *(Column(f"f_{column}", String) for column in file.kinds),
            prefixes=UNLOGGED,
        )
        # Made by the first two statements below.
        self.faults = Table(
            f"{self.rows.name}_faults",
            MetaData(),
            Column("line", BigInteger),
            Column("what", String),
        )
        self.repeated = Table(f"{self.rows.name}_repeated", MetaData(), Column("hash", BigInteger))

    def copy(self, columns: Sequence[str]) -> str:
        named = ", ".join(["line", "fault", '"row"', *(f"f_{column}" for column in columns)])
        return f"COPY {self.rows.name} ({named}) FROM STDIN (FORMAT csv)"

    def doubtful_phones(self) -> CompoundSelect[Any] | None:
        """Selects the numbers that only Python can judge."""
        fields = [
            (self.field(column), rule)
            for column, kind in self.file.kinds.items()
            for rule in kind.rules
            if isinstance(rule, PhoneNumber)
        ]
        if not fields:
            return None
        each = [select(field).where(rule.is_doubtful(field)) for field, rule in fields]
        return each[0].union(*each[1:])

    def field(self, column: str) -> ColumnElement[str]:
        return self.rows.c[f"f_{column}"]

    def find_faults(self) -> Select[Any, Any]:
        """Selects the bad rows, each with the first of what is wrong."""
        broken: list[tuple[ColumnElement[bool], ColumnElement[str]]] = [
            (self.rows.c.fault.is_not(None), self.rows.c.fault)
        ]
        for column, kind in self.file.kinds.items():
            field = self.field(column)
            broken += [
                (rule.breaks(field), literal(f"{column} ") + rules.said(rule, field))
                for rule in kind.rules
            ]
        for column in self.file.key:
            broken.append((self.field(column).is_(None), literal(f"{column} is empty")))
        is_bad = or_(*(condition for condition, _ in broken))
        return select(self.rows.c.line, case(*broken).label("what")).where(is_bad)

    def find_repeated(self) -> Select[Any]:
        """Selects hashes that keys of several sound rows have."""
        return (
            select(self._hash().label("hash"))
            .where(self._is_sound())
            .group_by(self._hash())
            .having(func.count() > 1)
        )

    def add_repeated(self) -> Insert:
        """Notes the rows whose key stands in an earlier sound row."""
        keys = [self.field(column) for column in self.file.key]
        first = func.min(self.rows.c.line).over(partition_by=keys)
        among = self._hash().in_(select(self.repeated.c.hash))
        found = (
            select(self.rows.c.line, first.label("first")).where(among, self._is_sound()).subquery()
        )
        same = f"has the same {', '.join(self.file.key)} as line "
        what = literal(same) + func.cast(found.c.first, String)
        again = select(found.c.line, what).where(found.c.line != found.c.first)
        return insert(self.faults).from_select(["line", "what"], again)

    def named_faults(self, columns: Sequence[str]) -> Select[*tuple[Any, ...]]:
        """Selects line, fault and row of each, with its fields in the file's order."""
        fields = (self.field(column) for column in columns)
        return (
            select(self.faults.c.line, self.faults.c.what, self.rows.c.row, *fields)
            .join(self.rows, self.rows.c.line == self.faults.c.line)
            .order_by(self.faults.c.line)
        )

    def insert_all(self, *, has_faults: bool) -> Insert:
        """Writes the sound rows into a table that is empty."""
        return insert(self.file.table).from_select(list(self.file.kinds), self._typed(has_faults))

    def merge(self, *, has_faults: bool) -> Insert:
        """Writes the sound rows that say something new."""
        table, new = self.file.table, self._typed(has_faults).subquery()
        others = [column for column in self.file.kinds if column not in self.file.key]
        same = and_(*(new.c[column] == table.c[column] for column in self.file.key))
        differs = (new.c[column].is_distinct_from(table.c[column]) for column in others)
        says_more = or_(table.c[self.file.key[0]].is_(None), *differs)
        rows = select(*new.c).select_from(new.outerjoin(table, same)).where(says_more)
        statement = postgresql.insert(table).from_select(list(self.file.kinds), rows)
        return statement.on_conflict_do_update(
            index_elements=list(self.file.key),
            set_={column: statement.excluded[column] for column in others},
        )

    def _typed(self, has_faults: bool) -> Select[*tuple[Any, ...]]:
        typed = (
            kind.typed(self.field(column)).label(column) for column, kind in self.file.kinds.items()
        )
        rows: Select[*tuple[Any, ...]] = select(*typed)
        return rows.where(self._is_sound()) if has_faults else rows

    def delete_absent(self) -> Delete:
        """Deletes what the file does not hold. A bad row whose key can be read keeps what is
        there."""
        same = (
            self._read_if_sound(column) == self.file.table.c[column] for column in self.file.key
        )
        return delete(self.file.table).where(not_(exists().where(*same)))

    def _read_if_sound(self, column: str) -> ColumnElement[Any]:
        kind, field = self.file.kinds[column], self.field(column)
        is_broken = or_(*(rule.breaks(field) for rule in kind.rules))
        return case((is_broken, null()), else_=kind.typed(field))

    def _is_sound(self) -> ColumnElement[bool]:
        return not_(exists().where(self.faults.c.line == self.rows.c.line))

    def _hash(self) -> ColumnElement[int]:
        keys = [self.field(column) for column in self.file.key]
        text = keys[0] if len(keys) == 1 else func.concat_ws(PART, *keys)
        return func.hashtextextended(text, 0)


def tables_left() -> list[str]:
    """Returns the names of all tables that an import may leave behind."""
    names = [f"load_{name}{end}" for name in FILES for end in ("", "_faults", "_repeated")]
    return [*names, REFUSED_PHONES.name]
