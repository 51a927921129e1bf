"""The schema that editors use says what the reader says, as far as a schema can."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from smsgw.transcripts import reader, schema
from smsgw.transcripts.faults import TranscriptError

PROJECT = Path(__file__).parents[3]
FOLDER = PROJECT / "tests" / "transcripts"
HEAD = """\
now: "2025-10-31T10:00:00+07:00"
registered: {"+6281234567890": ["19012345678"]}
conversations:
- name: one
  steps:
  - {from: "+6281234567890", text: SALDO, expect: {outcome: answered}}
"""
RIGHT = (
    '{from: "+628", text: y, expect: {keyword: saldo, reason: null, reply: null, also: []}}',
    '{from: "+628", text: y, expect: {any: [{keyword: ya}], never: [{state: {open: null}}]}}',
    "{from: +6281234567890, text: y, gap: 5s}",
    '{from: "BANK", text: y, at: "2025-10-31T12:00:00+07:00"}',
    "{wait: 15m, expect: {also: [], state: {cases: 0}}}",
    "{days: 3}",
    "{ledger: down}",
    '{number_on_file: {"19012345678": null}}',
    '{officer: {accept: "19012345678", from: "+6281234567890", by: ani}, expect: {reason: frozen}}',
    '{officer: {answer: ADU-251031-0001, text: "baik"}}',
    "{report: delivered}",
)
WRONG = (
    '{from: "+628", text: y, expect: {outcom: answered}}',
    '{from: "+628", text: y, expect: {outcome: anwered}}',
    '{from: "+628", text: y, expect: {keyword: salod}}',
    '{from: "+628", text: y, expect: {any: [{keyword: salod}]}}',
    '{from: "+628", text: y, expect: {reason: echos}}',
    '{from: "+628", text: y, expect: {contains: Rp}}',
    '{from: "+628", text: y, expect: {contains: [""]}}',
    '{from: "+628", text: y, expect: {max_segments: one}}',
    '{from: "+628", text: y, expect: {max_segments: 0}}',
    '{from: "+628", text: y, expect: {also: [{contains: [x]}]}}',
    '{from: "+628", text: y, expect: {also: [{to: abc}]}}',
    '{from: "+628", text: y, expect: {state: {open: concent}}}',
    '{from: "+628", text: y, expect: {state: {language: fr}}}',
    '{from: "+628", text: y, expect: {never: [{}]}}',
    '{from: "+628", text: y, expect: {any: []}}',
    '{from: "+628", text: 123}',
    '{from: "+628", text: null}',
    '{from: "+628", text: true}',
    '{from: "+628", text: "=echo "}',
    '{from: "+628"}',
    "{text: y}",
    "{}",
    "{wait: 1m, ledger: up}",
    "{wait: 15 minutes}",
    "{wait: 1m, gap: 5s}",
    "{wait: 1m, expect: {keyword: saldo}}",
    "{days: 0}",
    "{ledger: away}",
    "{report: lost}",
    '{number_on_file: {"1901": "+6281234567890"}}',
    '{number_on_file: {"19012345678": "0812"}}',
    '{officer: {accept: "19012345678", refuse: "19012345678"}}',
    "{officer: {answer: ADU-251031-0001}}",
    '{from: "+628", text: y, gap: 5s, at: "2025-10-31T12:00:00+07:00"}',
)
FILES = (
    "",
    "- a",
    'now: "2025-10-31T10:00:00+07:00"',
    HEAD.replace("+07:00", ""),
    HEAD.replace('"+6281234567890": [', '"081234567890": ['),
    HEAD.replace('["19012345678"]', '"19012345678"'),
    HEAD.replace('"19012345678"', '"1901"'),
    HEAD.replace(", expect: {outcome: answered}", ""),
    HEAD.replace("registered", "registred"),
    HEAD + "settings: {timezon: Asia/Jakarta}\n",
    HEAD + 'starts: {"+6281311112222": {stopd: true}}\n',
    HEAD + 'starts: {"0813": {stopped: true}}\n',
)


def says_schema(text: str) -> bool:
    """Reads YAML as an editor does: version 1.2."""
    value = YAML(typ="safe", pure=True).load(text)
    return bool(jsonschema_rs.is_valid(schema.schema(), json.loads(json.dumps(value, default=str))))


def says_reader(text: str) -> bool:
    try:
        reader.parse(text, "t", Path())
    except TranscriptError:
        return False
    return True


@pytest.mark.parametrize("step", RIGHT)
def test_schema_and_reader_accept_the_same_files(step: str) -> None:
    text = f"{HEAD}  - {step}\n"
    assert (says_schema(text), says_reader(text)) == (True, True)


@pytest.mark.parametrize("step", WRONG)
def test_schema_and_reader_refuse_a_wrong_step(step: str) -> None:
    text = f"{HEAD}  - {step}\n"
    assert (says_schema(text), says_reader(text)) == (False, False)


@pytest.mark.parametrize("text", FILES)
def test_schema_and_reader_refuse_a_wrong_file(text: str) -> None:
    assert (says_schema(text), says_reader(text)) == (False, False)


def test_keywords_of_its_own_may_be_expected_where_a_file_names_some() -> None:
    text = HEAD.replace("outcome: answered", "keyword: jam")
    assert (says_schema(text), says_schema(f"keywords: k.yaml\n{text}")) == (False, True)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_files_match_the_schema(path: Path) -> None:
    text = path.read_text("utf-8")
    assert says_schema(text) or "conversations:" not in text


def test_every_key_of_the_format_is_in_it_and_described() -> None:
    made: dict[str, Any] = schema.schema()
    described = 0
    for part in (made, *made["$defs"].values()):
        assert part["additionalProperties"] is False
        described += sum("description" in each for each in part["properties"].values())
    assert described >= 45


def test_the_file_for_editors_is_this_schema() -> None:
    text = (PROJECT / "docs" / "transcript.schema.json").read_text("utf-8")
    assert json.loads(text) == schema.schema(), "write it anew: smsgw replay --schema"
