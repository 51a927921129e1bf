"""Defines names of constraints, and columns that mean the same everywhere."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Integer,
    MetaData,
    String,
    TypeDecorator,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
service = MetaData(naming_convention=NAMES)
ledger = MetaData(naming_convention=NAMES)

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only in an INTEGER key


class Instant(TypeDecorator[datetime]):
    """Keeps aware UTC in and out; SQLite would drop the offset and keep the wrong hour."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time has no place in the database")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Rupiah(TypeDecorator[Decimal]):
    """Keeps whole rupiah. SQLite has no decimals and would round a NUMERIC through a float."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: int | str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Figure(TypeDecorator[Decimal]):
    """Keeps a decimal as it was written ("0.30"), for rates; the database does no arithmetic with
    it."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: int | str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


def one_of(column: str, states: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{state}'" for state in states)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
