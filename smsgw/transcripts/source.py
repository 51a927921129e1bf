"""Reads the YAML of a transcript as plain values, each with its place in the text.

A scalar without quotes that YAML 1.1 or YAML 1.2 takes for a number, a date or a truth value is an
`UnquotedScalar`: what it was meant to be depends on where it stands, so the format decides.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml as yaml_1_1
from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from smsgw.transcripts import libyaml
from smsgw.transcripts.faults import TranscriptError, TranscriptFault

Place = tuple[int | str, ...]  # such as ("conversations", 0, "steps", 2, "expect")
Span = tuple[int, int]  # offsets into the text: first character, one behind the last

BOM = "\ufeff"
MAX_VALUES = 500_000  # aliases can make a short text as long as one likes
MAX_DEPTH = 50
MERGE = "<<"
FOLD = "\a"  # ruamel.yaml leaves it where it folds a line
CORE = "tag:yaml.org,2002:"
TAGS = {
    f"{CORE}{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
}
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
# What the parser says, in words that help.
PLAIN_WORDS = (
    ("'\\t' that cannot start any token", "a tab stands here; YAML is indented with blanks"),
    ("but found another document", "a second document begins here (---); a file holds one world"),
    ("found undefined alias", "this alias (*) has no anchor (&) before it"),
    ("mapping values are not allowed", "a colon stands where none may; put the text in quotes"),
    ("special characters are not allowed", "a control character stands here; remove it"),
    ("maximum depth", "lists and mappings lie too deep in each other"),
)


class UnquotedScalar(str):
    """Holds the characters of a scalar that YAML takes for something other than text."""

    __slots__ = ()


class Source:
    """Raises TranscriptError where the text is not one YAML document."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text.removeprefix(BOM)
        self.name = name
        self.aliases: dict[tuple[int, int], Span] = {}  # (id of a mapping or list, index) -> its *
        self._faults: list[TranscriptFault] = []
        self._count = 0
        self.root = self._compose()
        self.value: Any = None if self.root is None else self._value(self.root, ())
        if self._faults:
            raise TranscriptError(self._faults)

    def fault(self, place: Place, text: str, *, of_key: bool = False) -> TranscriptFault:
        """Reports at a value, or at its key; if that is absent, at what would hold it."""
        node = self.key(place) if of_key else self.node(place)
        while node is None:
            place = place[:-1]
            node = self.node(place) if place else self.root
            if not place and node is None:
                return TranscriptFault(self.name, 1, 1, text)
        return self._at(node, text)

    def line(self, place: Place) -> int:
        return self.fault(place, "").line

    def node(self, place: Place) -> Node | None:
        node = self.root
        for part in place:
            node = self._child(node, part)
            if node is None:
                return None
        return node

    def key(self, place: Place) -> Node | None:
        parent = self.node(place[:-1])
        if not isinstance(parent, MappingNode):
            return self.node(place)
        return next((key for key, _ in parent.value if key.value == str(place[-1])), None)

    def plain(self, node: Node) -> Any:
        """Returns a node's value, as the whole file's is read."""
        return self._value(node, ())

    @staticmethod
    def _child(node: Node | None, part: int | str) -> Node | None:
        if isinstance(node, SequenceNode) and isinstance(part, int):
            return node.value[part] if part < len(node.value) else None
        if isinstance(node, MappingNode):
            found = [value for key, value in _pairs(node) if key.value == str(part)]
            return found[-1] if found else None
        return None

    def _compose(self) -> Node | None:
        try:
            root, self.aliases = libyaml.compose(self.text, MAX_DEPTH)
        except libyaml.Refused:
            return self._composed_slowly()
        return root

    def _composed_slowly(self) -> Node | None:
        parser = YAML(typ="rt", pure=True)
        parser.max_depth = MAX_DEPTH
        parser.Composer = _composer(self.aliases)
        try:
            return parser.compose(self.text) if self.text.strip() else None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            fault = TranscriptFault(
                self.name, line, column, _in_plain_words(f"{error.problem or error}")
            )
        except YAMLStreamError as error:
            at = getattr(error, "position", None) or 0
            line = self.text.count("\n", 0, at) + 1
            fault = TranscriptFault(
                self.name, line, at - self.text.rfind("\n", 0, at), _in_plain_words(str(error))
            )
        except (YAMLError, ValueError, RecursionError) as error:
            fault = TranscriptFault(self.name, 1, 1, _in_plain_words(str(error)))
        raise TranscriptError([fault])

    def _at(self, node: Node, text: str) -> TranscriptFault:
        return TranscriptFault(
            self.name, node.start_mark.line + 1, node.start_mark.column + 1, text
        )

    def _value(self, node: Node, holders: tuple[int, ...]) -> Any:
        self._count += 1
        if id(node) in holders:
            self._faults.append(self._at(node, "this holds itself, by an alias (*)"))
            return None
        if self._count > MAX_VALUES:
            if self._count == MAX_VALUES + 1:
                self._faults.append(self._at(node, f"the file holds over {MAX_VALUES:,} values"))
            return None
        if str(node.ctag) not in TAGS:
            self._faults.append(self._at(node, "a tag (!) stands here; a transcript has none"))
            return None
        inside = (*holders, id(node))
        if isinstance(node, SequenceNode):
            return tuple(self._value(each, inside) for each in node.value)
        if isinstance(node, MappingNode):
            return self._mapping(node, inside)
        return self._scalar(node) if isinstance(node, ScalarNode) else None

    def _mapping(self, node: MappingNode, inside: tuple[int, ...]) -> dict[str, Any]:
        first_keys: dict[str, Node] = {}
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                self._faults.append(self._at(key, "a key is a word, not a list or a mapping"))
            elif key.value in first_keys and key.value != MERGE:
                first = first_keys[key.value].start_mark.line + 1
                problem = f"{key.value!r} stands here a second time; it is in line {first} already"
                self._faults.append(self._at(key, problem))
            else:
                first_keys[key.value] = key
        return {
            key.value: self._value(value, inside)
            for key, value in _pairs(node)
            if isinstance(key, ScalarNode)
        }

    def _scalar(self, node: ScalarNode) -> Any:
        """Reads a scalar as YAML 1.2 does if YAML 1.1 agrees."""
        text = str(node.value)
        if node.style is not None:
            return text.replace(FOLD, "") if node.style == ">" else text
        if not _is_text(str(node.ctag)) or not _is_text(_tag_1_1(text)):
            if text in {"", "~", "null", "Null", "NULL"}:
                return None
            if text in {"true", "false"}:
                return text == "true"
            return int(text) if INTEGER.fullmatch(text) and len(text) < 7 else UnquotedScalar(text)
        return text


def _pairs(node: MappingNode) -> Iterator[tuple[Node, Node]]:
    """Yields what it merges first, which its own keys then override."""
    for key, value in node.value:
        if key.value == MERGE and key.style is None:
            nodes = value.value if isinstance(value, SequenceNode) else [value]
            for each in reversed(nodes):
                if isinstance(each, MappingNode) and each is not node:
                    yield from _pairs(each)
    yield from ((key, value) for key, value in node.value if key.value != MERGE)


def _is_text(tag: str) -> bool:
    return tag.endswith(":str") or tag == "!"


def _tag_1_1(text: str) -> str:
    resolver = yaml_1_1.resolver.Resolver
    found = resolver.yaml_implicit_resolvers.get(text[:1], [])
    return next((tag for tag, pattern in found if pattern.match(text)), "tag:yaml.org,2002:str")


def _in_plain_words(problem: str) -> str:
    for theirs, ours in PLAIN_WORDS:
        if theirs in problem:
            return ours
    return f"this is not YAML: {problem.splitlines()[0]}"


def _composer(aliases: dict[tuple[int, int], Span]) -> type[Composer]:
    """Returns a composer that notes where each alias (*) stands in the text."""

    class Noting(Composer):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.parser.check_event(AliasEvent) and parent is not None:
                event = self.parser.peek_event()
                span = event.start_mark.index, event.end_mark.index
                aliases[id(parent), len(parent.value)] = span
            return super().compose_node(parent, index)

    return Noting
