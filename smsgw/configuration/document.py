"""Reads and writes the configuration as operators write it: YAML in, faults or values out.

keywords:  id -> poster, aliases, wordings (name -> language -> text); further
           enabled (true), from, until (days), budget (segments)
           kind: static, with topics (name -> words); its wordings are answer and the topics
           kind: lookup, with table; its wordings are found and not_found
wordings:  section -> name -> language -> text, of replies that belong to no keyword
tables:    name -> columns and rows, all texts; a row is found by its first column
reviewed:  wordings in an optional language that somebody who speaks it has confirmed
fillers, labels, courtesy, choices, services, either, secrets, terms
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from itertools import chain
from typing import Any

import yaml

from grammar import Words
from handlers import HANDLERS, WORDINGS
from smsgw.configuration.schema import Entry, Parts, Texts, TopicPart, keys_of

LONGEST_TEXT = 500_000  # characters; what is shipped has a tenth of that
TOO_LONG = f"it has more than {LONGEST_TEXT:,} characters"
DEEPEST = 20  # of lists and mappings in each other; reading thousands takes the process down
NUMBER_TAGS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
A_NUMBER = re.compile(r"[-+]?[.0-9][0-9a-fA-FxXoO_:.eE+-]*\Z")
MOST_DIGITS = 18  # Python writes no number of thousands
KEPT = 4  # what is in use, its draft, and what they are compared with

SHIPPED_FILE = resources.files("smsgw.configuration").joinpath("seeds/keywords.yaml")

RawDocument = dict[str, Any]


class KeywordsError(ValueError):
    """Names every fault of a configuration that cannot be published, one a line."""


@dataclass(frozen=True, slots=True)
class Table:
    columns: Sequence[str]
    rows: Mapping[str, Mapping[str, str]]  # by the first column, as a message is read

    def widest(self, column: str) -> str:
        return max((row[column] for row in self.rows.values()), key=len, default="")


@dataclass(frozen=True, slots=True)
class Document:
    entries: Mapping[str, Entry]
    shared: Mapping[str, Mapping[str, Texts]]
    terms: Mapping[str, Mapping[str, str]]
    words: Words
    tables: Mapping[str, Table]
    reviewed: Sequence[str] = ()  # such as saldo.balance.jv
    topics: Mapping[str, TopicPart] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Names a document, which may change, by what is in it now and in which order."""

    text: str  # repr of the document: it takes a thirtieth of what `dumps` takes
    raw: RawDocument = field(compare=False)


def loads(text: str) -> RawDocument:
    """Reads the text as YAML, into a document of the caller's own. Raises KeywordsError."""
    return deepcopy(_read(text))


@lru_cache(maxsize=KEPT)
def _read(text: str) -> RawDocument:
    """Keeps what was read, as each page of the console needs the same texts: to read one takes
    fourteen times as long as to copy it."""
    if len(text) > LONGEST_TEXT:
        raise KeywordsError(TOO_LONG)
    try:
        _raise_for_traps(text)
        raw = yaml.load(text, yaml.CSafeLoader)  # ten times as fast as safe_load
    except (
        yaml.YAMLError,
        ValueError,
        OverflowError,
    ) as error:  # the latter for a day that is none
        if isinstance(error, KeywordsError):
            raise
        raise KeywordsError(f"not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise KeywordsError("keywords, wordings, fillers and labels are required")
    if any(abs(number) >= 10**MOST_DIGITS for number in _numbers(raw)):
        raise KeywordsError(f"a number has {MOST_DIGITS} digits at most; put a text in quotes")
    return raw


def _numbers(value: object) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, dict):
        for each in chain(value.keys(), value.values()):
            yield from _numbers(each)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _numbers(each)


def _raise_for_traps(text: str) -> None:
    """Raises YAMLError, and KeywordsError for what a small text may grow to."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise KeywordsError(
                "write it out where it refers to another part by *; that is not read"
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise KeywordsError(f"nesting is limited to {DEEPEST} levels")
        if isinstance(event, yaml.ScalarEvent) and _is_long_number(event):
            raise KeywordsError(f"a number has {MOST_DIGITS} digits at most; put a text in quotes")


def _is_long_number(event: yaml.ScalarEvent) -> bool:
    """Returns what YAML would work out, 1:30 to the base of sixty included: time grows with the
    square of its length."""
    is_plain = (not event.style and event.tag is None) or event.tag in NUMBER_TAGS
    return is_plain and len(event.value) > MOST_DIGITS and A_NUMBER.match(event.value) is not None


def dumps(raw: RawDocument) -> str:
    """Writes equal documents the same, so that versions can be compared line by line."""
    return _dumped(Snapshot(repr(raw), raw))


@lru_cache(maxsize=KEPT)
def _dumped(snapshot: Snapshot) -> str:
    written: str = yaml.dump(
        snapshot.raw, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1_000_000
    )
    return written


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, _: object) -> bool:
        """Writes a value that stands in two places twice."""
        return True


def shipped_text() -> str:
    return SHIPPED_FILE.read_text("utf-8")


@cache
def dump_shipped() -> str:
    """Returns the shipped configuration as `dumps` writes it."""
    return dumps(shipped_raw())


@cache
def shipped_raw() -> RawDocument:
    """Returns one document to every caller; do not change it."""
    return loads(shipped_text())


def upgrade(raw: RawDocument) -> RawDocument:
    """Adds what this version of the program has new to what an earlier one published, and
    leaves out what it does not know any more."""
    ours = shipped_raw()
    known = {key: each for key, each in raw.items() if key in keys_of(Parts)}
    keywords = {**known.get("keywords", {})}
    for name, entry in ours["keywords"].items():
        keywords[name] = {**keywords.get(name, entry)}
        texts = keywords[name].get("wordings", {})
        keywords[name]["wordings"] = _complete(texts, entry["wordings"], name)
    wordings = {**known.get("wordings", {})}
    for section, texts in ours["wordings"].items():
        wordings[section] = _complete(wordings.get(section, {}), texts, section)
    in_use = {
        name: entry for name, entry in keywords.items() if name in HANDLERS or "kind" in entry
    }
    ordered: RawDocument = {"keywords": {}, "wordings": {}, **known}
    return {**ordered, "keywords": in_use, "wordings": wordings}


def _complete(part: RawDocument, ours: RawDocument, section: str) -> RawDocument:
    completed = {**part, **{name: ours[name] for name in ours if name not in part}}
    return {name: texts for name, texts in completed.items() if f"{section}.{name}" in WORDINGS}
