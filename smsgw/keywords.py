"""The published configuration: keywords as posters print them, and the wordings of every reply."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from math import inf
from threading import Lock
from typing import Any

import yaml

from grammar import Grammar, Keyword, PosterError, Service, Words
from handlers import HANDLERS, WORDINGS
from handlers.question import Value
from smsgw import logs, replies
from smsgw.replies import OwnWords, Wording, WordingError

log = logs.get(__name__)

DEFAULT_BUDGET = 1
LANGUAGES = ("id", "en")
Texts = Mapping[str, str]  # by language
ENTRY_KEYS = {"poster", "aliases", "alone", "bare", "budget", "wordings"}


class KeywordsError(ValueError):
    """A configuration that cannot be published. Its text names every fault, one a line."""


@dataclass(frozen=True)
class Configuration:
    grammar: Grammar
    usage: Mapping[str, str]
    wordings: Mapping[str, Mapping[str, Wording]]  # by language
    budgets: Mapping[str, int]  # keyword id -> segments
    terms: Mapping[str, Mapping[str, str]]  # by language: the ledger's words

    @cached_property
    def own_words(self) -> OwnWords:
        return OwnWords(each for texts in self.wordings.values() for each in texts.values())

    def budget(self, wording: str) -> int:
        return self.budgets.get(wording.partition(".")[0], DEFAULT_BUDGET)

    def text(self, wording: str, values: Mapping[str, Value], language: str) -> str:
        """A reply as it is sent."""
        return replies.render(
            self.wordings[language][wording],
            values,
            self.budget(wording),
            self.terms.get(language, {}),
        )


class Published:
    """The configuration that answers. `newer` gives the version that was published since one it is
    told, with its text."""

    def __init__(
        self, newer: Callable[[int], tuple[int, str] | None] = lambda _: None, lasts: float = inf
    ) -> None:
        """`lasts`: seconds after which `refresh` asks again."""
        self._newer = newer
        self._lasts = lasts
        self._until = 0.0
        self._lock = Lock()
        self.version = 0
        self.configuration = shipped()

    def refresh(self) -> None:
        """Learns of what was published meanwhile, where it was not asked of late. What cannot be
        read is told, and what answered before goes on."""
        if time.monotonic() < self._until or not self._lock.acquire(blocking=False):
            return
        try:
            found = self._newer(self.version)
            self._until = time.monotonic() + self._lasts
            if found is not None:
                self._take(*found)
        finally:
            self._lock.release()

    def _take(self, version: int, text: str) -> None:
        try:
            self.configuration, self.version = load(text), version
        except KeywordsError as error:
            log.error("a published configuration cannot be read", version=version, why=str(error))


@cache
def shipped() -> Configuration:
    return load(shipped_text())


def shipped_text() -> str:
    return resources.files("smsgw").joinpath("seeds/keywords.yaml").read_text("utf-8")


def load(text: str) -> Configuration:
    """Reads a YAML configuration. Raises KeywordsError."""
    try:
        document = yaml.safe_load(text)
        entries: Mapping[str, Mapping[str, Any]] = document["keywords"]
        words = _words(document)
        shared: Mapping[str, Mapping[str, Texts]] = document["wordings"]
        terms: Mapping[str, Mapping[str, str]] = document.get("terms", {})
    except yaml.YAMLError as error:
        raise KeywordsError(f"this is no YAML: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        lacks = f"; {error} is missing" if isinstance(error, KeyError) else ""
        raise KeywordsError(f"keywords, wordings, fillers and labels are needed{lacks}") from None
    _raise_for([*_entry_faults(entries)])
    grammar = _grammar(entries, words)
    usage = {name: grammar.usage(name) for name in entries}
    budgets = {name: entry.get("budget", DEFAULT_BUDGET) for name, entry in entries.items()}
    texts = _texts({name: entry["wordings"] for name, entry in entries.items()}, shared)
    wordings: dict[str, dict[str, Wording]] = {language: {} for language in LANGUAGES}
    faults = [f"{name}: no reply uses this wording" for name in texts.keys() - WORDINGS.keys()]
    for name, offered in WORDINGS.items():
        budget = budgets.get(name.partition(".")[0], DEFAULT_BUDGET)
        for language in LANGUAGES:
            try:
                wording = _wording(texts.get(name), language)
                replies.check(wording, frozenset(offered), usage, budget)
            except WordingError as error:
                faults.append(f"{name} ({language}): {error}")
            else:
                wordings[language][name] = wording
    _raise_for(faults)
    return Configuration(grammar, usage, wordings, budgets, terms)


def _words(document: Mapping[str, Any]) -> Words:
    secrets = document.get("secrets", {})
    return Words(
        fillers=frozenset(document["fillers"]),
        labels={kind: tuple(labels) for kind, labels in document["labels"].items()},
        courtesy=frozenset(document.get("courtesy", ())),
        choices={
            kind: {str(value): tuple(words) for value, words in values.items()}
            for kind, values in document.get("choices", {}).items()
        },
        services=tuple(
            Service(**{**service, "words": tuple(service.get("words", ()))})
            for service in document.get("services", ())
        ),
        either={
            word: (first, second) for word, (first, second) in document.get("either", {}).items()
        },
        pins=tuple(secrets.get("pins", ())),
        mothers=tuple(secrets.get("mothers", ())),
        banking=tuple(secrets.get("banking", ())),
    )


def _entry_faults(entries: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in HANDLERS.keys() - entries.keys():
        yield f"{name}: this keyword has no entry"
    for name, entry in entries.items():
        if name not in HANDLERS:
            yield f"{name}: no such keyword; there are {', '.join(HANDLERS)}"
        for key in entry.keys() - ENTRY_KEYS:
            yield f"{name}: {key} is not known here"
        for key in {"poster", "wordings"} - entry.keys():
            yield f"{name}: {key} is missing"
        for alias in entry.get("aliases", ()):
            if not isinstance(alias, str):
                yield f"{name}: put the alias for {alias} in quotes; YAML reads it as no word"


def _grammar(entries: Mapping[str, Mapping[str, Any]], words: Words) -> Grammar:
    try:
        return Grammar(
            [
                Keyword(
                    id=name,
                    poster=entry["poster"],
                    aliases=tuple(entry.get("aliases", ())),
                    alone=entry.get("alone", False),
                    bare=entry.get("bare"),
                )
                for name, entry in entries.items()
            ],
            words,
        )
    except PosterError as error:
        raise KeywordsError(str(error)) from None


def _texts(*groups: Mapping[str, Mapping[str, Texts]]) -> dict[str, Texts]:
    return {
        f"{section}.{name}": text
        for group in groups
        for section, texts in group.items()
        for name, text in texts.items()
    }


def _wording(texts: Texts | None, language: str) -> Wording:
    if not texts or language not in texts:
        raise WordingError("this wording is missing")
    return replies.parse(texts[language])


def _raise_for(faults: list[str]) -> None:
    if faults:
        raise KeywordsError("\n".join(faults))
