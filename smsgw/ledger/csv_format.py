"""Defines what each ledger file holds, and how a field is read. Dates are ISO, money whole
rupiah."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlalchemy import Table

from smsgw import phone
from smsgw.storage.tables import ledger as tables

Value = str | date | Decimal | None
Reader = Callable[[str], Value]

LONGEST_TEXT = 500
MOST_RUPIAH = 2**63 - 1


@dataclass(frozen=True, slots=True)
class File:
    table: Table
    key: tuple[str, ...]
    readers: Mapping[str, Reader]


def text(field: str) -> str:
    if len(field) > LONGEST_TEXT:
        raise ValueError(f"has {len(field)} characters, {LONGEST_TEXT} at most")
    return field


def digits(needed: int) -> Reader:
    def read(field: str) -> str:
        if not re.fullmatch(r"[0-9]+", field):
            raise ValueError(f"needs {needed} digits and nothing else")
        if len(field) != needed:
            raise ValueError(f"has {len(field)} digits, {needed} are needed")
        return field

    return read


def day(field: str) -> date:
    try:
        return date.fromisoformat(field)
    except ValueError:
        raise ValueError("must be a date such as 2025-09-30") from None


def month(field: str) -> date:
    try:
        return date.fromisoformat(f"{field}-01")
    except ValueError:
        raise ValueError("must be a month such as 2025-09") from None


def rupiah(field: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,19}", field) or int(field) > MOST_RUPIAH:
        raise ValueError("must be a whole amount of rupiah such as 123456789")
    return Decimal(field)


def figure(field: str) -> Decimal:
    try:
        value = Decimal(field)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or len(str(value)) > 20:
        raise ValueError("must be a number such as 0.30")
    return value


def number_on_file(field: str) -> str:
    if phone.e164(field) != field:
        raise ValueError("must be a phone number such as +6281234567890")
    return field


def one_of(*allowed: str) -> Reader:
    def read(field: str) -> str:
        if field not in allowed:
            raise ValueError(f"is none of {', '.join(allowed)}")
        return field

    return read


NKP, NIK = digits(11), digits(16)
PROGRAM = one_of("JHT", "JKK", "JKM", "JP", "JKP")

FILES: Mapping[str, File] = {
    "participants": File(
        tables.participants,
        ("nkp",),
        {
            "nkp": NKP,
            "nik": NIK,
            "name": text,
            "birth_date": day,
            "phone": number_on_file,
            "email": text,
            "category": one_of("PU", "BPU", "JAKON", "PMI"),
            "status": one_of("AKTIF", "TIDAK AKTIF"),
            "status_since": day,
            "status_reason": text,
            "employer": text,
            "emergency_name": text,
            "emergency_phone": number_on_file,
        },
    ),
    "programs": File(
        tables.programs,
        ("nkp", "program", "since"),
        {"nkp": NKP, "program": PROGRAM, "since": day, "until": day},
    ),
    "balances": File(
        tables.balances,
        ("nkp", "as_of"),
        {"nkp": NKP, "as_of": day, "contributions": rupiah, "returns": rupiah, "total": rupiah},
    ),
    "contributions": File(
        tables.contributions,
        ("nkp", "month"),
        {
            "nkp": NKP,
            "month": month,
            **dict.fromkeys(("jht", "jp", "jkk", "jkm", "jkp"), rupiah),
            "paid_on": day,
        },
    ),
    "claims": File(
        tables.claims,
        ("claim_no",),
        {
            "claim_no": text,
            "nkp": NKP,
            "program": PROGRAM,
            "reason": text,
            "stage": one_of(
                "AGENDA", "PENETAPAN", "PERSETUJUAN", "PEMBAYARAN", "SELESAI", "DITOLAK"
            ),
            "filed_on": day,
            "updated_on": day,
            "amount": rupiah,
            "note": text,
        },
    ),
    "offices": File(
        tables.offices,
        ("code",),
        dict.fromkeys(("code", "name", "city", "address", "phone", "hours", "timezone"), text),
    ),
    "rates": File(
        tables.rates,
        ("program", "category", "item", "effective_from"),
        {
            "program": text,
            "category": text,
            "item": text,
            "effective_from": day,
            "value": figure,
            "unit": text,
            "note": text,
        },
    ),
    "contacts": File(
        tables.contacts,
        ("channel",),
        dict.fromkeys(("channel", "value", "hours", "note"), text),
    ),
}
