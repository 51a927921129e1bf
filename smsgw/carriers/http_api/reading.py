"""Reads values from an answer or a webhook: by a path into JSON, the name of a field, or a regular
expression."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from smsgw.carriers.carrier import Malformed, WebhookRequest


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
