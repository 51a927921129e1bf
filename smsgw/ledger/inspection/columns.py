"""Lists the columns that are read, and checks that they are there and of types that can be read."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, cast

from sqlalchemy import Connection, Table, inspect
from sqlalchemy import text as text_of
from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.exc import NoSuchTableError, SAWarning
from sqlalchemy.types import (
    ARRAY,
    JSON,
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    NullType,
    Numeric,
    String,
    Time,
    TypeEngine,
)

from handlers.ports import Participant
from smsgw.ledger import values
from smsgw.ledger.inspection.finding import Finding
from smsgw.ledger.values import FIELDS, Read, amount, any_phone, day, number_on_file, text
from smsgw.storage.tables import ledger as tables

ALL = (
    tables.participants,
    tables.programs,
    tables.balances,
    tables.contributions,
    tables.claims,
    tables.offices,
    tables.rates,
    tables.contacts,
)
_NKP = FIELDS[Participant]["nkp"]
_NIK = FIELDS[Participant]["nik"]
# What look-ups read beside the fields of records.
_MORE: Mapping[str, Mapping[str, Read]] = {
    "balances": {"nkp": _NKP},
    "contributions": {
        "nkp": _NKP,
        "month": day,
        **dict.fromkeys(("jht", "jp", "jkk", "jkm", "jkp"), amount),
    },
    "programs": {"nkp": _NKP, "program": text, "until": day},
    "offices": {"code": text},
    "contacts": {"channel": text},
}
READ: Mapping[str, Mapping[str, Read]] = {
    table.name: {
        **_MORE.get(table.name, {}),
        **next((FIELDS[kind] for kind, name in values.TABLES.items() if name == table.name), {}),
    }
    for table in ALL
}
NUMBERS, PHONES = {_NKP, _NIK}, {number_on_file, any_phone}
WHAT: Mapping[Read, str] = {
    _NKP: "an NKP",
    _NIK: "a NIK",
    day: "a day",
    amount: "an amount",
    values.figure: "a number",
    number_on_file: "a phone",
    any_phone: "a phone",
}
# What the database compares or sums by itself, so that a text will not do.
COMPUTED = {
    "contributions": {"month", "jht", "jp", "jkk", "jkm", "jkp"},
    "balances": {"as_of"},
    "programs": {"until"},
}
NEVER = (LargeBinary, JSON, ARRAY, Interval, Time, Boolean)
MYSQL_COLUMNS = """
    SELECT column_name AS name, data_type AS type FROM information_schema.columns
    WHERE table_schema = database() AND table_name = :table
"""


def of(connection: Connection, table: Table) -> dict[str, TypeEngine[Any]]:
    """Returns the types of its columns by name; none if there is no such table."""
    if connection.dialect.name == "mysql":
        return _of_mysql(connection, table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # a type of theirs that has no name of ours
        try:
            found = inspect(connection).get_columns(table.name)
        except NoSuchTableError:
            return {}
    return {each["name"]: each["type"] for each in found}


def _of_mysql(connection: Connection, table: Table) -> dict[str, TypeEngine[Any]]:
    """Asks for names alone: the definition of a view needs a right of its own."""
    known = cast(MySQLDialect, connection.dialect).ischema_names
    rows = connection.execute(text_of(MYSQL_COLUMNS), {"table": table.name})
    return {
        row.name: String() if row.type in {"enum", "set"} else known.get(row.type, NullType)()
        for row in rows
    }


def check(table: Table, there: Mapping[str, TypeEngine[Any]]) -> Iterator[Finding]:
    """Yields what is missing, and what cannot be read by its type."""
    if not there:
        remedy = "make a view of that name which LEDGER_URL's role finds and may read, even if it "
        yield Finding(table.name, "there is no such table or view", remedy + "holds no rows")
        return
    for name, read in READ[table.name].items():
        place = f"{table.name}.{name}"
        if name in there:
            yield from _type(place, read, there[name])
        else:
            problem = "there is no such column"
            yield Finding(place, problem, "add it to the view, if need be as NULL of its type")


def _type(place: str, read: Read, kind: TypeEngine[Any]) -> Iterator[Finding]:
    table, _, name = place.partition(".")
    what, is_text = WHAT.get(read), isinstance(kind, String)
    written = str(kind).lower() if not isinstance(kind, NullType) else "of a type of its own"
    if what is None:
        if isinstance(kind, LargeBinary):
            yield Finding(place, f"is {written}", "convert it to text in the view")
    elif is_text and name in COMPUTED.get(table, ()):
        wanted = "a date" if read is day else "numeric"
        yield Finding(place, f"is {written}", f"cast it to {wanted} in the view")
    elif not _may_be(read, kind):
        yield Finding(place, f"is {written}, which cannot be {what}", _wanted(read))
    elif read in NUMBERS and not isinstance(kind, String | NullType):
        problem = f"is {written}; its leading zeros are restored"
        yield Finding(place, problem, "leave it, where its index is by number", is_note=True)
    elif read is day and isinstance(kind, DateTime):
        problem = f"is {written}; its day is taken"
        yield Finding(place, problem, "cast it to date, if its time zone is not yours", True)


def _may_be(read: Read, kind: TypeEngine[Any]) -> bool:
    if isinstance(kind, NEVER):
        return False
    if read is day:
        return not isinstance(kind, Integer | Numeric)
    if isinstance(kind, Date | DateTime):
        return False
    return not (read in NUMBERS | PHONES and isinstance(kind, Float))


def _wanted(read: Read) -> str:
    if read is day:
        return "cast it to date in the view"
    if read in NUMBERS | PHONES:
        return "make it text or numeric in the view; a float loses digits"
    return "make it numeric in the view"
