"""Reads what people type, and checks that every entry of our tables is needed to understand it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from grammar import Grammar, slots
from smsgw.configuration import compiler, validation
from smsgw.configuration.document import shipped_text
from smsgw.transcripts import collection

ROOT = Path(__file__).parents[2]
SEEDS = yaml.load(shipped_text(), yaml.CSafeLoader)
READ_ALL = """
import json, sys
from smsgw.configuration import compiler
grammar = compiler.load_shipped().grammar
print(json.dumps([repr(grammar.parse(text)) for text in json.load(sys.stdin)]))
"""


def in_its_transcript(keyword: str) -> list[str]:
    """Returns what people type for a keyword that typed.yaml does not know."""
    file = ROOT / "tests" / "transcripts" / f"{keyword}.yaml"
    (document,) = collection.read(collection.files([file]))
    steps = (step for each in document.transcript.conversations for step in each.steps)
    return [step.text for step in steps if step.text and step.expect.keyword == keyword]


KNOWN: dict[str, list[str]] = yaml.load(
    Path(__file__).with_name("typed.yaml").read_text("utf-8"), yaml.CSafeLoader
)
TYPED = {each: KNOWN.get(each) or in_its_transcript(each) for each in SEEDS["keywords"]}


def texts() -> Iterator[str]:
    for typed in TYPED.values():
        yield from typed


@pytest.mark.parametrize("keyword", TYPED)
def test_typed_messages_are_recognised(keyword: str) -> None:
    grammar = compiler.load_shipped().grammar
    assert {text: grammar.parse(text).keyword for text in TYPED[keyword]} == dict.fromkeys(
        TYPED[keyword], keyword
    )


def readings(grammar: Grammar, first: str) -> Iterator[str]:
    """Returns how all is read that is typed, for the keyword `first` first of all."""
    others = [text for keyword, typed in TYPED.items() if keyword != first for text in typed]
    for said in map(grammar.parse, [*TYPED[first], *others]):
        yield repr((said.keyword, getattr(said, "is_slip", None), dict(said.fields)))


def is_missed(keyword: str, alias: str) -> bool:
    shipped = validation.load_shipped()
    entry = shipped.entries[keyword]
    others = tuple(each for each in entry.aliases if each != alias)
    without = {**shipped.entries, keyword: entry.model_copy(update={"aliases": others})}
    grammars = compiler.grammar_of(without, shipped.words), compiler.load_shipped().grammar
    pairs = zip(*(readings(each, keyword) for each in grammars), strict=True)
    return any(one != other for one, other in pairs)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "keyword", [name for name, entry in SEEDS["keywords"].items() if entry.get("aliases")]
)
def test_removing_any_alias_is_noticed(keyword: str) -> None:
    aliases = SEEDS["keywords"][keyword]["aliases"]
    assert [alias for alias in aliases if not is_missed(keyword, alias)] == []


def changed(tmp_path: Path, old: str, new: str) -> list[str]:
    """Returns how all is read by a copy of the grammar in which `old` is `new`."""
    for package in ("grammar", "handlers", "smsgw"):
        shutil.copytree(ROOT / package, tmp_path / package)
    source = tmp_path / "grammar" / "slots.py"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new, 1))
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL],
        input=json.dumps(list(texts())),
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    read: list[str] = json.loads(done.stdout)
    return read


@pytest.mark.thorough
@pytest.mark.parametrize("separator", "#*,;:=+/")
def test_removing_any_separator_is_noticed(tmp_path: Path, separator: str) -> None:
    usual = [repr(compiler.load_shipped().grammar.parse(text)) for text in texts()]
    less = slots.SEPARATORS.replace(separator, "", 1)
    assert changed(tmp_path, slots.SEPARATORS, less) != usual


@pytest.mark.thorough
@pytest.mark.parametrize("form", [1, 2, 3, 4, 5])
def test_removing_any_date_form_is_noticed(tmp_path: Path, form: int) -> None:
    usual = [repr(compiler.load_shipped().grammar.parse(text)) for text in texts()]
    assert changed(tmp_path, f"(?P<d{form}>", f"(?!)(?P<d{form}>") != usual
