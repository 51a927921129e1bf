"""Defines what a field of a ledger file must look like. Each rule stands once, and is asked in two
ways that find the same faults: of one field by Python, and of a column of a table by PostgreSQL."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from sqlalchemy import (
    Column,
    ColumnElement,
    MetaData,
    String,
    Table,
    and_,
    cast,
    collate,
    func,
    literal,
    not_,
    or_,
    select,
)

from smsgw import phone

LENGTH = "{length}"  # the number of the field's characters
_IN_FOURS = "(0[48]|[2468][048]|[13579][26])"  # from 04
LEAP_YEARS = f"[0-9][0-9]{_IN_FOURS}|{_IN_FOURS}00"
DAYS_OF_LEAP_YEAR = [f"{date(2000, 1, 1) + timedelta(days):%m-%d}" for days in range(366)]
UNLOGGED = ["UNLOGGED"]  # what is lost with the server, which nobody minds
REFUSED_PHONES = Table(
    "load_refused_phones", MetaData(), Column("number", String), prefixes=UNLOGGED
)


class Rule(Protocol):
    @property
    def says(self) -> str:
        """Returns what is said of a field that breaks it, in which LENGTH may stand."""

    def allows(self, field: str) -> bool: ...

    def breaks(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """Builds the condition for a field that breaks it."""


@dataclass(frozen=True, slots=True)
class Longest:
    characters: int

    @property
    def says(self) -> str:
        return f"has {LENGTH} characters, {self.characters} at most"

    def allows(self, field: str) -> bool:
        return len(field) <= self.characters

    def breaks(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        return func.length(column) > self.characters


@dataclass(frozen=True, slots=True)
class Exactly:
    characters: int
    says: str

    def allows(self, field: str) -> bool:
        return len(field) == self.characters

    def breaks(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        return func.length(column) != self.characters


@dataclass(frozen=True, slots=True)
class OneOf:
    words: tuple[str, ...]

    @property
    def says(self) -> str:
        return f"is none of {', '.join(self.words)}"

    def allows(self, field: str) -> bool:
        return field in self.words

    def breaks(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        return column.not_in(self.words)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Holds a regular expression that Python and PostgreSQL read alike: no classes such as \\d, and
    no percent sign, which is the driver's."""

    regex: str
    says: str

    def allows(self, field: str) -> bool:
        return re.fullmatch(self.regex, field) is not None

    def breaks(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        return not_(column.regexp_match(f"^({self.regex})$"))


@dataclass(frozen=True, slots=True)
class WholeNumber:
    most: int
    says: str

    def allows(self, field: str) -> bool:
        longest = len(str(self.most))
        return re.fullmatch(rf"[0-9]{{1,{longest}}}", field) is not None and int(field) <= self.most

    def breaks(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        most, length = str(self.most), func.length(column)
        return or_(
            not_(column.regexp_match("^[0-9]+$")),
            length > len(most),
            and_(length == len(most), collate(column, "C") > most),
        )


@dataclass(frozen=True, slots=True)
class Day:
    """Allows the days from 0001-01-01 to 9999-12-31. PostgreSQL cannot be asked before its version
    16, and one expression of all days takes it twice as long."""

    says: str

    def allows(self, field: str) -> bool:
        return re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", field) is not None and _is_day(field)

    def breaks(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        year, day_of_year = func.left(column, 4), func.substr(column, 6)
        return or_(
            func.length(column) != len("2025-09-30"),
            not_(func.left(column, 5).regexp_match("^[0-9]+-$")),
            year == "0000",
            day_of_year.not_in(DAYS_OF_LEAP_YEAR),
            and_(day_of_year == "02-29", not_(year.regexp_match(f"^({LEAP_YEARS})$"))),
        )


def _is_day(field: str) -> bool:
    try:
        date.fromisoformat(field)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """Allows what phonenumbers knows as a number. A database cannot ask it: most are allowed for
    their shape, and those that Python refuses among the others are in REFUSED_PHONES."""

    says = "must be a phone number such as +6281234567890"
    surely = rf"\+62(8[1-35-9][0-9]{{7,10}}|{phone.FICTITIOUS.removeprefix('+62')}[0-9]{{3,11}})"

    def allows(self, field: str) -> bool:
        return phone.e164(field) == field

    def is_doubtful(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        return not_(column.regexp_match(f"^({self.surely})$"))

    def breaks(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        return column.in_(select(REFUSED_PHONES.c.number))


def fault(rules: tuple[Rule, ...], field: str) -> str | None:
    """Returns what the first of the rules that is broken says."""
    broken = next((rule for rule in rules if not rule.allows(field)), None)
    return broken.says.replace(LENGTH, str(len(field))) if broken else None


def said(rule: Rule, column: ColumnElement[str]) -> ColumnElement[str]:
    """Builds the same of a column's field."""
    before, length, after = rule.says.partition(LENGTH)
    if not length:
        return literal(before)
    return literal(before) + cast(func.length(column), String) + literal(after)


_YEAR = "([0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})"  # from 0001
MONTH = f"{_YEAR}-(0[1-9]|1[0-2])"
FIGURE = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?"
