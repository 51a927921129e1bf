"""Tells phones that can be answered from senders that cannot: a name, a short code."""

import re
from functools import lru_cache
from typing import NamedTuple

import phonenumbers

from grammar import fold

REGION = "ID"
FICTITIOUS = "+6284"  # never assigned in Indonesia: the phones of made participants
PHONES = {
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,  # where numbers do not tell, as in +1
}
_NO_PART = re.compile(r"^\s*tel:|[\s()<>\[\].,:;/_*'\"-]")
# Every mobile number of Indonesia. phonenumbers says the same, in a tenth of the time that it takes
# to answer a message.
_INDONESIAN_MOBILE = re.compile(r"\+62(?:8[1-35-9][0-9]{7,10})", re.ASCII)
KNOWN = 4096  # numbers whose answers are remembered: a message asks for its sender's five times
SHORTEST_NUMBER = 7  # 2757, 1708, 4444: a short code is a service, never a person
_WRITTEN = re.compile(rf"\+?[0-9]{{{SHORTEST_NUMBER},15}}", re.ASCII)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


class _Number(NamedTuple):
    """Holds a valid number with what phonenumbers knows of it, which takes long to look up."""

    e164: str
    kind: int
    calling_code: str


@lru_cache(maxsize=KNOWN)
def e164(written: str) -> str | None:
    """Returns `written` (0812…, 62812…, +62 812–…, 0062…) as +62812…, or None if it is no phone
    number.

    A short code parses as a possible Indonesian number, hence the length first.
    """
    if _INDONESIAN_MOBILE.fullmatch(written):
        return written
    digits = _NO_PART.sub("", fold(written))
    digits = "+" + digits[2:] if digits.startswith("00") else digits
    digits = "+" + digits if digits.startswith("628") else digits  # nobody leaves 0 of 0628… away
    if not _WRITTEN.fullmatch(digits):
        return None
    if is_fictitious(digits):
        return digits
    number = _parse(digits) or (None if digits.startswith("+") else _parse("+" + digits))
    return number.e164 if number else None


def is_in(number: str, calling_codes: tuple[str, ...]) -> bool:
    """Tells whether an E.164 number belongs to one of these calling codes, such as ("62", "60")."""
    return calling_code(number) in calling_codes


def is_e164(text: str) -> bool:
    """Tells whether it is written as +62812…; not whether anybody has that number."""
    return _E164.fullmatch(text) is not None


def can_get_sms(number: str) -> bool:
    """Tells whether this is the E.164 number of a person's phone: what is premium, shared-cost,
    free, a service or in the wall costs money or gets nothing."""
    if not is_e164(number):
        return False
    if is_fictitious(number):
        return True
    known = _parse(number)
    return known is not None and known.kind in PHONES


def calling_code(number: str) -> str:
    """Returns the calling code: 62 for an Indonesian E.164 number."""
    known = _parse(number)
    return known.calling_code if known else str(phonenumbers.parse(number).country_code)


def national(number: str) -> str:
    """Returns the digits of an E.164 number as they are dialled in its own country: 0812…"""
    dialled = phonenumbers.format_number(
        phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.NATIONAL
    )
    return re.sub("[^0-9]", "", dialled)


def is_fictitious(number: str) -> bool:
    return number.startswith(FICTITIOUS)


def mask(number: str) -> str:
    """Masks +6281234567890 as +6281*****7890: enough to tell two phones apart, not to call one."""
    if len(number) <= 9:
        return number[:2] + "*" * (len(number) - 2)
    return number[:5] + "*" * max(len(number) - 9, 0) + number[-4:]


@lru_cache(maxsize=KNOWN)
def _parse(digits: str) -> _Number | None:
    if _INDONESIAN_MOBILE.fullmatch(digits):
        return _Number(digits, phonenumbers.PhoneNumberType.MOBILE, "62")
    try:
        number = phonenumbers.parse(digits, REGION)
    except phonenumbers.NumberParseException:
        return None
    kind = phonenumbers.number_type(number)
    if kind == phonenumbers.PhoneNumberType.UNKNOWN:  # exactly where it is not valid
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return _Number(written, kind, str(number.country_code))
