"""Checks a document of keywords, and says why it cannot be published."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from grammar import AnswerWords, Service, Topic, Words
from handlers import HANDLERS, WORDINGS, custom_keyword
from smsgw.configuration import real_words
from smsgw.configuration.document import (
    Document,
    KeywordsError,
    RawDocument,
    loads,
    shipped_raw,
    upgrade,
)
from smsgw.configuration.explanation import NOT_A_NAME, parse
from smsgw.configuration.lookup_tables import table_faults, tables_of
from smsgw.configuration.schema import ALL_NEED, AN_ID, LOOKUP, STATIC, Answers, Entry, Parts

MADE_SLOTS = {"ISI", "KOTA", "NOMOR", "TAHUN"}  # nothing that is somebody's own
# Whoever is without these is lost: to be bound and unbound, to agree, to stop, to be helped.
ALWAYS = {
    "saldo",
    "daftar",
    "ya",
    "tidak",
    "kode",
    "bukan_saya",
    "stop",
    "hapus_data",
    "data_saya",
    "bantuan",
}

MAX_FAULTS = 20


def read(text: str) -> Document:
    """Raises KeywordsError."""
    return of(loads(text))


def read_published(text: str) -> Document:
    """Reads what any version of this program published. Raises KeywordsError."""
    return of(upgrade(loads(text)))


@cache
def load_shipped() -> Document:
    return of(shipped_raw())


def of(raw: RawDocument) -> Document:
    """Raises KeywordsError."""
    raise_for(faults(raw))
    return build(raw)


def build(raw: RawDocument) -> Document:
    """Builds a document in which `faults` finds none."""
    parts = Parts.model_validate(raw)
    entries = {name: Entry.model_validate(each) for name, each in parts.keywords.items()}
    return Document(
        entries,
        parts.wordings,
        parts.terms,
        _words(parts),
        tables_of(parts.tables),
        parts.reviewed,
        parts.topics,
    )


def faults(raw: RawDocument) -> list[str]:
    """Returns why it cannot be read, each with its place."""
    tables, entries = (_mapping(raw, key) for key in ("tables", "keywords"))
    parts = parse(Parts, raw)
    return [
        *(parts if isinstance(parts, list) else ()),
        *(fault for name, table in tables.items() for fault in table_faults(name, table)),
        *(f"{name}: this keyword has no entry" for name in HANDLERS if name not in entries),
        *(fault for name, entry in entries.items() for fault in _faults(name, entry, tables)),
    ]


def salvage(raw: RawDocument) -> RawDocument:
    """Returns what can be read of it; in place of the rest stands what is shipped, if anything."""
    ours, entries = shipped_raw(), _mapping(raw, "keywords")
    needed = {key: ours[key] for key in ALL_NEED}
    whole = {
        key: each
        for key, each in raw.items()
        if isinstance(parse(Parts, {**needed, key: each}), Parts)
    }
    tables = {
        name: table
        for name, table in _mapping(raw, "tables").items()
        if not list(table_faults(name, table))
    }
    read = {name: _salvage(name, entries.get(name), tables) for name in (*HANDLERS, *entries)}
    return {
        **needed,
        **whole,
        "tables": tables,
        "keywords": {name: entry for name, entry in read.items() if entry},
    }


def raise_for(faults: Sequence[str]) -> None:
    further = len(faults) - MAX_FAULTS
    if faults:
        shown = [*faults[:MAX_FAULTS], *([f"and {further} more faults"] if further > 0 else [])]
        raise KeywordsError("\n".join(shown))


def _mapping(raw: RawDocument, key: str) -> RawDocument:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _salvage(name: str, entry: Any, tables: RawDocument) -> RawDocument:
    """Returns the entry without its faulty parts, or the shipped one if no part is left."""
    ours: RawDocument = shipped_raw()["keywords"].get(name, {})
    usable = entry if isinstance(entry, dict) else ours
    for key in usable:
        instead = {each: usable[each] for each in usable if each != key}
        instead |= {key: ours[key]} if key in ours else {}
        if len(_faults(name, instead, tables)) < len(_faults(name, usable, tables)):
            usable = instead
    return ours if _faults(name, usable, tables) else usable


def _faults(name: str, raw: Any, tables: RawDocument) -> list[str]:
    if not isinstance(name, str):
        return [f"{name}: {NOT_A_NAME}"]
    entry = parse(Entry, raw, name)
    return entry if isinstance(entry, list) else [*_entry_faults(name, entry, tables)]


def _entry_faults(name: str, entry: Entry, tables: RawDocument) -> Iterator[str]:
    if entry.kind is not None:
        yield from _made_faults(name, entry, tables)
    elif name not in HANDLERS:
        yield (
            f"{name}: no such keyword: it has no line in HANDLERS (handlers/__init__.py), and no "
            f"kind ({STATIC} or {LOOKUP})"
        )
    for key, kind in (("topics", STATIC), ("table", LOOKUP)):
        if key in entry.model_fields_set and entry.kind != kind:
            yield f"{name}: {key} is for keywords of the kind {kind}"
    if entry.since and entry.until and entry.since > entry.until:
        yield f"{name}: from is after until"
    if name in ALWAYS and (not entry.is_enabled or entry.since or entry.until):
        yield f"{name}: this keyword is always on; people depend on it"


def _made_faults(name: str, entry: Entry, tables: RawDocument) -> Iterator[str]:
    if name in {each.partition(".")[0] for each in WORDINGS}:
        yield f"{name}: this keyword is built in, so it has no kind"
    if not AN_ID.fullmatch(name):
        yield f"{name}: an id is 2 to 20 of a-z, 0-9 and _, a letter first"
    slots = set(re.findall(r"<([^>]*)>", entry.poster)) - MADE_SLOTS
    if slots:
        yield f"{name}: <{'>, <'.join(slots)}> is not for keywords made here; use <ISI>"
    if entry.kind == LOOKUP and entry.table not in tables:
        yield f"{name}: there is no table {entry.table}"
    for topic, words in entry.topics.items():
        if not words:
            yield f"{name}.{topic}: words that ask for this topic are needed"
    lookup = {custom_keyword.FOUND, custom_keyword.NOT_FOUND}
    wanted = lookup if entry.kind == LOOKUP else {custom_keyword.TEXT, *entry.topics}
    given = entry.wordings.keys()
    yield from (f"{name}.{each}: this wording is missing" for each in sorted(wanted - given))
    yield from (f"{name}.{each}: no reply uses this wording" for each in sorted(given - wanted))


def _answers(read: Answers) -> AnswerWords:
    return AnswerWords(
        yes=read.yes,
        no=read.no,
        unsure=read.unsure,
        with_yes=frozenset(read.with_yes),
        with_no=frozenset(read.with_no),
        with_choice=frozenset(read.with_choice),
        letters=read.letters,
        signs=read.signs,
    )


def _words(parts: Parts) -> Words:
    return Words(
        fillers=frozenset(parts.fillers),
        labels=parts.labels,
        courtesy=frozenset(parts.courtesy),
        with_courtesy=frozenset(parts.with_courtesy),
        choices=parts.choices,
        services=tuple(Service(**each.model_dump()) for each in parts.services),
        either=parts.either,
        doubts=frozenset(parts.doubts),
        addressed=frozenset(parts.addressed),
        signatures=parts.signatures,
        answers=_answers(parts.answers),
        concepts=parts.concepts,
        topics=tuple(
            Topic(name, each.means, each.needs, each.any, each.without)
            for name, each in parts.topics.items()
        ),
        everyday=frozenset(parts.everyday),
        function_words=parts.function_words,
        unrelated=parts.unrelated.words,
        related=parts.unrelated.unless,
        real_words=real_words.load(),
        **parts.secrets.model_dump(),
    )
