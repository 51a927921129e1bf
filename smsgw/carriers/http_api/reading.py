"""Reads values from an answer or a webhook: by a path into JSON, the name of a field, or a regular
expression."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from smsgw.carriers.carrier import Malformed, MessagePart, WebhookRequest

MOST_PARTS = 10  # a text of 1,530 characters: what is longer is no message of a person
LONGEST_REFERENCE = 64
A_COUNT = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class CarrierResponse:
    """Holds what the carrier answered to our request."""

    status: int
    text: str

    @property
    def json(self) -> object:
        """Returns None if the text is not JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Pick:
    """Says where a value stands: `path`, such as messages.0.id, or `regex` with one group."""

    path: str | None = None
    regex: re.Pattern[str] | None = None

    def of(self, answer: CarrierResponse) -> str:
        if self.path is not None:
            return text_at(answer.json, self.path)
        found = self.regex.search(answer.text) if self.regex else None
        return found[1] if found else ""


def at(value: Any, path: str) -> Any:
    """Returns the value at `path`; None if there is nothing."""
    for part in path.split("."):
        if isinstance(value, list):
            is_there = part.isdecimal() and int(part) < len(value)
            value = value[int(part)] if is_there else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def text_at(value: object, path: str) -> str:
    """Returns a text that can be stored: NUL is in no SMS, and half a character in no UTF-8."""
    found = at(value, path)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return str(found).replace("\0", "").encode("utf-8", "replace").decode()


def is_given(value: object, path: str) -> bool:
    """Tells whether there is something at `path`, even if it is empty."""
    above, _, last = path.rpartition(".")
    holder = at(value, above) if above else value
    if isinstance(holder, list):
        return last.isdecimal() and int(last) < len(holder)
    return isinstance(holder, dict) and last in holder


def part_at(item: object, reference: str, number: str, total: str) -> MessagePart | None:
    """Returns which part of a long message this is; None where it is all of it. Raises
    Malformed."""
    parts = _count_at(item, total)
    if parts < 2:
        return None
    if parts > MOST_PARTS:
        raise Malformed(f"a message of {parts} parts is too long; {MOST_PARTS} are allowed")
    name, place = text_at(item, reference), _count_at(item, number)
    if not name or len(name) > LONGEST_REFERENCE or not 1 <= place <= parts:
        raise Malformed(f"a part needs a reference and a number from 1 to {parts}")
    return MessagePart(name, place, parts)


def _count_at(item: object, path: str) -> int:
    """0 where there is nothing. Raises Malformed."""
    text = text_at(item, path)
    if text and not A_COUNT.fullmatch(text):
        raise Malformed(f"{path} is no whole number below 1000")
    return int(text or 0)


def items(request: WebhookRequest, form: str, path: str | None) -> list[object]:
    """Returns the messages or reports in a request; `path` is where a list of them stands. Raises
    Malformed."""
    if form == "query":
        return [dict(parse_qsl(request.query, keep_blank_values=True, errors="replace"))]
    if form == "form":
        return [dict(request.form)]
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if path is None:
        return [body]
    found = at(body, path)
    if not isinstance(found, list):
        raise Malformed(f"{path} is not a list")
    return found
