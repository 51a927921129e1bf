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

from grammar import Service, Words, normalise
from handlers import HANDLERS, WORDINGS, custom_keyword
from smsgw import gsm7

DEFAULT_BUDGET, MOST_SEGMENTS = 1, 4
STATIC, LOOKUP = "static", "lookup"
KEYS = {"poster", "aliases", "alone", "leads", "asked", "phrases", "bare", "budget", "wordings"}
KEYS |= {"opt_outs", "subscriptions", "unless", "enabled", "from", "until"}
# When a keyword that changes something is asked first: with a slip in it, or with other words
# around it too.
ASKED = ("slips", "words")
MADE_KEYS = {STATIC: {"kind", "topics"}, LOOKUP: {"kind", "table"}}
MADE_SLOTS = {"ISI", "KOTA", "NOMOR", "TAHUN"}  # nothing that is somebody's own
AN_ID = re.compile(r"[a-z][a-z0-9_]{1,19}")
A_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,29}")
# Whoever is without these is lost: to be bound and unbound, to agree, to stop, to be helped.
ALWAYS = {
    *("saldo", "daftar", "ya", "tidak", "kode", "bukan_saya", "stop", "hapus_data", "bantuan"),
}
DEEPEST = 20  # of lists and mappings in each other; reading thousands takes the process down
NUMBER_TAGS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
A_NUMBER = re.compile(r"[-+]?[.0-9][0-9a-fA-FxXoO_:.eE+-]*\Z")
FAULTS_TOLD = 20
MOST_DIGITS = 18  # Python writes no number of thousands
MOST_ROWS, MOST_COLUMNS, WIDEST_CELL = 1000, 10, 100

EACH = "*"  # of a mapping's keys
A_SERVICE = {"name": str, "contact": str, "words": [str], "digits": int, "niks": int}
A_TABLE = {"columns": [str], "rows": [list]}
NEEDED = {
    str: "a text is needed; put it in quotes where it is one, YAML reads NO and ON as no words",
    bool: "true or false is needed",
    int: "a number is needed",
    list: "a list is needed",
    dict: "a mapping is needed",
}
SHAPES: dict[str, Any] = {
    "keywords": dict,
    "tables": dict,
    "fillers": [str],
    "courtesy": [str],
    "doubts": [str],
    "addressed": [str],
    "signatures": [str],
    "labels": {EACH: [str]},
    "choices": {EACH: {EACH: [str]}},
    "either": {EACH: [str]},
    "secrets": {EACH: [str]},
    "services": [A_SERVICE],
    "terms": {EACH: {EACH: str}},
    "wordings": {EACH: {EACH: {EACH: str}}},
}
ALL_NEED = ("keywords", "wordings", "fillers", "labels")
GONE = object()  # where one of two has a key and the other has not

Texts = Mapping[str, str]  # by language
Raw = dict[str, Any]


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
class Merged:
    text: str
    clashes: Sequence[str]  # places, by their keys


@dataclass(frozen=True, slots=True)
class Document:
    entries: Mapping[str, Entry]
    shared: Mapping[str, Mapping[str, Texts]]
    terms: Mapping[str, Mapping[str, str]]
    words: Words


def read(text: str) -> Document:
    """Raises KeywordsError."""
    return of(parsed(text))


def of(raw: Raw) -> Document:
    """Raises KeywordsError."""
    raise_for(faults(raw))
    try:
        words, tables = _words(raw), _tables(raw.get("tables", {}))
        entries = {name: _entry(name, each, tables) for name, each in raw["keywords"].items()}
        return Document(entries, raw["wordings"], raw.get("terms", {}), words)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise KeywordsError(f"it cannot be read: {error}") from None


def faults(raw: Raw) -> list[str]:
    """Why it cannot be read, each with its place."""
    tables, entries = (_mapping(raw, key) for key in ("tables", "keywords"))
    return [
        *_top_faults(raw),
        *(fault for name, table in tables.items() for fault in table_faults(name, table)),
        *(f"{name}: this keyword has no entry" for name in HANDLERS if name not in entries),
        *(fault for name, entry in entries.items() for fault in _faults(name, entry, tables)),
    ]


def sound(raw: Raw) -> Raw:
    """What can be read of it; in place of the rest stands what is shipped, if anything."""
    ours, entries = _shipped(), _mapping(raw, "keywords")
    whole = {key: each for key, each in raw.items() if not _top_misfits(key, each)}
    tables = {
        name: table
        for name, table in _mapping(raw, "tables").items()
        if not list(table_faults(name, table))
    }
    read = {name: _sound(name, entries.get(name), tables) for name in (*HANDLERS, *entries)}
    return {
        **{key: ours[key] for key in ALL_NEED},
        **whole,
        "tables": tables,
        "keywords": {name: entry for name, entry in read.items() if entry},
    }


def parsed(text: str) -> Raw:
    """A fresh one each time. Raises KeywordsError."""
    raw: Raw = pickle.loads(_pickled(text))  # noqa: S301, of our own making just now
    return raw


@lru_cache(maxsize=8)
def _pickled(text: str) -> bytes:
    """A page reads the same text several times, and YAML takes ten times as long as this."""
    return pickle.dumps(_parsed(text))


def _parsed(text: str) -> Raw:
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
        raise KeywordsError(f"this is no YAML: {error}") from None
    if not isinstance(raw, dict):
        raise KeywordsError("keywords, wordings, fillers and labels are needed")
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
            raise KeywordsError(f"lists and mappings are in each other {DEEPEST} deep at most")
        if isinstance(event, yaml.ScalarEvent) and _is_long_number(event):
            raise KeywordsError(f"a number has {MOST_DIGITS} digits at most; put a text in quotes")


def _is_long_number(event: yaml.ScalarEvent) -> bool:
    """What YAML would work out, 1:30 to the base of sixty included: time grows with the square of
    its length."""
    is_plain = (not event.style and event.tag is None) or event.tag in NUMBER_TAGS
    return is_plain and len(event.value) > MOST_DIGITS and A_NUMBER.match(event.value) is not None


def dumped(raw: Raw) -> str:
    """Always the same for the same, so that versions can be compared line by line."""
    written: str = yaml.dump(
        raw, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1_000_000
    )
    return written


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, _: object) -> bool:
        """What stands in two places is written twice."""
        return True


def shipped_text() -> str:
    return resources.files("smsgw.configuration").joinpath("seeds/keywords.yaml").read_text("utf-8")


@cache
def shipped() -> str:
    """As `dumped` writes it."""
    return dumped(parsed(shipped_text()))


@cache
def _shipped() -> Raw:
    return parsed(shipped())


@lru_cache(maxsize=8)
def completed(text: str) -> str:
    """What an earlier version of this program published, with what this one has new, and without
    what it does not know any more."""
    read, ours = parsed(text), parsed(shipped_text())
    known = {key: each for key, each in read.items() if key in SHAPES}
    raw: Raw = {"keywords": {}, "wordings": {}, **known}
    for name, entry in ours["keywords"].items():
        raw["keywords"].setdefault(name, entry)
        _complete(raw["keywords"][name].setdefault("wordings", {}), entry["wordings"], name)
    for section, wordings in ours["wordings"].items():
        _complete(raw["wordings"].setdefault(section, {}), wordings, section)
    for name, entry in list(raw["keywords"].items()):
        if name not in HANDLERS and "kind" not in entry:
            del raw["keywords"][name]
    return dumped(raw)


def merged(base: str, theirs: str, ours: str) -> Merged:
    """Both changes of `base`; ours where both changed the same. Raises KeywordsError."""
    clashes: list[str] = []
    raw = _merged((parsed(base), parsed(theirs), parsed(ours)), (), clashes)
    return Merged(dumped(raw), clashes)


def raise_for(faults: Sequence[str]) -> None:
    further = len(faults) - FAULTS_TOLD
    if faults:
        told = [*faults[:FAULTS_TOLD], *([f"and {further} more faults"] if further > 0 else [])]
        raise KeywordsError("\n".join(told))


def key_of(cell: str) -> str:
    """As the first column of a table is found in a message."""
    return " ".join(re.findall(r"\w+", normalise(cell)))


def _merged(three: tuple[Any, Any, Any], place: tuple[str, ...], clashes: list[str]) -> Any:
    base, theirs, ours = three
    if ours in (base, theirs):
        return theirs
    if theirs == base:
        return ours
    if all(isinstance(each, dict) for each in three):
        made = {
            key: _merged(
                (base.get(key, GONE), theirs.get(key, GONE), ours.get(key, GONE)),
                (*place, str(key)),
                clashes,
            )
            for key in dict.fromkeys((*theirs, *ours))
        }
        return {key: value for key, value in made.items() if value is not GONE}
    if all(isinstance(each, list) for each in three):
        return [each for each in theirs if each in ours or each not in base] + [
            each for each in ours if each not in theirs and each not in base
        ]
    clashes.append(".".join(place))
    return ours


def _complete(held: dict[str, Any], ours: Mapping[str, Any], section: str) -> None:
    for name, texts in ours.items():
        held.setdefault(name, texts)
    for name in [each for each in held if f"{section}.{each}" not in WORDINGS]:
        del held[name]


def _entry(name: str, raw: Mapping[str, Any], tables: Mapping[str, Table]) -> Entry:
    kind = raw.get("kind")
    topics = {
        topic: tuple(key_of(word) for word in words)
        for topic, words in raw.get("topics", {}).items()
    }
    return Entry(
        id=name,
        poster=raw["poster"],
        aliases=tuple(raw.get("aliases", ())),
        alone=raw.get("alone", False),
        leads=raw.get("leads", False),
        asked=raw.get("asked"),
        phrases=tuple(raw.get("phrases", ())),
        opt_outs=tuple(raw.get("opt_outs", ())),
        subscriptions=tuple(raw.get("subscriptions", ())),
        unless=tuple(raw.get("unless", ())),
        bare=raw.get("bare"),
        budget=raw.get("budget", DEFAULT_BUDGET),
        wordings=raw["wordings"],
        is_enabled=raw.get("enabled", True),
        since=raw.get("from"),
        until=raw.get("until"),
        kind=kind,
        topics=topics if kind == STATIC else None,
        table=tables[raw["table"]] if kind == LOOKUP else None,
    )


def _mapping(raw: Raw, key: str) -> Raw:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _top_faults(raw: Raw) -> Iterator[str]:
    lacks = [key for key in ALL_NEED if key not in raw]
    if lacks:
        what = ", ".join(lacks)
        yield f"keywords, wordings, fillers and labels are needed; {what} is missing"
    for key, each in raw.items():
        yield from _top_misfits(key, each)


def _top_misfits(key: str, value: Any) -> list[str]:
    if key not in SHAPES:
        return [f"{key}: this is not known here; there are {', '.join(SHAPES)}"]
    misfits = [*_misfits(value, SHAPES[key], key)]
    if key == "either" and not misfits:
        pairs = ((f"{key}.{word}", each) for word, each in value.items())
        return [f"{place}: two keywords are needed" for place, each in pairs if len(each) != 2]
    return misfits


def _sound(name: str, entry: Any, tables: Raw) -> Raw:
    """The entry without what is wrong in it; nothing where that leaves nothing to read."""
    ours: Raw = _shipped()["keywords"].get(name, {})
    kept = entry if isinstance(entry, dict) else ours
    for key in kept:
        instead = {each: kept[each] for each in kept if each != key}
        instead |= {key: ours[key]} if key in ours else {}
        if len(_faults(name, instead, tables)) < len(_faults(name, kept, tables)):
            kept = instead
    return ours if _faults(name, kept, tables) else kept


def _faults(name: str, entry: Any, tables: Raw) -> list[str]:
    if not isinstance(name, str):
        return [f"{name}: put this name in quotes; YAML reads it as no word"]
    if not isinstance(entry, dict):
        return [f"{name}: poster and wordings are needed"]
    misfits = [*_entry_misfits(name, entry)]
    return misfits or [*_entry_faults(name, entry, tables)]


def _entry_misfits(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    yield from _misfits(entry.get("poster", ""), str, f"{name}.poster")
    yield from _misfits(entry.get("wordings", {}), {EACH: {EACH: str}}, name)
    yield from _misfits(entry.get("aliases", []), list, f"{name}.aliases")
    yield from _misfits(entry.get("topics", {}), {EACH: [str]}, f"{name}.topics")
    yield from _misfits(entry.get("alone", False), bool, f"{name}.alone")
    yield from _misfits(entry.get("leads", False), bool, f"{name}.leads")
    yield from _misfits(entry.get("asked", ASKED[0]), str, f"{name}.asked")
    for key in ("phrases", "opt_outs", "subscriptions", "unless"):
        yield from _misfits(entry.get(key, []), [str], f"{name}.{key}")
    yield from _misfits(entry.get("bare", ""), str, f"{name}.bare")
    yield from _misfits(entry.get("table", ""), str, f"{name}.table")


def _entry_faults(name: str, entry: Mapping[str, Any], tables: Raw) -> Iterator[str]:
    if "kind" in entry:
        yield from _made_faults(name, entry, tables)
    elif name not in HANDLERS:
        yield f"{name}: no such keyword; there are {', '.join(HANDLERS)}"
    if entry.get("asked", ASKED[0]) not in ASKED:
        yield f"{name}.asked: it is {' or '.join(ASKED)}"
    known = KEYS | MADE_KEYS.get(str(entry.get("kind")), set())
    budget, enabled = entry.get("budget", DEFAULT_BUDGET), entry.get("enabled", True)
    days: list[Any] = [entry.get(key) for key in ("from", "until")]
    yield from (f"{name}: {key} is not known here" for key in entry.keys() - known)
    yield from (f"{name}: {key} is missing" for key in ("poster", "wordings") if key not in entry)
    yield from (
        f"{name}: put the alias for {alias} in quotes; YAML reads it as no word"
        for alias in entry.get("aliases", ())
        if not isinstance(alias, str)
    )
    yield from _told(
        (
            not isinstance(budget, int) or not 1 <= budget <= MOST_SEGMENTS,
            f"{name}: a budget is 1 to {MOST_SEGMENTS} segments",
        ),
        (
            not all(type(day) in {date, type(None)} for day in days),  # no time of a day
            f"{name}: from and until are days, such as 2026-01-31",
        ),
        (
            all(type(day) is date for day in days) and days[0] > days[1],
            f"{name}: from is after until",
        ),
        (not isinstance(enabled, bool), f"{name}: enabled is true or false"),
        (
            name in ALWAYS and (enabled is not True or any(days)),
            f"{name}: this keyword is always on; people depend on it",
        ),
    )


def _misfits(value: Any, shape: Any, place: str) -> Iterator[str]:
    """`shape`: a type, [shape of each], {key: shape} or {EACH: shape}."""
    kind: type = shape if isinstance(shape, type) else type(shape)
    fits = isinstance(value, kind)
    if not fits:
        yield f"{place}: {NEEDED[kind]}"
    elif isinstance(shape, list):
        for number, each in enumerate(value, 1):
            yield from _misfits(each, shape[0], f"{place} {number}")
    elif isinstance(shape, dict):
        for key, each in value.items():
            yield from _misfits(each, shape.get(EACH, shape.get(key, str)), f"{place}.{key}")


def _made_faults(name: str, entry: Mapping[str, Any], tables: Raw) -> Iterator[str]:
    kind = str(entry["kind"])
    is_static = kind == STATIC
    wanted = (
        {custom_keyword.TEXT, *entry.get("topics", {})}
        if is_static
        else {custom_keyword.FOUND, custom_keyword.NOT_FOUND}
    )
    slots = set(re.findall(r"<([^>]*)>", str(entry.get("poster")))) - MADE_SLOTS
    yield from _told(
        (
            name in {each.partition(".")[0] for each in WORDINGS},
            f"{name}: this keyword is built in, so it has no kind",
        ),
        (
            not AN_ID.fullmatch(name),
            f"{name}: an id is 2 to 20 of a-z, 0-9 and _, a letter first",
        ),
        (kind not in MADE_KEYS, f"{name}: a kind is {STATIC} or {LOOKUP}"),
        (
            bool(slots),
            f"{name}: <{'>, <'.join(slots)}> is not for keywords made here; use <ISI>",
        ),
        (
            kind == LOOKUP and entry.get("table") not in tables,
            f"{name}: there is no table {entry.get('table')}",
        ),
    )
    given = set(entry.get("wordings", {}))
    yield from (
        f"{name}.{topic}: words that ask for this topic are needed"
        for topic, words in entry.get("topics", {}).items()
        if not words
    )
    yield from (
        f"{name}.{each}: this wording is missing" for each in sorted(wanted - given, key=str)
    )
    yield from (
        f"{name}.{each}: no reply uses this wording" for each in sorted(given - wanted, key=str)
    )


def _told(*checks: tuple[bool, str]) -> Iterator[str]:
    return (what for is_wrong, what in checks if is_wrong)


def _tables(raw: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Table]:
    return {
        name: Table(
            table["columns"],
            {
                key_of(row[0]): {
                    column: gsm7.to_gsm7(cell)
                    for column, cell in zip(table["columns"], row, strict=True)
                }
                for row in table["rows"]
            },
        )
        for name, table in raw.items()
    }


def table_faults(name: str, table: Any) -> Iterator[str]:
    misfits = [*_misfits(name, str, "a table's name"), *_misfits(table, A_TABLE, f"table {name}")]
    return iter(misfits) if misfits else _table_faults(name, table)


def _table_faults(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    columns, rows = table.get("columns", []), table.get("rows", [])
    odd = [each for each in columns if not A_COLUMN.fullmatch(str(each))]
    yield from _told(
        (
            not AN_ID.fullmatch(name),
            f"table {name}: a name is 2 to 20 of a-z, 0-9 and _, a letter first",
        ),
        (
            not 1 < len(columns) <= MOST_COLUMNS or len(set(columns)) < len(columns),
            f"table {name}: 2 to {MOST_COLUMNS} columns of different names are needed",
        ),
        (
            bool(odd),
            f"table {name}: {', '.join(map(str, odd))} is no column; use a-z, 0-9 and _, "
            "a letter first",
        ),
        (
            not 1 <= len(rows) <= MOST_ROWS,
            f"table {name}: it has {len(rows)} rows; 1 to {MOST_ROWS} are possible",
        ),
    )
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        told = _row_fault(row, len(columns), seen, number)
        if told is not None:
            yield f"table {name}, row {number}: {told}"


def _row_fault(row: Sequence[Any], width: int, seen: dict[str, int], number: int) -> str | None:
    if len(row) != width or not all(isinstance(cell, str) for cell in row):
        return f"{width} texts are needed"
    if any(len(cell) > WIDEST_CELL for cell in row):
        return f"a cell has {WIDEST_CELL} characters at most"
    key = key_of(row[0])
    if not key:
        return "its first column is what people type"
    if seen.setdefault(key, number) != number:
        return f"{row[0]} stands in row {seen[key]} too"
    return None


def _words(raw: Mapping[str, Any]) -> Words:
    secrets = raw.get("secrets", {})
    return Words(
        fillers=frozenset(raw["fillers"]),
        labels={kind: tuple(labels) for kind, labels in raw["labels"].items()},
        courtesy=frozenset(raw.get("courtesy", ())),
        choices={
            kind: {str(value): tuple(words) for value, words in values.items()}
            for kind, values in raw.get("choices", {}).items()
        },
        services=tuple(
            Service(**{**service, "words": tuple(service.get("words", ()))})
            for service in raw.get("services", ())
        ),
        either={word: (first, second) for word, (first, second) in raw.get("either", {}).items()},
        doubts=frozenset(raw.get("doubts", ())),
        addressed=frozenset(raw.get("addressed", ())),
        signatures=tuple(raw.get("signatures", ())),
        pins=tuple(secrets.get("pins", ())),
        passwords=tuple(secrets.get("passwords", ())),
        mothers=tuple(secrets.get("mothers", ())),
        banking=tuple(secrets.get("banking", ())),
    )
