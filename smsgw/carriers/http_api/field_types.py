"""Defines the types of fields in the YAML file. Each validator finds the environment in its
context."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SecretStr,
    ValidationInfo,
)

from smsgw.carriers.http_api import template
from smsgw.carriers.http_api.reading import Pick
from smsgw.carriers.http_api.template import SAMPLE, Template
from smsgw.variables import is_loopback, web_address

SHORTEST_SECRET = 12
ONLY_A_VARIABLE = re.compile(r"\$\{(\w+)\}")


class PlacedError(ValueError):
    """Names a fault deeper in a value than the field that is validated."""

    def __init__(self, place: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.place = place


def _template(value: object, info: ValidationInfo) -> Template:
    return template.read(value, info.context or {})


def _url(value: Template) -> Template:
    sample = value.render_url(SAMPLE)
    web_address(sample.partition("?")[0])
    if not is_safe(sample):
        raise ValueError("needs https; http is for this machine alone")
    return value


def is_safe(address: str) -> bool:
    """Tells whether what is sent there is encrypted, or stays on this machine."""
    return urlsplit(address).scheme.lower() == "https" or is_loopback(address)


def _json(value: Any, info: ValidationInfo) -> Any:
    return _json_at(value, info, ())


def _json_at(value: Any, info: ValidationInfo, place: tuple[str | int, ...]) -> Any:
    if isinstance(value, dict) and not template.unquoted_placeholder(value):
        return {str(key): _json_at(each, info, (*place, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_json_at(each, info, (*place, index)) for index, each in enumerate(value)]
    if not isinstance(value, str | dict):
        return value
    try:
        return template.read(value, info.context or {})
    except ValueError as error:
        raise PlacedError(place, str(error)) from None


def _pick(value: object) -> Pick:
    if isinstance(value, str) and value:
        return Pick(path=value)
    if isinstance(value, dict) and list(value) == ["regex"]:
        return Pick(regex=regex(value["regex"], groups=1))
    raise ValueError("is neither a path, such as messages.0.id, nor {regex: …}")


def regex(value: object, groups: int | None = None) -> re.Pattern[str]:
    try:
        pattern = re.compile(str(value))
    except re.error as error:
        raise ValueError(f"is not a valid regular expression: {error}") from None
    if groups is not None and pattern.groups != groups:
        raise ValueError("needs one group in brackets, which is the value")
    return pattern


def as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _texts(value: object) -> object:
    listed = value if isinstance(value, list) else [value]
    return [str(each) if isinstance(each, int | float) else each for each in listed]


def _secrets(value: object, info: ValidationInfo) -> tuple[SecretStr, ...]:
    found = ONLY_A_VARIABLE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError("names a variable, such as ${HTTP_SECRET}; no secret stands in this file")
    parts = template.variable(found[1], info.context or {}).split(",")
    secrets = tuple(SecretStr(part.strip()) for part in parts if part.strip())
    if not all(len(each.get_secret_value()) >= SHORTEST_SECRET for each in secrets):
        raise ValueError(f"needs {SHORTEST_SECRET} characters or more in {value}")
    return secrets


Text = Annotated[Template, PlainValidator(_template)]
Url = Annotated[Text, AfterValidator(_url)]
Json = Annotated[Any, PlainValidator(_json)]
PickOf = Annotated[Pick, PlainValidator(_pick)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Statuses = Annotated[tuple[Annotated[int, Field(ge=100, le=599)], ...], BeforeValidator(as_list)]
Secrets = Annotated[tuple[SecretStr, ...], PlainValidator(_secrets)]
Methods = Annotated[tuple[Literal["GET", "POST"], ...], BeforeValidator(as_list)]
Format = Literal["json", "form", "query"]
