"""The configuration as operators write it: YAML in, faults or values out.

keywords:  id -> poster, aliases, wordings (name -> language -> text); further
           enabled (true), from, until (days), budget (segments)
           kind: static, with topics (name -> words); its wordings are answer and the topics
           kind: lookup, with table; its wordings are found and not_found
wordings:  section -> name -> language -> text, of replies that belong to no keyword
tables:    name -> columns and rows, all texts; a row is found by its first column
fillers, labels, courtesy, choices, services, either, secrets, terms
"""

import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from importlib import resources
from itertools import chain
from typing import Any

import yaml

from grammar import Words, normalise
from handlers import HANDLERS, WORDINGS
from smsgw.configuration.shapes import SHAPES

DEEPEST = 20  # of lists and mappings in each other; reading thousands takes the process down
NUMBER_TAGS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
A_NUMBER = re.compile(r"[-+]?[.0-9][0-9a-fA-FxXoO_:.eE+-]*\Z")
MOST_DIGITS = 18  # Python writes no number of thousands

ALL_NEED = ("keywords", "wordings", "fillers", "labels")

Texts = Mapping[str, str]  # by language
RawDocument = dict[str, Any]


class KeywordsError(ValueError):
    """A configuration that cannot be published. Its text names every fault, one a line."""


@dataclass(frozen=True, slots=True)
class Table:
    columns: Sequence[str]
    rows: Mapping[str, Mapping[str, str]]  # by the first column, as a message is read

    def widest(self, column: str) -> str:
        return max((row[column] for row in self.rows.values()), key=len, default="")


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    poster: str
    aliases: tuple[str, ...]
    alone: bool
    leads: bool
    asked: str | None  # of ASKED
    phrases: tuple[str, ...]
    opt_outs: tuple[str, ...]
    subscriptions: tuple[str, ...]
    unless: tuple[str, ...]
    bare: str | None
    budget: int
    wordings: Mapping[str, Texts]
    is_enabled: bool
    since: date | None
    until: date | None
    kind: str | None = None  # of one that an operator made
    topics: Mapping[str, tuple[str, ...]] | None = None
    table: Table | None = None

    def is_in_force(self, day: date) -> bool:
        started = self.since is None or self.since <= day
        return self.is_enabled and started and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class Document:
    entries: Mapping[str, Entry]
    shared: Mapping[str, Mapping[str, Texts]]
    terms: Mapping[str, Mapping[str, str]]
    words: Words


def loads(text: str) -> RawDocument:
    """Reads a fresh document each time. Raises KeywordsError."""
    raw: RawDocument = pickle.loads(_pickled(text))  # noqa: S301, of our own making just now
    return raw


@lru_cache(maxsize=8)
def _pickled(text: str) -> bytes:
    """A page reads the same text several times, and YAML takes ten times as long as this."""
    return pickle.dumps(_loads(text))


def _loads(text: str) -> RawDocument:
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
    """Always the same for the same, so that versions can be compared line by line."""
    written: str = yaml.dump(
        raw, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1_000_000
    )
    return written


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, _: object) -> bool:
        """Writes a value that stands in two places twice."""
        return True


def shipped_text() -> str:
    return resources.files("smsgw.configuration").joinpath("seeds/keywords.yaml").read_text("utf-8")


@cache
def shipped() -> str:
    """Returns the shipped configuration as `dumps` writes it."""
    return dumps(loads(shipped_text()))


@cache
def _shipped() -> RawDocument:
    return loads(shipped())


@lru_cache(maxsize=8)
def upgrade(text: str) -> str:
    """Returns what an earlier version of this program published, with what this one has new, and
    without what it does not know any more."""
    read, ours = loads(text), loads(shipped_text())
    known = {key: each for key, each in read.items() if key in SHAPES}
    raw: RawDocument = {"keywords": {}, "wordings": {}, **known}
    for name, entry in ours["keywords"].items():
        raw["keywords"].setdefault(name, entry)
        _complete(raw["keywords"][name].setdefault("wordings", {}), entry["wordings"], name)
    for section, wordings in ours["wordings"].items():
        _complete(raw["wordings"].setdefault(section, {}), wordings, section)
    for name, entry in list(raw["keywords"].items()):
        if name not in HANDLERS and "kind" not in entry:
            del raw["keywords"][name]
    return dumps(raw)


def key_of(cell: str) -> str:
    """Normalises a text as the first column of a table is looked up in a message."""
    return " ".join(re.findall(r"\w+", normalise(cell)))


def _complete(part: dict[str, Any], ours: Mapping[str, Any], section: str) -> None:
    for name, texts in ours.items():
        part.setdefault(name, texts)
    for name in [each for each in part if f"{section}.{each}" not in WORDINGS]:
        del part[name]
