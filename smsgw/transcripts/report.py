"""Results as people and programs read them: text, JSON lines, JUnit's XML."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from xml.etree import ElementTree

from smsgw import gsm7
from smsgw.transcripts.collection import PlayedConversation
from smsgw.transcripts.comparison import Mismatch
from smsgw.transcripts.faults import TranscriptFault
from smsgw.transcripts.runner import Result

REMOVED, ADDED = ("[-", "-]"), ("{+", "+}")  # as `git diff --word-diff` marks words
RED, GREEN, PLAIN = "\033[31m", "\033[32m", "\033[0m"


@dataclass
class Totals:
    files: int = 0
    conversations: int = 0
    conversations_that_differ: int = 0
    steps: int = 0
    differ: int = 0
    dangers: int = 0
    agree_by_kind: Counter[str] = field(default_factory=Counter)
    all_by_kind: Counter[str] = field(default_factory=Counter)
    dangers_by_kind: Counter[str] = field(default_factory=Counter)

    def add(self, played: PlayedConversation) -> None:
        dangers = sum(each.is_dangerous for each in played.results)
        self.conversations += 1
        self.conversations_that_differ += not played.agrees
        self.steps += len(played.results)
        self.differ += sum(bool(each.differences) for each in played.results)
        self.dangers += dangers
        if played.kind is not None:
            self.all_by_kind[played.kind] += 1
            self.agree_by_kind[played.kind] += played.agrees
            self.dangers_by_kind[played.kind] += dangers

    def sentence(self) -> str:
        dangers = f", {self.dangers} dangerous" if self.dangers else ""
        return f"{self.steps} steps, {self.differ} differ{dangers}"

    def table(self) -> Iterator[str]:
        """Yields a table of agreement by kind, if conversations have one."""
        if not self.all_by_kind:
            return
        width = max(map(len, self.all_by_kind))
        yield f"{'kind':{width}}  agree     of  dangers"
        for kind, number in sorted(self.all_by_kind.items()):
            agree, dangers = self.agree_by_kind[kind], self.dangers_by_kind[kind]
            yield f"{kind:{width}}  {agree:5}  {number:5}  {dangers:7}"

    def as_object(self) -> dict[str, object]:
        kinds = {
            kind: {
                "conversations": number,
                "agree": self.agree_by_kind[kind],
                "dangers": self.dangers_by_kind[kind],
            }
            for kind, number in sorted(self.all_by_kind.items())
        }
        return {
            "files": self.files,
            "conversations": self.conversations,
            "conversations_that_differ": self.conversations_that_differ,
            "steps": self.steps,
            "differ": self.differ,
            "dangers": self.dangers,
            "kinds": kinds,
        }


def lines(played: PlayedConversation, *, with_colour: bool = False) -> Iterator[str]:
    """Returns what differs in a conversation: the first step whole, later ones as what follows from
    it."""
    differing = [each for each in played.results if each.differences]
    if not differing:
        return
    first, *later = differing
    yield f"{played.document.name}:{played.line(first.number)}: {played.name}, step {first.number}"
    yield from _what(first)
    for each in first.differences:
        yield from _difference(each, with_colour=with_colour)
    if later:
        differences = "; ".join(_brief(played, each) for each in later)
        yield f"  perhaps a consequence: {differences}"


def _brief(played: PlayedConversation, result: Result) -> str:
    keys = ", ".join(dict.fromkeys(each.key for each in result.differences))
    return f"step {result.number} (line {played.line(result.number)}): {keys}"


def _what(result: Result) -> Iterator[str]:
    step = result.step
    if step.sender is not None:
        text = (
            step.text
            if result.sent_text in {None, step.text}
            else f"{step.text} = {result.sent_text}"
        )
        yield f"  sent      {step.sender}: {text}"
    else:
        yield f"  step      {step.action}"


def _difference(difference: Mismatch, *, with_colour: bool) -> Iterator[str]:
    if difference.expected is None or difference.got is None:
        yield f"  {difference.text}"
        return
    expected, got = mark_differences(difference.expected, difference.got, with_colour=with_colour)
    yield f"  {difference.key}"
    yield f"    expected  {expected}"
    yield f"    got       {got}"


def mark_differences(expected: str, got: str, *, with_colour: bool = False) -> tuple[str, str]:
    """Marks in both texts the words that the other does not have."""
    old, new = expected.split(" "), got.split(" ")
    marks = ((RED, PLAIN), (GREEN, PLAIN)) if with_colour else (REMOVED, ADDED)
    left, right = list[str](), list[str]()
    for what, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        same = what == "equal"
        left += _mark(old[i1:i2], None if same else marks[0])
        right += _mark(new[j1:j2], None if same else marks[1])
    return " ".join(left), " ".join(right)


def _mark(words: list[str], mark: tuple[str, str] | None) -> list[str]:
    if not words or mark is None:
        return words
    return [f"{mark[0]}{' '.join(words)}{mark[1]}"]


def as_json(played: PlayedConversation) -> Iterator[str]:
    """Yields one object a step."""
    for each in played.results:
        yield _json(_object(played, each))


def fault_as_json(fault: TranscriptFault) -> str:
    return _json(
        {"file": fault.file, "line": fault.line, "column": fault.column, "fault": fault.text}
    )


def totals_as_json(totals: Totals) -> str:
    return _json({"totals": totals.as_object()})


def _object(played: PlayedConversation, result: Result) -> dict[str, object]:
    got = result.got
    return {
        "file": played.document.name,
        "line": played.line(result.number),
        "conversation": result.conversation,
        "kind": played.kind,
        "step": result.number,
        "action": result.step.action,
        "from": result.step.sender,
        "text": result.sent_text,
        "agrees": not result.differences,
        "dangerous": result.is_dangerous,
        "differs": list(result.differs),
        "keyword": got.keyword,
        "outcome": got.outcome,
        "reason": got.reason,
        "reply": got.reply,
        "encoding": gsm7.count(got.reply).encoding if got.reply else None,
        "segments": got.segments,
        "wording": got.wording,
        "also": [{"to": sms.to, "reply": sms.text} for sms in got.also],
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def junit(conversations: Sequence[PlayedConversation]) -> str:
    """Writes a suite for each file, a case for each conversation."""
    root = ElementTree.Element("testsuites", name="smsgw replay")
    suites: dict[str, ElementTree.Element] = {}
    for each in conversations:
        name = each.document.name
        suite = suites.get(name)
        if suite is None:
            suite = suites[name] = ElementTree.SubElement(root, "testsuite", name=name)
        _case(suite, each)
    for element in (root, *suites.values()):
        element.set("tests", str(len(element.findall(".//testcase"))))
        element.set("failures", str(len(element.findall(".//failure"))))
    ElementTree.indent(root)
    written: str = ElementTree.tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{written}\n'


def _case(suite: ElementTree.Element, played: PlayedConversation) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        name=_printable(played.name),
        classname=played.document.name,
        file=played.document.name,
        line=str(played.document.line(played.index)),
    )
    if played.agrees:
        return
    first = next(each for each in played.results if each.differences)
    difference = _printable(first.differs[0])
    failure = ElementTree.SubElement(case, "failure", message=f"step {first.number}: {difference}")
    failure.text = _printable("\n".join(lines(played)))


def _printable(text: str) -> str:
    """Replaces control characters that XML 1.0 does not allow."""
    return "".join(letter if letter in "\n\t" or letter >= " " else "?" for letter in text)


def is_colour_wanted() -> bool:
    return sys.stdout.isatty()
