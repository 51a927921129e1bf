"""Edits a YAML document as text, one place at a time: the rest stays as it was written."""

import json
from typing import Any, Final

import yaml

Path = tuple[str | int, ...]
DROPPED: Final = object()


class Source:
    """Holds a file in which edited lists stand in brackets, and mappings have a line for each
    key."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._nodes: dict[Path, yaml.Node] = {}
        self._note(yaml.compose(text, yaml.SafeLoader), ())

    def read(self) -> dict[str, Any]:
        raw: dict[str, Any] = yaml.load(self._text, yaml.CSafeLoader)
        return raw

    def line(self, path: Path) -> int:
        """Returns the line, from 1."""
        return int(self._nodes[path].start_mark.line) + 1

    def edited(self, path: Path, value: object) -> str:
        """Returns the text with `value` at `path`, or without what is there if that is DROPPED."""
        if value is not DROPPED:
            return self._replaced(self._nodes[path], json.dumps(value, ensure_ascii=False))
        holder, last = self._nodes[path[:-1]], path[-1]
        if isinstance(holder, yaml.MappingNode) and len(holder.value) == 1:
            return self._replaced(holder, "{}")
        if isinstance(holder, yaml.SequenceNode) and holder.flow_style:
            return self._without_item(holder.value, last)
        return self._without_lines(self._nodes[path])

    def _note(self, node: yaml.Node | None, path: Path) -> None:
        if node is None:
            return
        self._nodes[path] = node
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._note(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, each in enumerate(node.value):
                self._note(each, (*path, index))

    def _replaced(self, node: yaml.Node, written: str) -> str:
        start, end = _span(node)
        return self._text[:start] + written + self._text[end:]

    def _without_item(self, items: list[yaml.Node], index: int | str) -> str:
        """Removes an item with the comma behind it, or before it if it is the last."""
        at = int(index)
        start, end = _span(items[at])
        if at + 1 < len(items):
            end = _span(items[at + 1])[0]
        elif at:
            start = _span(items[at - 1])[1]
        return self._text[:start] + self._text[end:]

    def _without_lines(self, node: yaml.Node) -> str:
        start, end = _span(node)
        first = self._text.rfind("\n", 0, start) + 1
        return self._text[:first] + self._text[self._text.find("\n", end) + 1 :]


def _span(node: yaml.Node) -> tuple[int, int]:
    """Returns (start, end) in the text. A mapping of lines ends, for PyYAML, where the next one
    begins."""
    end = node
    while isinstance(end, yaml.CollectionNode) and not end.flow_style:
        last = end.value[-1]
        end = last[1] if isinstance(last, tuple) else last
    return node.start_mark.index, end.end_mark.index
