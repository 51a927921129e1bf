"""Explains in plain words what pydantic finds wrong with a transcript."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from smsgw.transcripts import format as form
from smsgw.transcripts.format import Conversation, Model, Step, Transcript
from smsgw.transcripts.source import Place
from smsgw.transcripts.values import did_you_mean

# Which part of the format stands under a key.
PARTS: Mapping[str, type[Model]] = {
    "conversations": Conversation,
    "steps": Step,
    "expect": form.Expectation,
    "any": form.Answer,
    "never": form.Answer,
    "also": form.Also,
    "state": form.State,
    "starts": form.Start,
    "bindings": form.Binding,
    "settings": form.Settings,
    "officer": form.Officer,
}
VERBS = ("is ", "needs ", "has ", "names ")  # with which a sentence about a key goes on

SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "dict_type": lambda _: "needs a mapping (key: value)",
    "model_type": lambda _: "needs a mapping (key: value)",
    "int_type": lambda _: "is a whole number without quotes",
    "greater_than_equal": lambda context: f"is {context['ge']} or more",
    "less_than_equal": lambda context: f"is {context['le']} or less",
    "bool_type": lambda _: "is true or false",
    "too_short": lambda _: "is empty; it needs one entry at least",
    "string_type": lambda _: "is a text, not a list or a mapping",
    "string_too_short": lambda _: "is empty",
    "literal_error": lambda context: f"is {context['expected']}",
}


def unknown_key(place: Place) -> str:
    key, part = str(place[-1]), _part(place)
    near = did_you_mean(key, _keys(part))
    problem = f"there is no key {key!r} here"
    if "mean" not in near and part is Step and key in _keys(form.Expectation):
        return f"{problem}; it belongs under expect"
    return f"{problem}{near}"


def sentence(place: Place, error: ErrorDetails) -> str:
    name = next((part for part in reversed(place) if isinstance(part, str)), "the file")
    kind = error["type"]
    if kind == "value_error":
        message = str(error["msg"]).removeprefix("Value error, ")
        return f"{name!r} {message}" if message.startswith(VERBS) else message
    if kind == "tuple_type":
        return f"{name!r} is a list, such as {_example(error['input'])}"
    if kind in SENTENCES:
        return f"{name!r} {SENTENCES[kind](error.get('ctx', {}))}"
    return str(error["msg"])


def _part(place: Place) -> type[Model]:
    """Returns whose key stands at the end of `place`."""
    for name in reversed(place[:-1]):
        if isinstance(name, str) and name in PARTS:
            return PARTS[name]
    return Transcript


def _keys(part: type[Model]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in part.model_fields.items())


def _example(value: object) -> str:
    return f'["{value}"]' if isinstance(value, str | int) else '["…"]'
