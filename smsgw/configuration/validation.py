"""Checks a document of keywords, and says why it cannot be published."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from grammar import Service, Words
from handlers import HANDLERS, WORDINGS, custom_keyword
from smsgw.configuration.document import (
    ALL_NEED,
    Document,
    Entry,
    KeywordsError,
    RawDocument,
    Table,
    _shipped,
    key_of,
    loads,
)
from smsgw.configuration.lookup_tables import table_faults, tables_of
from smsgw.configuration.shapes import AN_ID, EACH, SHAPES, failures_of, misfits_of

DEFAULT_BUDGET, MOST_SEGMENTS = 1, 4
STATIC, LOOKUP = "static", "lookup"
KEYS = {"poster", "aliases", "alone", "leads", "asked", "phrases", "bare", "budget", "wordings"}
KEYS |= {"opt_outs", "subscriptions", "unless", "enabled", "from", "until"}

# When a keyword that changes something is asked first: with a slip in it, or with other words
# around it too.
ASKED = ("slips", "words")
MADE_KEYS = {STATIC: {"kind", "topics"}, LOOKUP: {"kind", "table"}}
MADE_SLOTS = {"ISI", "KOTA", "NOMOR", "TAHUN"}  # nothing that is somebody's own
# Whoever is without these is lost: to be bound and unbound, to agree, to stop, to be helped.
ALWAYS = {
    *("saldo", "daftar", "ya", "tidak", "kode", "bukan_saya", "stop", "hapus_data", "bantuan"),
}

MAX_FAULTS = 20


def read(text: str) -> Document:
    """Raises KeywordsError."""
    return of(loads(text))


def of(raw: RawDocument) -> Document:
    """Raises KeywordsError."""
    raise_for(faults(raw))
    try:
        words, tables = _words(raw), tables_of(raw.get("tables", {}))
        entries = {name: _entry(name, each, tables) for name, each in raw["keywords"].items()}
        return Document(entries, raw["wordings"], raw.get("terms", {}), words)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise KeywordsError(f"it cannot be read: {error}") from None


def faults(raw: RawDocument) -> list[str]:
    """Returns why it cannot be read, each with its place."""
    tables, entries = (_mapping(raw, key) for key in ("tables", "keywords"))
    return [
        *_top_faults(raw),
        *(fault for name, table in tables.items() for fault in table_faults(name, table)),
        *(f"{name}: this keyword has no entry" for name in HANDLERS if name not in entries),
        *(fault for name, entry in entries.items() for fault in _faults(name, entry, tables)),
    ]


def salvage(raw: RawDocument) -> RawDocument:
    """Returns what can be read of it; in place of the rest stands what is shipped, if anything."""
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


def raise_for(faults: Sequence[str]) -> None:
    further = len(faults) - MAX_FAULTS
    if faults:
        shown = [*faults[:MAX_FAULTS], *([f"and {further} more faults"] if further > 0 else [])]
        raise KeywordsError("\n".join(shown))


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


def _mapping(raw: RawDocument, key: str) -> RawDocument:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _top_faults(raw: RawDocument) -> Iterator[str]:
    lacks = [key for key in ALL_NEED if key not in raw]
    if lacks:
        what = ", ".join(lacks)
        yield f"keywords, wordings, fillers and labels are required; {what} is missing"
    for key, each in raw.items():
        yield from _top_misfits(key, each)


def _top_misfits(key: str, value: Any) -> list[str]:
    if key not in SHAPES:
        return [f"{key}: this is not known here; there are {', '.join(SHAPES)}"]
    misfits = [*misfits_of(value, SHAPES[key], key)]
    if key == "either" and not misfits:
        pairs = ((f"{key}.{word}", each) for word, each in value.items())
        return [f"{place}: two keywords are needed" for place, each in pairs if len(each) != 2]
    return misfits


def _sound(name: str, entry: Any, tables: RawDocument) -> RawDocument:
    """The entry without what is wrong in it; nothing where that leaves nothing to read."""
    ours: RawDocument = _shipped()["keywords"].get(name, {})
    usable = entry if isinstance(entry, dict) else ours
    for key in usable:
        instead = {each: usable[each] for each in usable if each != key}
        instead |= {key: ours[key]} if key in ours else {}
        if len(_faults(name, instead, tables)) < len(_faults(name, usable, tables)):
            usable = instead
    return ours if _faults(name, usable, tables) else usable


def _faults(name: str, entry: Any, tables: RawDocument) -> list[str]:
    if not isinstance(name, str):
        return [f"{name}: put this name in quotes; YAML reads it as no word"]
    if not isinstance(entry, dict):
        return [f"{name}: poster and wordings are needed"]
    misfits = [*_entry_misfits(name, entry)]
    return misfits or [*_entry_faults(name, entry, tables)]


def _entry_misfits(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    yield from misfits_of(entry.get("poster", ""), str, f"{name}.poster")
    yield from misfits_of(entry.get("wordings", {}), {EACH: {EACH: str}}, name)
    yield from misfits_of(entry.get("aliases", []), list, f"{name}.aliases")
    yield from misfits_of(entry.get("topics", {}), {EACH: [str]}, f"{name}.topics")
    yield from misfits_of(entry.get("alone", False), bool, f"{name}.alone")
    yield from misfits_of(entry.get("leads", False), bool, f"{name}.leads")
    yield from misfits_of(entry.get("asked", ASKED[0]), str, f"{name}.asked")
    for key in ("phrases", "opt_outs", "subscriptions", "unless"):
        yield from misfits_of(entry.get(key, []), [str], f"{name}.{key}")
    yield from misfits_of(entry.get("bare", ""), str, f"{name}.bare")
    yield from misfits_of(entry.get("table", ""), str, f"{name}.table")


def _entry_faults(name: str, entry: Mapping[str, Any], tables: RawDocument) -> Iterator[str]:
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
    yield from failures_of(
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


def _made_faults(name: str, entry: Mapping[str, Any], tables: RawDocument) -> Iterator[str]:
    kind = str(entry["kind"])
    is_static = kind == STATIC
    wanted = (
        {custom_keyword.TEXT, *entry.get("topics", {})}
        if is_static
        else {custom_keyword.FOUND, custom_keyword.NOT_FOUND}
    )
    slots = set(re.findall(r"<([^>]*)>", str(entry.get("poster")))) - MADE_SLOTS
    yield from failures_of(
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
