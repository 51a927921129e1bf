"""Composes YAML nodes by libyaml as ruamel.yaml does, ten times as fast.

It refuses whatever the two may read differently. ruamel.yaml reads that text instead, and explains
faults better.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.tag import Tag
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

Aliases = dict[tuple[int, int], tuple[int, int]]  # (id of a mapping or list, index) -> its span

_CORE = "tag:yaml.org,2002:"
_MAPPING, _SEQUENCE, _TEXT = (Tag(suffix=_CORE + kind) for kind in ("map", "seq", "str"))
_RESOLVER = YAML(typ="rt", pure=True).resolver


class Refused(Exception):
    """Says that the text is not YAML, or YAML of a kind that readers differ about."""


def compose(text: str, max_depth: int) -> tuple[Node, Aliases]:
    """Returns the only document of `text`, and the places of its aliases (*). Raises Refused."""
    if "\t" in text:  # libyaml takes it for a blank
        raise Refused
    composer = _Composer(_events(text), max_depth)
    return composer.document(), composer.aliases


def _events(text: str) -> Iterator[Event]:
    try:
        yield from yaml.parse(text, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError):
        raise Refused from None


class _Composer:
    def __init__(self, events: Iterator[Event], max_depth: int) -> None:
        self.aliases: Aliases = {}
        self._events = events
        self._max_depth = max_depth
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node:
        """Reads one document: StreamStart DocumentStart node DocumentEnd StreamEnd."""
        _, begin = next(self._events), next(self._events)
        if not isinstance(begin, DocumentStartEvent) or begin.version or begin.tags:
            raise Refused
        root = self._node(next(self._events), 1)
        if len(list(self._events)) != 2:  # another document
            raise Refused
        return root

    def _node(self, event: Event, depth: int) -> Node:
        if depth >= self._max_depth or getattr(event, "tag", None) is not None:
            raise Refused
        match event:
            case ScalarEvent():
                return self._scalar(event)
            case SequenceStartEvent():
                return self._sequence(event, depth)
            case MappingStartEvent():
                return self._mapping(event, depth)
        raise Refused

    def _scalar(self, event: ScalarEvent) -> Node:
        style = event.style or None
        if not (event.value or style):  # one gives its place, the other that of the blank before it
            raise Refused
        tag = _TEXT if style else _tag(event.value)
        node = ScalarNode(tag, event.value, event.start_mark, event.end_mark, style=style)
        return self._named(node, event)

    def _sequence(self, event: SequenceStartEvent, depth: int) -> Node:
        node = SequenceNode(_SEQUENCE, [], event.start_mark, None, flow_style=event.flow_style)
        self._named(node, event)
        for each in self._events:
            if isinstance(each, SequenceEndEvent):
                node.end_mark = each.end_mark
                break
            node.value.append(self._inside(node, each, depth))
        return node

    def _mapping(self, event: MappingStartEvent, depth: int) -> Node:
        node = MappingNode(_MAPPING, [], event.start_mark, None, flow_style=event.flow_style)
        self._named(node, event)
        for each in self._events:
            if isinstance(each, MappingEndEvent):
                node.end_mark = each.end_mark
                break
            key = self._inside(node, each, depth)
            node.value.append((key, self._inside(node, next(self._events), depth)))
        return node

    def _inside(self, parent: Node, event: Event, depth: int) -> Node:
        """Returns what an alias stands for, or a new node."""
        if not isinstance(event, AliasEvent):
            return self._node(event, depth + 1)
        if event.anchor not in self._anchors or not (event.start_mark and event.end_mark):
            raise Refused
        span = event.start_mark.index, event.end_mark.index
        self.aliases[id(parent), len(parent.value)] = span
        return self._anchors[event.anchor]

    def _named(self, node: Node, event: Any) -> Node:
        if event.anchor in self._anchors:
            raise Refused
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node


@lru_cache(maxsize=4096)
def _tag(value: str) -> Tag:
    """Returns the tag of a scalar without quotes, as YAML 1.2 has it."""
    tag: Tag = _RESOLVER.resolve(ScalarNode, value, (True, False))
    return tag
