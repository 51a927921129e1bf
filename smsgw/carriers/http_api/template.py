"""Fills in the texts of the YAML file: {to}, {text} and others, and ${NAME} of the environment.

A value is escaped for the place where it stands, and is never expanded again.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.sax.saxutils import escape as escape_xml

from pydantic import SecretStr

from smsgw import phone, variable_values
from smsgw.carriers.carrier import OutgoingSms

Values = Mapping[str, str | int]
Escape = Callable[[str], str]
PLACEHOLDER = re.compile(r"\$\{(\w+)\}|\{(\w+)\}")
QUOTES = {'"': "&quot;", "'": "&apos;"}


def values(sms: OutgoingSms, report_url: str, encoding: str) -> dict[str, str | int]:
    """Returns what a placeholder stands for. Times are rounded up to whole minutes."""
    minutes = max(1, math.ceil(sms.lasts.total_seconds() / 60))
    return {
        "to": sms.recipient,
        "to_digits": sms.recipient.removeprefix("+"),
        "to_national": phone.national(sms.recipient),
        "from": sms.sender_id,
        "from_digits": sms.sender_id.removeprefix("+"),
        "text": sms.text,
        "id": str(sms.attempt_id),
        "report_url": report_url,
        "encoding": encoding,
        "minutes": minutes,
        "seconds": minutes * 60,
        "milliseconds": minutes * 60_000,
    }


SAMPLE = values(OutgoingSms(1, "+6281234567890", "2757", "text"), "https://x.example", "gsm7")


@dataclass(frozen=True, slots=True)
class Template:
    text: str
    secrets: Mapping[str, SecretStr] = field(repr=False)  # the variables that it names

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(name for _, name in PLACEHOLDER.findall(self.text) if name)

    def render(self, values: Values, escape: Escape = str) -> str:
        return self._replaced(values, escape, escape)

    def render_url(self, values: Values) -> str:
        """Fills in the address. A value from the environment may be a host with its port, or a
        path."""
        return self._replaced(values, in_url, str)

    def _replaced(self, values: Values, escape: Escape, escape_secret: Escape) -> str:
        def replaced(found: re.Match[str]) -> str:
            name, placeholder = found.groups()
            if name:
                return escape_secret(self.secrets[name].get_secret_value())
            return escape(str(values[placeholder]))

        return PLACEHOLDER.sub(replaced, self.text)

    def render_json(self, values: Values) -> str | int:
        """Returns a number if the template is a time and nothing else."""
        only = re.fullmatch(r"\{(\w+)\}", self.text)
        return values[only[1]] if only else self.render(values)


def read(text: object, environ: Mapping[str, str]) -> Template:
    """Raises ValueError where a name is not known."""
    if name := unquoted_placeholder(text):
        raise ValueError(f"put {{{name}}} in quotes")
    if not isinstance(text, str | int) or isinstance(text, bool):
        raise ValueError("is no text")
    text = str(text)
    secrets = {}
    for name, placeholder in PLACEHOLDER.findall(text):
        if placeholder and placeholder not in SAMPLE:
            known = ", ".join(f"{{{each}}}" for each in SAMPLE)
            raise ValueError(f"has {{{placeholder}}}, which is none of {known}")
        if name:
            secrets[name] = SecretStr(variable(name, environ))
    return Template(text, secrets)


def unquoted_placeholder(value: object) -> str | None:
    """Returns the name in {name} without quotes, which YAML reads as a mapping."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, held),) = value.items()
        return name if held is None and name in SAMPLE else None
    return None


def variable(name: str, environ: Mapping[str, str]) -> str:
    """Raises ValueError where the environment, or the file that it names, does not have it."""
    try:
        value = variable_values.value(name, environ)
    except ValueError as error:
        raise ValueError(f"names ${{{name}}}: {error}") from None
    if not value:
        raise ValueError(f"names ${{{name}}}, which is not set in the environment")
    if not value.isprintable():
        raise ValueError(f"names ${{{name}}}, which holds a character that cannot be seen")
    return value


def in_url(value: str) -> str:
    return quote(value, safe="")


def in_header(value: str) -> str:
    return "".join(each if " " <= each <= "~" else "?" for each in value)


def in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def in_xml(value: str) -> str:
    return escape_xml(value, QUOTES)


def escape_for(media_type: str) -> Escape:
    """Returns how values are escaped in a body of this type."""
    if media_type.endswith(("/json", "+json")):
        return in_json
    if media_type.endswith(("/xml", "+xml")):
        return in_xml
    return in_url if media_type.endswith("/x-www-form-urlencoded") else str


def dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
