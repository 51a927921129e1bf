"""Checks that libyaml reads what ruamel.yaml reads, to the last offset, or refuses it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from smsgw.transcripts import libyaml, reader
from smsgw.transcripts.source import FOLD

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts"
FILES = ("asked-well", "calendar", "floods", "ledger-away", "numbers", "secrets", "words-yes-no")
DEEP = 50
ODD = [
    "a: [1, 0x1F, 0o17, 017, 1_000, 1e3, .5, .inf, ~, null, yes, off, True, 2025-10-31, 12:30:45]",
    "- 'it''s'\n- \"tab\\t \\u00e9 \\x41 \\/ \\\n  folded\"\n- plain\n  over lines\n- a#b # c",
    "|-\n  kept\n   as it is\n\n",
    ">+\n  folded\n  text\n\n  more\n\n",
    "a: &x {b: 1, 'c': [d, e]}\nf: *x\ng:\n  <<: *x\n  h: *x\n? [k]\n: v\n",
    "{a: 1, b: , c: http://x.y/z, 'd':e, f?: g}",
    "- ''\n-\n  - nested\n- {}\n- []\n- :x\n- -y\n",
    "a: 😀 x\nb: ÅÄÖ # é\nc: |\n  😀\nd: end\n",
    "a: 1\r\nb: |\r\n  x\r\n  y\r\nc: 'z'\r\n",
    "a: b: c",
    "- a\n---\n- b\n",
    "%YAML 1.1\n---\nyes\n",
    "!!str 1",
    "! 1",
    "- &a 1\n- &a 2\n- *a\n",
    "- *nobody\n",
    "&a [*a]",
    "a: 'open",
    "a: \x07",
    "\ud83d",
    "",
    "# nothing",
    "[" * (DEEP + 1) + "]" * (DEEP + 1),
    "[" * (DEEP - 2) + "]" * (DEEP - 2),
]
REFUSED = (
    "a:\tb\n",
    "{a: , b: c}",
    "a: b: c",
    "- a\n---\n- b\n",
    "%YAML 1.1\n---\nyes\n",
    "!!str 1",
    "- *nobody\n",
    "",
)


def shape(node: Node, seen: set[int]) -> Iterator[tuple[Any, ...]]:
    """Yields every value with its kind and place; what an alias repeats once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    start, end = node.start_mark, node.end_mark.index
    style = node.flow_style if hasattr(node, "flow_style") else node.style
    yield type(node), str(node.ctag), style, start.index, start.line, start.column, end
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from shape(key, seen)
            yield from shape(value, seen)
    elif isinstance(node, SequenceNode):
        for each in node.value:
            yield from shape(each, seen)
    else:
        yield (node.value.replace(FOLD, ""),)


def shape_by_ruamel(text: str) -> list[tuple[Any, ...]]:
    parser = YAML(typ="rt", pure=True)
    parser.max_depth = DEEP
    return list(shape(parser.compose(text), set()))


@pytest.mark.parametrize("name", FILES)
def test_a_transcript_is_read_as_by_ruamel(name: str) -> None:
    text = (TRANSCRIPTS / f"{name}.yaml").read_text("utf-8")
    assert list(shape(libyaml.compose(text, DEEP)[0], set())) == shape_by_ruamel(text)


@pytest.mark.parametrize("text", ODD)
def test_an_odd_text_is_read_as_by_ruamel_or_refused(text: str) -> None:
    try:
        quick = list(shape(libyaml.compose(text, DEEP)[0], set()))
    except libyaml.Refused:
        return
    assert quick == shape_by_ruamel(text)


@pytest.mark.parametrize("text", REFUSED)
def test_text_that_readers_differ_about_is_refused(text: str) -> None:
    with pytest.raises(libyaml.Refused):
        libyaml.compose(text, DEEP)


@pytest.mark.parametrize("text", ODD)
def test_an_invalid_text_is_refused(text: str) -> None:
    try:
        shape_by_ruamel(text)
    except (YAMLError, Warning, AttributeError, ValueError):
        with pytest.raises(libyaml.Refused):
            libyaml.compose(text, DEEP)


@pytest.mark.parametrize("slow", ["", "%YAML 1.2\n---\n"])
def test_a_folded_text_holds_no_marks(slow: str) -> None:
    text = """
now: 2025-10-31T10:00:00+07:00
conversations:
- name: folded
  steps:
  - from: "+6281234567890"
    text: >-
      SALDO
      19012345678
    expect: {keyword: saldo}
"""
    (conversation,) = reader.parse(slow + text, "folded").transcript.conversations
    assert conversation.steps[0].text == "SALDO 19012345678"
