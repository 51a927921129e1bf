"""Changes the shipped configuration, smsgw/configuration/seeds/keywords.yaml."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from tools.mutants import wordings
from tools.mutants.modules import CONFIGURATION_TESTS
from tools.mutants.mutant import (
    KEYWORDS,
    MONEY,
    ROOT,
    SAFETY,
    STRUCTURE,
    WORDS,
    Mutant,
    with_number,
)
from tools.mutants.source import DROPPED, Path, Source

Raw = dict[str, Any]

# Wordings that keep people safe, and those that tell of money: a section, or one wording of it.
SAFE = {"kode", "bukan_saya", "ganti_hp", "stop", "notif", "hapus_data", "officer"} | {
    "daftar.pending",
    "info.fraud",
    "misread.secret",
    "tidak.refused",
    "disclosure.ask",
    "disclosure.not_linked",
    "disclosure.not_registered",
    "disclosure.locked",
    "disclosure.replaced",
    "disclosure.code",
}
PAID = {"saldo", "iuran", "jp", "klaim.paid", "ya.bound", "ya.bound_no_balance"} | {
    "info.jht",
    "info.jkk",
    "info.jkm",
    "info.jp",
    "info.rates",
}
SHAPE = {"clause", "order"}  # kinds of changes of a wording that leave what it says
AGREEMENT = ("OK", "OKE", "SIAP", "BAIK")  # people say these of anything; YA must not mean them
A_SLOT = re.compile(r"<([^>]*)>")
REQUIRED = re.compile(r"(?<!\[)([#*,/ ]?<[^>]*>)")


@dataclass(frozen=True, slots=True)
class Change:
    """Puts `value` at `path`. `name` tells the path by words, where it has an index."""

    path: Path
    value: object
    kind: str
    group: str
    what: str
    name: str
    hints: tuple[str, ...]


def mutants() -> Iterator[Mutant]:
    """Yields also mutants that `smsgw keywords check` would refuse."""
    source = Source((ROOT / KEYWORDS).read_text("utf-8"))
    counts: dict[str, int] = {}
    for change in _changes(source.read()):
        yield Mutant(
            id=with_number(f"{change.name}:{change.kind}", counts),
            group=change.group,
            path=KEYWORDS,
            line=source.line(change.path),
            what=f"{change.name}: {change.what}",
            text=partial(source.edited, change.path, change.value),
            hints=change.hints,
            tests=CONFIGURATION_TESTS[change.group],
        )


def _changes(raw: Raw) -> Iterator[Change]:
    for name, entry in raw["keywords"].items():
        yield from _of_keyword(name, entry)
        yield from _of_wordings(("keywords", name, "wordings"), name, entry["wordings"])
    for section, texts in raw["wordings"].items():
        yield from _of_wordings(("wordings", section), section, texts)
    for key in ("fillers", "courtesy", "labels", "choices", "either"):
        yield from _words(raw[key], (key,), WORDS)
    yield from _words(raw["secrets"], ("secrets",), SAFETY)
    yield from _of_services(raw["services"])
    for language, terms in raw["terms"].items():
        yield from _of_terms(("terms", language), terms)


def _of_keyword(name: str, entry: Raw) -> Iterator[Change]:
    path = ("keywords", name)
    about = (f"keyword: {name}",)
    yield from _words(entry["aliases"], (*path, "aliases"), WORDS)
    for key in ("alone", "bare", "budget"):
        if key in entry:
            what = f"{key}: {entry[key]} -> dropped"
            yield Change((*path, key), DROPPED, "dropped", STRUCTURE, what, f"{name}.{key}", about)
    for kind, poster in _posters(entry["poster"]):
        what = f"{entry['poster']} -> {poster}"
        yield Change((*path, "poster"), poster, kind, STRUCTURE, what, f"{name}.poster", about)
    if name == "ya":
        for word in AGREEMENT:
            value = [*entry["aliases"], word]
            whole = (*path, "aliases")
            hints = (word, *about)
            yield Change(whole, value, "added", SAFETY, f"has {word}", f"ya.aliases.{word}", hints)


def _posters(poster: str) -> Iterator[tuple[str, str]]:
    """Yields (kind, poster): optional slots left out, and neighbouring slots exchanged."""
    for found in REQUIRED.finditer(poster):
        optional = f"[{found[0].strip()}]"
        space = " " if found[0].startswith(" ") else ""
        yield "optional", poster[: found.start()] + space + optional + poster[found.end() :]
    slots = A_SLOT.findall(poster)
    for index in range(len(slots) - 1):
        order = [*slots[:index], slots[index + 1], slots[index], *slots[index + 2 :]]
        between = A_SLOT.split(poster)[::2]
        pairs = zip(between, (*(f"<{slot}>" for slot in order), ""), strict=True)
        yield "slots", "".join(part for pair in pairs for part in pair)


def _of_wordings(path: Path, section: str, texts: Raw) -> Iterator[Change]:
    for name, languages in texts.items():
        wording = f"{section}.{name}"
        content = _group(section, wording)
        for language, text in languages.items():
            hints = (_longest(text), wording, f"keyword: {section}")
            for kind, edited, what in wordings.edits(text):
                group = STRUCTURE if kind in SHAPE else SAFETY if kind == "turned" else content
                place = f"{wording}.{language}"
                yield Change((*path, name, language), edited, kind, group, what, place, hints)


def _group(section: str, wording: str) -> str:
    if {section, wording} & SAFE:
        return SAFETY
    return MONEY if {section, wording} & PAID else WORDS


def _words(node: Any, path: Path, group: str) -> Iterator[Change]:
    """Leaves out each entry of a list; of a mapping, goes through all that is in it."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _words(value, (*path, key), group)
            if path == ("either",):
                name = f"either.{key}"
                yield Change((*path, key), DROPPED, "dropped", group, "dropped", name, (key,))
        return
    if path[0] == "either":
        return  # two words are needed
    place = ".".join(map(str, path)).removeprefix("keywords.")
    for index, word in enumerate(node):
        hints = (word, word.replace("_", " "))
        what = f"{word} -> dropped"
        yield Change((*path, index), DROPPED, "dropped", group, what, f"{place}.{word}", hints)


def _of_services(services: list[Raw]) -> Iterator[Change]:
    for index, service in enumerate(services):
        name, path = service["name"], ("services", index)
        about = (name, "misdirected")
        yield Change(path, DROPPED, "dropped", WORDS, "dropped", f"services.{name}", about)
        for key in ("words", "anywhere"):
            yield from _words(service.get(key, ()), (*path, key), WORDS)
        for key in ("contact", "digits", "niks"):
            if key in service:
                value = type(service[key])(int(service[key]) + 1)
                what, place = f"{service[key]} -> {value}", f"services.{name}.{key}"
                yield Change((*path, key), value, "number", WORDS, what, place, about)


def _of_terms(path: Path, terms: dict[str, str]) -> Iterator[Change]:
    """Drops a term, or gives it the translation of the next one."""
    shown = list(terms.values())
    for index, (term, wording) in enumerate(terms.items()):
        other = shown[(index + 1) % len(shown)]
        place, hints = f"terms.{term}", (wording, term)
        yield Change((*path, term), DROPPED, "dropped", WORDS, "dropped", place, hints)
        yield Change((*path, term), other, "turned", WORDS, f"{wording} -> {other}", place, hints)


def _longest(text: str) -> str:
    """Returns the longest of the pieces that are sent as they stand."""
    return max((each.strip(" .,:;") for each in re.split(r"\{\w+\}|[\[\]]", text)), key=len)
