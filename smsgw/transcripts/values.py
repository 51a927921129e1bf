"""Defines the values of a transcript, each with the form it must have."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from handlers import HANDLERS
from handlers.question import Outcome
from smsgw.backoffice.casework import RejectionWording
from smsgw.transcripts.source import UnquotedScalar

ECHO, CODE = "=echo", "=code"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
SPAN = r"^[0-9]{1,6}[smhd]$"
INSTANT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})$"
PHONE = r"^\+[1-9][0-9]{6,14}$"
NKP = r"^[0-9]{11}$"
CASE = r"^ADU-[0-9]{6}-[0-9]{4}$"
OUTCOMES = tuple(map(str, Outcome))
REASONS = ("duplicate", "echo", "courtesy", "unreachable_sender", "throttled", "loop")
# Why an officer could not do what a step says.
OFFICER_REASONS = (
    "not_waiting",
    "not_in_ledger",
    "not_looked",
    "same_officer",
    "frozen",
    "ledger_down",
)
REFUSALS = tuple(map(str, RejectionWording))
QUESTIONS = ("consent", "suggestion", "draft", "choice", "code", "identity")


def _text(value: object) -> object:
    """Refuses a number, a date or a truth value without quotes: 0017 would lose its zeros."""
    if isinstance(value, UnquotedScalar | bool | int):
        written = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else value
        raise ValueError(f'needs quotes: "{written}"')
    if value is None:
        raise ValueError("is empty; write a text, in quotes if need be")
    return value


def _sender(value: object) -> object:
    """A phone number is understood without quotes too."""
    if isinstance(value, UnquotedScalar) and re.fullmatch(r"\+?[0-9]{7,15}", value):
        return str(value)
    return _text(value)


def _span(value: object) -> timedelta:
    if not isinstance(value, str) or not re.match(SPAN, value):
        raise ValueError("is a number with s, m, h or d, such as 15m")
    return timedelta(**{UNITS[value[-1]]: int(value[:-1])})


def _instant(value: object) -> datetime:
    written = value if isinstance(value, str) else ""
    if not re.match(INSTANT, written):
        raise ValueError("is a day, a time and a time zone, such as 2025-10-31T10:00:00+07:00")
    try:
        date.fromisoformat(written[:10])
        moment = datetime.fromisoformat(written)
        moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        is_day = "day" in str(error) or "month" in str(error) or "year" in str(error)
        problem = f"{written[:10]} is not in the calendar" if is_day else f"{written} is no time"
        raise ValueError(problem) from None
    return moment


def _must_match(pattern: str, wanted: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.match(pattern, value, re.ASCII):
            raise ValueError(f"{value!r} is not {wanted}")
        return value

    return check


def _phone(value: str) -> str:
    if re.match(PHONE, value, re.ASCII):
        return value
    digits = re.sub(r"\D", "", value)
    meant = f"62{digits[1:]}" if digits.startswith("0") else digits
    hint = f"; did you mean +{meant}?" if re.match(PHONE, f"+{meant}") else ""
    raise ValueError(f"{value!r} is not a phone number such as +6281234567890{hint}")


def _known_nkp(value: str, info: ValidationInfo) -> str:
    nkps = (info.context or {}).get("nkps")
    if nkps is not None and value not in nkps:
        raise ValueError(f"nobody in the ledger has the NKP {value}")
    return value


def _known_keyword(value: str, info: ValidationInfo) -> str:
    return one_of((info.context or {}).get("keywords") or tuple(HANDLERS), "keyword")(value)


def one_of(names: tuple[str, ...], kind: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"there is no {kind} {value!r}{did_you_mean(value, names)}")
        return value

    return check


def did_you_mean(written: str, names: tuple[str, ...]) -> str:
    """Returns `; did you mean 'x'?`, or what there is to choose from."""
    near = get_close_matches(written.casefold(), names, 1, 0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(names)}" if len(names) <= 12 else ""


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a valid regular expression: {error}") from None
    return value


def _not_empty(value: str) -> str:
    if not value.strip():
        raise ValueError("is blank, and every reply holds that")
    return value


def _not_nearly(value: str) -> str:
    """Refuses a mistyped word of the format, which would be sent to the service as it stands."""
    for word in (ECHO, CODE):
        is_there = word in value if word == CODE else value == word
        if not is_there and re.search(rf"(^|\s){word}\b", value, re.IGNORECASE):
            raise ValueError(f"did you mean {word!r}, to the letter?")
    return value


def _enum(names: tuple[str, ...]) -> WithJsonSchema:
    return WithJsonSchema({"enum": list(names)})


def _string(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


A_PHONE = WithJsonSchema(
    {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 1_000_000}]}
)
Text = Annotated[str, BeforeValidator(_text)]
Part = Annotated[Text, AfterValidator(_not_empty), _string(r"\S")]
Said = Annotated[
    Text,
    AfterValidator(_not_nearly),
    WithJsonSchema({"type": "string", "not": {"pattern": rf"^\s+{ECHO}\s*$|^{ECHO}\s+$"}}),
]
Sender = Annotated[str, Field(min_length=1), BeforeValidator(_sender), A_PHONE]
Phone = Annotated[Text, AfterValidator(_phone), _string(PHONE)]
Digits = Annotated[Text, AfterValidator(_must_match(NKP, "an NKP of 11 digits")), _string(NKP)]
Nkp = Annotated[Digits, AfterValidator(_known_nkp), _string(NKP)]
Case = Annotated[
    Text, AfterValidator(_must_match(CASE, "a case such as ADU-251031-0001")), _string(CASE)
]
Span = Annotated[timedelta, BeforeValidator(_span), _string(SPAN)]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": INSTANT}),
]
Keyword = Annotated[
    Text, AfterValidator(_known_keyword), _string(r"^[a-z][a-z0-9_]*$")
]  # see schema.py: without `keywords:` one of the shipped ones
OutcomeName = Annotated[Text, AfterValidator(one_of(OUTCOMES, "outcome")), _enum(OUTCOMES)]
ReasonName = Annotated[
    Text,
    AfterValidator(one_of((*REASONS, *OFFICER_REASONS), "reason")),
    _enum((*REASONS, *OFFICER_REASONS)),
]
Pattern = Annotated[Part, AfterValidator(_pattern)]
