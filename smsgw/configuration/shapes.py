"""Checks the shape of a document: which part is a text, a list or a mapping."""

import re
from collections.abc import Iterator
from typing import Any

AN_ID = re.compile(r"[a-z][a-z0-9_]{1,19}")
EACH = "*"  # of a mapping's keys
A_SERVICE = {"name": str, "contact": str, "words": [str], "digits": int, "niks": int}
A_TABLE = {"columns": [str], "rows": [list]}
NEEDED = {
    str: "a text is needed; put it in quotes where it is one, YAML reads NO and ON as no words",
    bool: "true or false is needed",
    int: "a number is needed",
    list: "a list is needed",
    dict: "a mapping is needed",
}
SHAPES: dict[str, Any] = {
    "keywords": dict,
    "tables": dict,
    "fillers": [str],
    "courtesy": [str],
    "doubts": [str],
    "addressed": [str],
    "signatures": [str],
    "labels": {EACH: [str]},
    "choices": {EACH: {EACH: [str]}},
    "either": {EACH: [str]},
    "secrets": {EACH: [str]},
    "services": [A_SERVICE],
    "terms": {EACH: {EACH: str}},
    "wordings": {EACH: {EACH: {EACH: str}}},
}


def misfits_of(value: Any, shape: Any, place: str) -> Iterator[str]:
    """`shape`: a type, [shape of each], {key: shape} or {EACH: shape}."""
    kind: type = shape if isinstance(shape, type) else type(shape)
    fits = isinstance(value, kind)
    if not fits:
        yield f"{place}: {NEEDED[kind]}"
    elif isinstance(shape, list):
        for number, each in enumerate(value, 1):
            yield from misfits_of(each, shape[0], f"{place} {number}")
    elif isinstance(shape, dict):
        for key, each in value.items():
            yield from misfits_of(each, shape.get(EACH, shape.get(key, str)), f"{place}.{key}")


def failures_of(*checks: tuple[bool, str]) -> Iterator[str]:
    return (what for is_wrong, what in checks if is_wrong)
