"""Declares settings as environment variables, and the kinds of values that several share."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# Of an address that others are built on: nothing after the path, nothing that is not ASCII.
A_WEB_ADDRESS = r"https?://[^/?#\s]+(/[\w.~!$&'()*+,;=:@%/-]*)?"
A_HOST = r"[\w.-]+|[0-9a-f:.]+"
CALLING_CODES = {str(code) for code in COUNTRY_CODE_TO_REGION_CODE}
MASK = "********"  # stands for a secret
ALL_OTHERS = "*"  # each calling code that is not named, by itself
A_CODES_SEGMENTS = r"\+?([0-9]{1,3}|\*) *= *([0-9]{1,9})"  # 60=500
SLOWEST, FASTEST = 0.01, 100_000.0  # SMS a second
# As carriers name it: a short number, a whole one with its plus, a messaging service.
A_SENDER = r"[1-9][0-9]{2,5}|(whatsapp:)?\+[1-9][0-9]{6,14}|MG[0-9A-Za-z]{1,40}|rcs:\w{1,40}"


class SettingsError(Exception):
    """Names every fault of the environment, one a line."""


def variable(name: str, default: Any, meaning: str, **limits: Any) -> Any:
    """Makes a field of a settings model: its environment variable, and what `smsgw settings`
    prints."""
    return Field(default, alias=name, description=meaning, **limits)


def is_loopback(address: str | None) -> bool:
    """Tells whether a web address is on this machine."""
    return urlsplit(address or "").hostname in LOOPBACK


def web_address(value: str) -> str:
    """Returns the address without a slash at its end. Raises ValueError."""
    wrong = ValueError(
        "must be an address such as https://sms.example.org: http or https, a host, no blank, and "
        "nothing after ? or #"
    )
    if not re.fullmatch(A_WEB_ADDRESS, value, re.ASCII | re.IGNORECASE):
        raise wrong
    try:
        parts = urlsplit(value)
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong from None
    if not is_port or not re.fullmatch(A_HOST, parts.hostname or "", re.ASCII):
        raise wrong
    return value.rstrip("/")


# What is said of values that pydantic refuses, by the kind of its fault.
A_DAY = "must be days such as 2026-03-20, with commas between them"
PLAIN_FAULTS = {
    "bool_parsing": "must be 1 or 0",
    "int_parsing": "must be a whole number",
    "date_from_datetime_parsing": A_DAY,
    "date_from_datetime_inexact": A_DAY,
}


def split(value: object) -> object:
    """Splits a list at its commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def in_unit(unit: str, least: int, most: int) -> BeforeValidator:
    """Reads a whole number of `unit`, such as "days", as a timedelta."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        if not value.isdecimal() or not least <= int(value) <= most:
            raise ValueError(f"is a number of {unit} from {least} to {most}")
        return timedelta(**{unit: int(value)})

    return BeforeValidator(read)


def at_least(characters: int) -> AfterValidator:
    """Refuses a shorter secret."""

    def check(value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < characters:
            raise ValueError(f"needs {characters} characters or more")
        return value

    return AfterValidator(check)


def matching(pattern: str, otherwise: str) -> AfterValidator:
    """Refuses a text that does not match, and says `otherwise`."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(otherwise)
        return value

    return AfterValidator(check)


def _calling_codes(value: tuple[str, ...]) -> tuple[str, ...]:
    codes = tuple(code.removeprefix("+") for code in value)
    if not codes or not all(code in CALLING_CODES for code in codes):
        raise ValueError("is a list of calling codes, such as 62,60,852")
    return codes


def _rates(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        pairs = (part.rsplit("=", 1) for part in value.split(",") if part.strip())
        rates = {sender_id.strip(): float(rate) for sender_id, rate in pairs}
    except ValueError:
        rates = {"": 0.0}
    if not all(re.fullmatch(A_SENDER, sender_id) for sender_id in rates):
        raise ValueError("is a list of sender IDs and numbers, such as 2757=20,+15005550006=1")
    if not all(SLOWEST <= rate <= FASTEST for rate in rates.values()):
        raise ValueError(f"has a rate that is not from {SLOWEST} to {FASTEST:g} a second")
    return rates


def _segments_by_code(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    pairs = [re.fullmatch(A_CODES_SEGMENTS, part, re.ASCII) for part in parts]
    read = [(pair[1], int(pair[2])) for pair in pairs if pair]
    if not read or len(read) < len(parts):
        raise ValueError(
            "is a list of calling codes and segments a day, such as 62=20000,60=500,*=100"
        )
    for code, segments in read:
        if code not in CALLING_CODES | {ALL_OTHERS}:
            raise ValueError(f"has {code}, which is no calling code")
        if segments < 1:
            raise ValueError(f"has no segments for {code}; give it 1 or more")
    if len(dict(read)) < len(read):
        raise ValueError("has a calling code twice")
    return dict(read)


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be an IANA time zone, such as Asia/Jakarta")
    return value


def _a_folder(value: Path) -> Path:
    if value.exists() and not value.is_dir():
        raise ValueError("is not a directory")
    return value


WebAddress = Annotated[str, AfterValidator(web_address)]
Texts = Annotated[tuple[str, ...], BeforeValidator(split)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(split)]
CallingCodes = Annotated[Texts, AfterValidator(_calling_codes)]
SenderRates = Annotated[Mapping[str, float], BeforeValidator(_rates)]
SegmentsByCode = Annotated[Mapping[str, int], BeforeValidator(_segments_by_code)]
Folder = Annotated[Path, AfterValidator(_a_folder)]
Zone = Annotated[str, AfterValidator(_known_zone)]


def display(value: object, name: str | None = None) -> str:
    """Returns a value as people may see it, with secrets masked."""
    match value:
        case SecretStr():
            return MASK
        case tuple():
            return ",".join(display(part) for part in value)
        case Mapping():
            return ",".join(f"{name}={_plain(number)}" for name, number in value.items())
        case timedelta() if name == "SMSGW_RETENTION_DAYS":
            return f"{value.days}"
        case timedelta():
            return f"{value.total_seconds() / 60:g}"
        case None:
            return ""
    text = str(value)
    parts = urlsplit(text)
    masked = text.replace(f":{parts.password}@", f":{MASK}@") if parts.password else text
    return re.sub(r"(?i)(\w*(?:pass|pwd|secret|token)\w*=)[^&#]*", rf"\1{MASK}", masked)


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


class Endpoint(BaseModel):
    """Says where carriers call this installation."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    port: int = variable("PORT", 8000, "port of the web process", ge=1, le=65535)
    public_url: WebAddress | None = variable(
        "SMSGW_PUBLIC_URL", None, "base address carriers call; signatures are checked against it"
    )

    @property
    def base_url(self) -> str:
        return self.public_url or f"http://127.0.0.1:{self.port}"

    @classmethod
    def names(cls) -> set[str]:
        """Returns the environment variables that it reads."""
        return {info.alias for info in cls.model_fields.values() if info.alias}
