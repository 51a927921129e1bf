"""Converts a ledger's values to ours, whatever types its columns have.

A view over somebody else's tables has NKPs as numbers, days as timestamps and phones as they were
typed. What cannot be read as what it should be is None.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.types import UserDefinedType

from handlers.ports import Balance, Claim, Contact, Office, Participant, Rate
from smsgw import phone

NKP_DIGITS, NIK_DIGITS = 11, 16
STATUSES = {"AKTIF", "TIDAK AKTIF"}
STAGES = {"AGENDA", "PENETAPAN", "PERSETUJUAN", "PEMBAYARAN", "SELESAI", "DITOLAK"}
TIMEZONES = {"WIB", "WITA", "WIT"}

# What separates several numbers in one field; a blank or a dash may stand within one.
BETWEEN_PHONES = re.compile(r"[/\\,;|&\r\n]|\b(?:atau|dan|or)\b", re.IGNORECASE)
A_NUMBER = re.compile(r"\+?\(?[0-9][0-9\s().-]*")
SPREADSHEET = re.compile(r"[0-9][eE][+-]?[0-9]")  # 6.28123E+12: digits are lost
FRACTION = re.compile(r"([0-9]{7,})\.0{1,2}")
SEPARATORS = re.compile(r"[\s.-]")
PLAIN = re.compile(r"(?:\+?62|0)?(8[1-35-9][0-9]{7,10})")  # every mobile number of Indonesia
COUNTRY = re.compile(r"^\+?620*(?=8)")  # 62812…, and +62 (0)812…
AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]{1,2})?")  # 1.200 may be a thousand, and is not guessed at

Read = Callable[[Any, ZoneInfo], Any]
Record = TypeVar("Record")


class RawType(UserDefinedType[Any]):
    """Leaves a column's or key's type to the ledger: values come as its driver makes them, and a
    key has no type, so that the column's decides how it is compared."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"


class UnreadableValue(ValueError):
    """Says that a value cannot be what its column is for."""


def text(value: Any, _zone: ZoneInfo) -> str | None:
    return " ".join(str(value).split()) or None


def nkp_of(value: object) -> str:
    """Writes an NKP as we do; a number has lost its leading zeros."""
    return str(value).strip().zfill(NKP_DIGITS)


def one_of(known: set[str]) -> Read:
    """Reads a word of the ledger's, in capitals."""

    def read(value: Any, zone: ZoneInfo) -> str | None:
        word = (text(value, zone) or "").upper()
        if word and word not in known:
            raise UnreadableValue
        return word or None

    return read


def digits(length: int) -> Read:
    """Reads a number that identifies something, such as an NKP, and restores the zeros that a
    numeric column lost."""

    wanted = re.compile(rf"[0-9]{{{length}}}")

    def read(value: Any, _zone: ZoneInfo) -> str | None:
        if not isinstance(value, str):
            written = str(_whole(value)).zfill(length)
        elif wanted.fullmatch(value):
            written = value
        else:
            written = SEPARATORS.sub("", value)
        if not written.strip("0"):
            return None
        if not wanted.fullmatch(written):
            raise UnreadableValue
        return written

    return read


def day(value: Any, zone: ZoneInfo) -> date | None:
    """Returns the day in the scheme's zone of a time with an offset."""
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise UnreadableValue from None
    if isinstance(value, datetime):
        return (value.astimezone(zone) if value.tzinfo else value).date()
    if isinstance(value, date):
        return value
    raise UnreadableValue


def amount(value: Any, zone: ZoneInfo) -> Decimal | None:
    if isinstance(value, str) and not AMOUNT.fullmatch(value.strip()):
        raise UnreadableValue
    return figure(value, zone)


def figure(value: Any, _zone: ZoneInfo) -> Decimal:
    try:
        read = Decimal(str(value).strip())
    except ArithmeticError:
        raise UnreadableValue from None
    if not read.is_finite():
        raise UnreadableValue
    return read


def number_on_file(value: Any, _zone: ZoneInfo) -> str | None:
    """Returns the first of its numbers that can get an SMS, as E.164."""
    return _plain_mobile(value) or next(filter(phone.can_get_sms, _phones(value)), None)


def any_phone(value: Any, _zone: ZoneInfo) -> str | None:
    return _plain_mobile(value) or next(iter(_phones(value)), None)


def read_nkp(value: Any) -> str | None:
    try:
        return None if value is None else _NKP(value, ZoneInfo("UTC"))
    except UnreadableValue:
        return None


def _plain_mobile(value: Any) -> str | None:
    """Recognises the most common form of number without the cost of every country's rules."""
    if not isinstance(value, str):
        return None
    found = PLAIN.fullmatch(value.replace(" ", "").replace("-", ""))
    return f"+62{found[1]}" if found else None


def _phones(value: Any) -> list[str]:
    """Returns the numbers of a field, which may hold several, each in its own format."""
    written = _fold(value) if isinstance(value, str) else str(_whole(value))
    if SPREADSHEET.search(written):
        raise UnreadableValue
    whole = FRACTION.fullmatch(written)
    parts = [whole[1]] if whole else BETWEEN_PHONES.split(written)
    numbers = [each for part in parts for each in A_NUMBER.findall(part)]
    found = [phone.e164(_plain(number)) for number in numbers]
    if not any(found) and written.strip("0 -.") and re.search("[0-9]", written):
        raise UnreadableValue
    return [each for each in found if each is not None]


def _fold(written: str) -> str:
    """Uses plain digits and dashes, and drops what cannot be seen."""
    letters = unicodedata.normalize("NFKC", written)
    kinds = ((letter, unicodedata.category(letter)) for letter in letters)
    return "".join(
        "-" if kind == "Pd" else letter for letter, kind in kinds if kind != "Cf"
    ).strip()


def _plain(number: str) -> str:
    return COUNTRY.sub("+62", re.sub(r"[^0-9+]", "", number))


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise UnreadableValue
    try:
        whole = int(value)
    except (ValueError, ArithmeticError):
        raise UnreadableValue from None
    if whole != value or whole < 0:
        raise UnreadableValue
    return whole


_NKP = digits(NKP_DIGITS)
# How each field is read, by what a row becomes; None stays None.
FIELDS: Mapping[type, Mapping[str, Read]] = {
    Participant: {
        "nkp": _NKP,
        "nik": digits(NIK_DIGITS),
        "name": text,
        "birth_date": day,
        "phone": number_on_file,
        "status": one_of(STATUSES),
        "status_since": day,
        "status_reason": text,
        "emergency_name": text,
        "emergency_phone": any_phone,
        "email": text,
    },
    Balance: {"as_of": day, "contributions": amount, "returns": amount, "total": amount},
    Claim: {
        "claim_no": text,
        "nkp": _NKP,
        "program": text,
        "stage": one_of(STAGES),
        "filed_on": day,
        "updated_on": day,
        "amount": amount,
        "note": text,
    },
    Office: {
        **dict.fromkeys(("name", "city", "address", "phone", "hours"), text),
        "timezone": one_of(TIMEZONES),
    },
    Rate: {
        **dict.fromkeys(("program", "category", "item"), text),
        "effective_from": day,
        "value": figure,
        "unit": text,
    },
    Contact: {"value": text, "hours": text},
}
NEEDED: Mapping[type, tuple[str, ...]] = {
    Participant: ("nkp",),
    Balance: ("as_of",),
    Claim: ("claim_no",),
    Rate: ("effective_from", "value"),
}
TABLES: Mapping[type, str] = {
    Participant: "participants",
    Balance: "balances",
    Claim: "claims",
    Office: "offices",
    Rate: "rates",
    Contact: "contacts",
}
