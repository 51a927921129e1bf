"""Describes the format as a JSON Schema (2020-12), for editors that complete and check as you
type."""

from typing import Any

from handlers import HANDLERS
from smsgw.transcripts.format import ACTIONS, NULLABLE, OFFICER_ACTS, Transcript
from smsgw.transcripts.values import NKP, PHONE

ADDRESS = "https://json-schema.org/draft/2020-12/schema"
KEYS_WITH_ANSWERS = ("any", "never")


def schema() -> dict[str, Any]:
    """Returns what an editor can know: not whether an NKP is in the ledger, or a step comes
    before."""
    json_schema = Transcript.model_json_schema(by_alias=True)
    parts = json_schema["$defs"]
    for part in (json_schema, *parts.values()):
        for key, value in part.get("properties", {}).items():
            _tidy(key, value)
    _describe_steps(parts["Step"])
    parts["Officer"]["oneOf"] = [{"required": [name]} for name in OFFICER_ACTS]
    parts["Officer"]["dependentRequired"] = {"answer": ["text"], "text": ["answer"]}
    parts["Answer"]["minProperties"] = 1
    parts["Conversation"]["properties"]["steps"]["contains"] = {
        "required": ["expect"],
        "properties": {"expect": {"minProperties": 1}},
    }
    for key in ("registered", "starts"):
        json_schema["properties"][key]["propertyNames"] = {"pattern": PHONE}
    json_schema["if"] = {"not": {"required": ["keywords"]}}
    json_schema["then"] = _with_shipped_keywords()
    return {"$schema": ADDRESS, **json_schema}


def _describe_steps(step: dict[str, Any]) -> None:
    step["properties"]["number_on_file"]["propertyNames"] = {"pattern": NKP}
    step["oneOf"] = [{"required": [name]} for name in ("from", *ACTIONS[1:])]
    step["dependentRequired"] = {"from": ["text"], "text": ["from"]}
    only_of_messages = {"anyOf": [{"required": ["gap"]}, {"required": ["at"]}]}
    expected = {"propertyNames": {"enum": ["also", "state", "reason"]}}
    step["allOf"] = [
        {
            "if": {"not": {"required": ["from"]}},
            "then": {"not": only_of_messages, "properties": {"expect": expected}},
        },
        {"not": {"required": ["gap", "at"]}},
    ]


def _tidy(key: str, value: dict[str, Any]) -> None:
    """Removes the null that Python gives an optional key, if null says nothing."""
    value.pop("default", None)
    value.pop("title", None)
    choices = value.get("anyOf")
    if key in NULLABLE or choices is None:
        return
    left = [each for each in choices if each != {"type": "null"}]
    if len(left) == 1:
        del value["anyOf"]
        value.update({**left[0], **value})


def _with_shipped_keywords() -> dict[str, Any]:
    """Returns what applies to a file that names no keywords of its own, and so has the shipped
    ones."""
    keyword = {"keyword": {"enum": [*HANDLERS, None]}}
    answer = {"properties": keyword}
    expect = {"properties": {**keyword, **{key: {"items": answer} for key in KEYS_WITH_ANSWERS}}}
    step = {"properties": {"expect": expect}}
    conversation = {"properties": {"steps": {"items": step}}}
    return {"properties": {"conversations": {"items": conversation}}}
