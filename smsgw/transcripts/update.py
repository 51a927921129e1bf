"""Writes what came of each step into a transcript, as what is expected from now on.

Only `reply` and `also` change, and of these only what differs or is not there yet. The text is
edited where they stand, so all else stays to the letter, comments, quotes and anchors included.
"""

import difflib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from smsgw.transcripts import comparison, reader
from smsgw.transcripts.comparison import HOLES, StepOutcome
from smsgw.transcripts.format import Step
from smsgw.transcripts.reader import TranscriptDocument
from smsgw.transcripts.runner import Result
from smsgw.transcripts.source import Place, Source

WRITTEN = ("reply", "also")
ROUNDS = 3  # an expectation that steps share is written for the first of them, then for the others
BOM = b"\xef\xbb\xbf"
# Where a hole stands in a reply.
BEHIND = {"{ref}": "Ref ", "{code}": "KODE "}

Values = Mapping[str, str]  # key -> its value as YAML's flow style
Results = Sequence[Sequence[Result]]  # of every step, by conversation


class NotUpdated(ValueError):
    """Says why a file was left as it is."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the characters from `start` up to `end` by `text`."""

    start: int
    end: int
    text: str


def rewrite(document: TranscriptDocument, results: Results, *, force: bool = False) -> str:
    """Returns the new text. Raises NotUpdated if a step differs in what is not written, unless
    `force` says to write the rest anyway."""
    refusals = [] if force else list(_refusals(document, results))
    if refusals:
        raise NotUpdated("\n".join(refusals))
    for _ in range(ROUNDS):
        edits = {edit for change in _changes(document, results) for edit in change.edits()}
        if not edits:
            return document.source.text
        document = reader.reread(document, _apply(document.source.text, edits))
    line = min(change.line for change in _changes(document, results))
    problem = "this step cannot be updated by itself; change it by hand"
    raise NotUpdated(f"{document.name}:{line}: {problem}")


def differs_still(results: Sequence[Result]) -> bool:
    """Tells whether a step differs after the update."""
    found = (each for result in results for each in result.differences)
    return any(each.key not in WRITTEN for each in found)


def write(path: Path, text: str) -> None:
    """Writes all files or none; each keeps its mode, and its byte order mark if it has one."""
    target = path.resolve()
    mark = BOM if target.read_bytes().startswith(BOM) else b""
    handle, fresh = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(mark + text.encode("utf-8"))
        shutil.copymode(target, fresh)
        Path(fresh).replace(target)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


def difference(name: str, before: str, after: str) -> str:
    """Shows the difference as `diff -u` does."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    lines = difflib.unified_diff(old, new, name, f"{name} (updated)")
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _refusals(document: TranscriptDocument, results: Results) -> Iterator[str]:
    for index, conversation in enumerate(results):
        for number, result in enumerate(conversation):
            others = [each for each in result.differences if each.key not in WRITTEN]
            if others:
                line = document.line(index, number)
                yield f"{document.name}:{line}: {result.conversation}: {others[0]}"


def _changes(document: TranscriptDocument, results: Results) -> Iterator["_Change"]:
    for index, conversation in enumerate(results):
        outcomes = [each.got for each in conversation]
        steps = document.transcript.conversations[index].steps
        for number, (step, got) in enumerate(zip(steps, outcomes, strict=True)):
            values = dict(_values(step, got, outcomes[:number]))
            if values:
                place = ("conversations", index, "steps", number)
                yield _Change(document.source, place, values)


def _values(
    step: Step, got: StepOutcome, before: Sequence[StepOutcome]
) -> Iterator[tuple[str, str]]:
    """Returns what of `reply` and `also` has to be written."""
    given = step.expect.model_fields_set
    if got.failure is not None:
        return
    differing = {each.key for each in comparison.compare(step.expect, got, before)}
    if step.sender is not None and ("reply" in differing or "reply" not in given):
        yield "reply", _scalar(_with_holes(step.expect.reply, got.reply))
    if "also" in differing or ("also" not in given and got.also):
        yield "also", _also(got)


def _with_holes(expected: str | None, got: str | None) -> str | None:
    """Keeps placeholders such as {code} that the old text had."""
    for hole, before in BEHIND.items():
        if got is not None and hole in (expected or ""):
            got = re.sub(rf"(?<={before}){HOLES[hole]}\b", hole, got)
    return got


def _also(got: StepOutcome) -> str:
    sent = (f"{{to: {_scalar(sms.to)}, reply: {_scalar(sms.text)}}}" for sms in got.also)
    return f"[{', '.join(sent)}]"


def _scalar(text: str | None) -> str:
    return json.dumps(text, ensure_ascii=False)


def _flow(values: Values) -> str:
    return f"{{{', '.join(f'{key}: {value}' for key, value in values.items())}}}"


@dataclass(frozen=True)
class _Change:
    """Changes the expectation of a step."""

    source: Source
    place: Place  # of the step
    values: Values

    @property
    def line(self) -> int:
        return self.source.line(self.place)

    def edits(self) -> Iterator[Edit]:
        steps, step = self.source.node(self.place[:-1]), self.source.node(self.place)
        alias = self.source.aliases.get((id(steps), int(self.place[-1])))
        if alias is not None:  # another step stands here too
            yield self._over(alias, f"<<: {self.source.text[slice(*alias)]}, expect: {self._all()}")
            return
        if not isinstance(step, MappingNode):
            return
        index, expect = _own(step, "expect")
        alias = self.source.aliases.get((id(step), index))
        if alias is not None:  # another step has this expectation too
            named = self.source.text[slice(*alias)]
            yield self._over(alias, f"<<: {named}, {_flow(self.values)[1:-1]}")
        elif isinstance(expect, MappingNode):
            yield from self._in(expect)
        else:
            yield self._add(step, {"expect": self._all()})

    @staticmethod
    def _over(alias: tuple[int, int], inside: str) -> Edit:
        return Edit(*alias, f"{{{inside}}}")

    def _all(self) -> str:
        """Writes all keys in one line: those that are expected already, and the new ones."""
        expect_node = self.source.node((*self.place, "expect"))
        known = self.source.plain(expect_node) if expect_node is not None else {}
        return _flow({**{key: _scalar(value) for key, value in known.items()}, **self.values})

    def _in(self, expect: MappingNode) -> Iterator[Edit]:
        absent = {}
        for key, value in self.values.items():
            index, node = _own(expect, key)
            alias = self.source.aliases.get((id(expect), index))
            if node is None:
                absent[key] = value
            elif alias is not None:
                yield Edit(*alias, value)
            else:
                yield self._replace(expect.value[index][0], node, value)
        if absent:
            yield self._add(expect, absent)

    def _replace(self, key: Node, node: Node, value: str) -> Edit:
        """Replaces the value and keeps its quotes."""
        text = self.source.text
        start, end = node.start_mark.index, node.end_mark.index
        if isinstance(node, ScalarNode):
            if node.style == "'" and "\\" not in value and value != "null":
                value = "'" + value[1:-1].replace("'", "''") + "'"
            if node.style in {"|", ">"}:
                value += _newline(text)
        elif _is_block(node):
            start, end = text.index(":", key.end_mark.index) + 1, _end_of_block(node)
            if "#" in text[start : node.start_mark.index]:  # a comment stands behind the key
                start = node.start_mark.index
                column = key.start_mark.column
                value = " " * (2 + column - node.start_mark.column) + value
            else:
                value = f" {value}"
        return Edit(start, end, value)

    def _add(self, mapping: MappingNode, values: Values) -> Edit:
        """Adds further keys to a mapping."""
        text = self.source.text
        if mapping.flow_style:
            start, end = mapping.start_mark.index + 1, mapping.end_mark.index - 1
            before = text[start:end].rstrip()
            comma = "" if not before or before.endswith(",") else ", "
            at = start + len(before)
            return Edit(at, at, comma + _flow(values)[1:-1])
        at = _end_of_line(text, _end_of_block(mapping))
        begin = _newline(text) + " " * mapping.start_mark.column
        return Edit(at, at, "".join(f"{begin}{key}: {value}" for key, value in values.items()))


def _own(mapping: MappingNode, key: str) -> tuple[int, Node | None]:
    """Returns where a key stands among a mapping's own, and its value; not what is merged."""
    for index, (name, value) in enumerate(mapping.value):
        if name.value == key:
            return index, value
    return -1, None


def _apply(text: str, edits: set[Edit]) -> str:
    for edit in sorted(edits, key=lambda each: each.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _is_block(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and not node.flow_style


def _end_of_block(node: Node) -> int:
    """Returns the end of its last value; what follows that is comments and blanks."""
    while _is_block(node) and node.value:
        node = node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1]
    end: int = node.end_mark.index
    return end


def _end_of_line(text: str, at: int) -> int:
    """Returns the end of a value's line, with the comment behind it. A block scalar ends with its
    line break."""
    if text[at - 1] == "\n":
        return at - (2 if text[at - 2 : at] == "\r\n" else 1)
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end - 1 if text[end - 1] == "\r" else end


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
