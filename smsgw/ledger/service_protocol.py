"""Writes what a ledger that is a service is asked, and reads what it answers, as
docs/ledger-api.yaml has it. What is wrong is refused without a word of what it says."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from handlers.ports import Balance, Claim, Contact, Office, Participant, Rate
from smsgw.ledger.row_ledger import Rows
from smsgw.ledger.statements import MOST_CLAIMS, MOST_FUTURE, MOST_PARTICIPANTS, MOST_ROWS, PAID
from smsgw.ledger.values import FIELDS, nkp_of

VERSION = 1
MOST_NUMBERS = 50  # of one look-up, in one request
LONGEST_TEXT = 1_000  # characters
MOST = 10**19  # an amount, or another number
MOST_COUNTED = 9_999  # months, and the year
A_FIELD = re.compile(r"[a-z_]{1,30}")
COUNTS = {"year", "months"}
WORDS = {"slow", "refused"}  # instead of rows


class WrongAnswer(ValueError):
    """Says what is wrong with an answer, and nothing of what it holds."""


class OtherVersion(WrongAnswer):
    """Says that the service speaks another version."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Describes the rows of a look-up: their fields, by which of them a row is found, in which
    order they come, and how many count for each number."""

    fields: frozenset[str]
    key: str = ""
    order: tuple[str, ...] = ()
    newest_first: bool = False
    most: int | None = None
    needs: str | None = None  # a row without it does not count


def _shape(*fields: str, of: type | None = None, **more: Any) -> Shape:
    return Shape(frozenset({*fields, *(FIELDS[of] if of else ())}), **more)


BY_NUMBER: Mapping[str, Shape] = {
    "participant": _shape(of=Participant, key="nkp", most=MOST_ROWS),
    "participants_of": _shape(of=Participant, key="nik", order=("nkp",), most=MOST_PARTICIPANTS),
    "balance": _shape(
        "nkp",
        of=Balance,
        key="nkp",
        order=("as_of",),
        newest_first=True,
        most=MOST_FUTURE,
        needs="as_of",
    ),
    "last_contribution": _shape(
        "nkp", "month", key="nkp", order=("month",), newest_first=True, needs="month"
    ),
    "paid_in": _shape("nkp", "year", "months", *PAID, key="nkp"),
    "pension_months": _shape("nkp", "months", key="nkp"),
    "programs": _shape("nkp", "program", key="nkp", order=("program",)),
    "claims": _shape(
        of=Claim, key="nkp", order=("filed_on", "claim_no"), newest_first=True, most=MOST_CLAIMS
    ),
}
REFERENCE: Mapping[str, Shape] = {
    "offices": _shape("code", of=Office, order=("code",)),
    "rates": _shape(of=Rate, order=("effective_from",)),
    "contacts": _shape("channel", of=Contact),
}


def question(lookups: Mapping[str, Sequence[str]]) -> bytes:
    """Writes the body of a request: numbers by the name of a look-up."""
    asked = {name: list(numbers) for name, numbers in lookups.items()}
    return json.dumps({"version": VERSION, "look_ups": asked}).encode()


def read(body: bytes) -> Mapping[str, Any]:
    """Reads an answer as far as it is the same for all. Raises WrongAnswer."""
    try:
        document = json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError, ArithmeticError):
        raise WrongAnswer("is not JSON") from None
    if not isinstance(document, dict):
        raise WrongAnswer("is no JSON object")
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        other = version if isinstance(version, int) and 0 <= version < MOST_COUNTED else "another"
        raise OtherVersion(f"speaks version {other}; this smsgw speaks {VERSION}")
    return document


def error(document: Mapping[str, Any], name: str) -> str | None:
    """Returns why the service leaves a look-up out: "slow", "refused". Raises WrongAnswer."""
    word = _answer(document, name).get("error")
    if word is not None and word not in WORDS:
        raise WrongAnswer("error is neither slow nor refused")
    return str(word) if word is not None else None


def rows(document: Mapping[str, Any], name: str, numbers: Collection[str]) -> Rows:
    """Returns the rows of a look-up, each with its number as `key`. Raises WrongAnswer."""
    shape = BY_NUMBER[name]
    found: dict[str, list[dict[str, Any]]] = {number: [] for number in numbers}
    for row in _rows(_answer(document, name).get("rows"), shape):
        key = str(row[shape.key]).strip() if shape.key == "nik" else nkp_of(row[shape.key])
        if key not in found:
            raise WrongAnswer(f"has a {shape.key} that nobody asked for")
        if shape.needs is None or row[shape.needs] is not None:
            found[key].append({**row, "key": key})
    return [row for key in found for row in found[key][: shape.most]]


def reference(document: Mapping[str, Any], name: str) -> Rows:
    """Returns the rows of offices, rates or contacts. Raises WrongAnswer."""
    return _rows(document.get(name), REFERENCE[name])


def is_reference(document: Mapping[str, Any]) -> bool:
    """Tells whether all of them can be read."""
    try:
        for name in REFERENCE:
            reference(document, name)
    except WrongAnswer:
        return False
    return True


def unknown_fields(document: Mapping[str, Any], name: str) -> set[str]:
    """Returns fields of rows that the protocol does not have. Some may be called by a number of
    somebody: these are left out."""
    holder = document.get(name) if name in REFERENCE else _answer(document, name).get("rows")
    known = (REFERENCE.get(name) or BY_NUMBER[name]).fields
    fields = {field for row in holder or () if isinstance(row, dict) for field in row}
    return {field for field in fields - known if A_FIELD.fullmatch(field)}


def _answer(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    answers = document.get("answers")
    answer = answers.get(name) if isinstance(answers, dict) else None
    if not isinstance(answer, dict):
        raise WrongAnswer("is not answered")
    return answer


def _rows(found: Any, shape: Shape) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise WrongAnswer("has no list of rows")
    read_rows = [_row(row, shape.fields) for row in found]
    if not shape.order:
        return read_rows
    return sorted(
        read_rows,
        key=lambda row: [str(row[field] or "") for field in shape.order],
        reverse=shape.newest_first,
    )


def _row(row: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Returns the known fields. A field that is missing is a mistake, as a column would be; a hole
    is null."""
    for field in sorted(fields):
        if field not in row:
            raise WrongAnswer(f"lacks {field}")
        if not _is_value(row[field], is_count=field in COUNTS):
            raise WrongAnswer(f"has a {field} of a wrong type")
    return {field: row[field] for field in fields}


def _is_value(value: Any, *, is_count: bool) -> bool:
    if isinstance(value, bool):
        return False
    if is_count:
        return isinstance(value, int) and 0 <= value <= MOST_COUNTED
    if isinstance(value, int | Decimal):
        return -MOST < value < MOST
    return value is None or (isinstance(value, str) and len(value) <= LONGEST_TEXT)


def _refuse(_constant: str) -> None:
    raise ValueError
