"""Defines what each ledger file holds, and how a field is read. Dates are ISO, money whole
rupiah."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, Table, cast

from smsgw.ledger import rules
from smsgw.ledger.rules import Day, Exactly, Longest, OneOf, Pattern, PhoneNumber, Rule, WholeNumber
from smsgw.storage.tables import ledger as tables

Value = str | date | Decimal | None

LONGEST_TEXT = 500
MOST_RUPIAH = 2**63 - 1


def _as_it_is(column: ColumnElement[str]) -> ColumnElement[Any]:
    return column


@dataclass(frozen=True, slots=True)
class Kind:
    """Says what a field must be like, and what it becomes: `value` in Python, `typed` in SQL."""

    rules: tuple[Rule, ...]
    value: Callable[[str], Value] = str
    typed: Callable[[ColumnElement[str]], ColumnElement[Any]] = _as_it_is

    def at_most(self, characters: int | None) -> "Kind":
        """Returns this kind in a column that holds so many characters."""
        if characters is None:
            return self
        if isinstance(self.rules[-1], Longest):
            return replace(self, rules=(Longest(min(characters, self.rules[-1].characters)),))
        return replace(self, rules=(Longest(characters), *self.rules))


@dataclass(frozen=True, slots=True)
class File:
    """Describes a file. `dated` names the columns by which a row is older or newer than a day."""

    table: Table
    key: tuple[str, ...]
    kinds: Mapping[str, Kind]
    dated: tuple[str, ...] = ()


def _file(
    table: Table, key: tuple[str, ...], kinds: Mapping[str, Kind], *dated: str
) -> tuple[str, File]:
    fitting = {
        name: kind.at_most(getattr(table.c[name].type, "length", None))
        for name, kind in kinds.items()
    }
    return table.name, File(table, key, fitting, dated)


def _digits(needed: int) -> Kind:
    return Kind(
        (
            Pattern("[0-9]+", f"needs {needed} digits and nothing else"),
            Exactly(needed, f"has {rules.LENGTH} digits, {needed} are needed"),
        )
    )


def _one_of(*allowed: str) -> Kind:
    return Kind((OneOf(allowed),))


def _month(field: str) -> date:
    return date.fromisoformat(f"{field}-01")


TEXT = Kind((Longest(LONGEST_TEXT),))
NKP, NIK = _digits(11), _digits(16)
PROGRAM = _one_of("JHT", "JKK", "JKM", "JP", "JKP")
PHONE = Kind((PhoneNumber(),))
DAY = Kind(
    (Day("must be a date such as 2025-09-30"),),
    date.fromisoformat,
    lambda column: cast(column, Date),
)
MONTH = Kind(
    (Pattern(rules.MONTH, "must be a month such as 2025-09"),),
    _month,
    lambda column: cast(column + "-01", Date),
)
RUPIAH = Kind(
    (WholeNumber(MOST_RUPIAH, "must be a whole amount of rupiah such as 123456789"),),
    Decimal,
    lambda column: cast(column, BigInteger),
)
FIGURE = Kind((Pattern(rules.FIGURE, "must be a number such as 0.30"),), Decimal)

FILES: Mapping[str, File] = dict(
    (
        _file(
            tables.participants,
            ("nkp",),
            {
                "nkp": NKP,
                "nik": NIK,
                "name": TEXT,
                "birth_date": DAY,
                "phone": PHONE,
                "email": TEXT,
                "category": _one_of("PU", "BPU", "JAKON", "PMI"),
                "status": _one_of("AKTIF", "TIDAK AKTIF"),
                "status_since": DAY,
                "status_reason": TEXT,
                "employer": TEXT,
                "emergency_name": TEXT,
                "emergency_phone": PHONE,
            },
        ),
        _file(
            tables.programs,
            ("nkp", "program", "since"),
            {"nkp": NKP, "program": PROGRAM, "since": DAY, "until": DAY},
        ),
        _file(
            tables.balances,
            ("nkp", "as_of"),
            {"nkp": NKP, "as_of": DAY, "contributions": RUPIAH, "returns": RUPIAH, "total": RUPIAH},
            "as_of",
        ),
        _file(
            tables.contributions,
            ("nkp", "month"),
            {
                "nkp": NKP,
                "month": MONTH,
                **dict.fromkeys(("jht", "jp", "jkk", "jkm", "jkp"), RUPIAH),
                "paid_on": DAY,
            },
            "month",
            "paid_on",
        ),
        _file(
            tables.claims,
            ("claim_no",),
            {
                "claim_no": TEXT,
                "nkp": NKP,
                "program": PROGRAM,
                "reason": TEXT,
                "stage": _one_of(
                    "AGENDA", "PENETAPAN", "PERSETUJUAN", "PEMBAYARAN", "SELESAI", "DITOLAK"
                ),
                "filed_on": DAY,
                "updated_on": DAY,
                "amount": RUPIAH,
                "note": TEXT,
            },
            "filed_on",
            "updated_on",
        ),
        _file(
            tables.offices,
            ("code",),
            dict.fromkeys(("code", "name", "city", "address", "phone", "hours", "timezone"), TEXT),
        ),
        _file(tables.participant_offices, ("nkp",), {"nkp": NKP, "office": TEXT}),
        _file(
            tables.rates,
            ("program", "category", "item", "effective_from"),
            {
                **dict.fromkeys(("program", "category", "item"), TEXT),
                "effective_from": DAY,
                "value": FIGURE,
                **dict.fromkeys(("unit", "note"), TEXT),
            },
        ),
        _file(
            tables.contacts,
            ("channel",),
            dict.fromkeys(("channel", "value", "hours", "note"), TEXT),
        ),
    )
)
