"""Explains what pydantic finds wrong with a part of a document, in plain words."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from smsgw.configuration.schema import ALL_NEED, MOST_SEGMENTS, Entry, Part, Parts, keys_of

KEY_MARK = "[key]"  # pydantic's, at the end of the place of a mapping's key
Read = TypeVar("Read", bound=Part)

NOT_A_NAME = "put this name in quotes; YAML reads it as no word"
SENTENCES: Mapping[str, str] = {
    "string_type": "a text is needed; put it in quotes where it is one, YAML reads NO and ON as no "
    "words",
    "bool_type": "true or false is needed",
    "int_type": "a number is needed",
    "tuple_type": "a list is needed",
    "dict_type": "a mapping is needed",
    "model_type": "a mapping is needed",
    "too_long": "two keywords are needed",
}
_A_DAY = "from and until are days, such as 2026-01-31"
OF_KEYWORDS: Mapping[str, str] = {
    "budget": f"a budget is 1 to {MOST_SEGMENTS} segments",
    "enabled": "enabled is true or false",
    "from": _A_DAY,
    "until": _A_DAY,
}


def parse(part: type[Read], raw: object, place: str = "") -> Read | list[str]:
    """Returns the part, or what is wrong with it, each with its place."""
    try:
        return part.model_validate(raw)
    except ValidationError as error:
        found = (_explain(part, each, place) for each in error.errors(include_url=False))
        return list(dict.fromkeys(f"{where}: {what}".removeprefix(": ") for where, what in found))


def _explain(part: type[Part], error: ErrorDetails, place: str) -> tuple[str, str]:
    """Returns a place and a sentence."""
    kind, (*above, last) = error["type"], error["loc"] or (None,)
    if kind == "invalid_key" or last == KEY_MARK:
        names = above if last == KEY_MARK else [last]
        return _at(part, place, [str(each) for each in names]), NOT_A_NAME
    if part is Entry and last in OF_KEYWORDS and not above:
        return place, OF_KEYWORDS[str(last)]
    if kind == "missing":
        return _at(part, place, above), _missing_key(part, last)
    where = _at(part, place, error["loc"])
    if kind == "extra_forbidden":
        known = f"; there are {', '.join(keys_of(part))}" if not above else ""
        if part is Parts and not above:
            return where, f"this is not known here{known}"
        return _at(part, place, above), f"{last} is not known here{known}"
    if kind == "literal_error":
        return where, f"it is {error['ctx']['expected']}".replace("'", "")
    return where, SENTENCES.get(kind, error["msg"])


def _missing_key(part: type[Part], key: object) -> str:
    if isinstance(key, int):
        return SENTENCES["too_long"]  # or too short, of a pair
    needed = f"; {', '.join(ALL_NEED)} are required" if part is Parts and key in ALL_NEED else ""
    return f"{key} is missing{needed}"


def _at(part: type[Part], place: str, names: Sequence[int | str]) -> str:
    """Returns the place as operators name it: saldo.balance.id, secrets.pins 3."""
    if part is Entry and names and names[0] == "wordings":
        names = names[1:]
    path = "".join(f" {each + 1}" if isinstance(each, int) else f".{each}" for each in names)
    return f"{place}{path}".removeprefix(".")
