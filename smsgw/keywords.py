"""The published configuration: keywords as posters print them, and the wordings of every reply."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from grammar import Grammar, Keyword, PosterError, Words
from handlers import HANDLERS, WORDINGS
from smsgw import replies
from smsgw.replies import Wording, WordingError

DEFAULT_BUDGET = 1
ENTRY_KEYS = {"poster", "aliases", "alone", "bare", "budget", "wordings"}


class KeywordsError(ValueError):
    """A configuration that cannot be published. Its text names every fault, one a line."""


@dataclass(frozen=True)
class Configuration:
    grammar: Grammar
    usage: Mapping[str, str]
    wordings: Mapping[str, Wording]
    budgets: Mapping[str, int]  # keyword id -> segments

    def budget(self, wording: str) -> int:
        return self.budgets.get(wording.partition(".")[0], DEFAULT_BUDGET)


@cache
def published() -> Configuration:
    return load(resources.files("smsgw").joinpath("seeds/keywords.yaml").read_text("utf-8"))


def load(text: str) -> Configuration:
    """Reads a YAML configuration. Raises KeywordsError."""
    try:
        document = yaml.safe_load(text)
        entries: Mapping[str, Mapping[str, Any]] = document["keywords"]
        words = Words(
            fillers=frozenset(document["fillers"]),
            labels={kind: tuple(labels) for kind, labels in document["labels"].items()},
        )
        shared: Mapping[str, Mapping[str, str]] = document["wordings"]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise KeywordsError(f"keywords, wordings, fillers and labels are needed: {error}") from None
    _raise_for([*_entry_faults(entries)])
    grammar = _grammar(entries, words)
    usage = {name: grammar.usage(name) for name in entries}
    budgets = {name: entry.get("budget", DEFAULT_BUDGET) for name, entry in entries.items()}
    texts = _texts({name: entry["wordings"] for name, entry in entries.items()}, shared)
    wordings, faults = {}, []
    for name, offered in WORDINGS.items():
        try:
            wordings[name] = _wording(texts.pop(name, None))
            budget = budgets.get(name.partition(".")[0], DEFAULT_BUDGET)
            replies.check(wordings[name], frozenset(offered), usage, budget)
        except WordingError as error:
            faults.append(f"{name}: {error}")
    _raise_for(faults + [f"{name}: no reply uses this wording" for name in texts])
    return Configuration(grammar, usage, wordings, budgets)


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


def _texts(*groups: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {
        f"{section}.{name}": text
        for group in groups
        for section, texts in group.items()
        for name, text in texts.items()
    }


def _wording(text: str | None) -> Wording:
    if text is None:
        raise WordingError("this wording is missing")
    return replies.parse(text)


def _raise_for(faults: list[str]) -> None:
    if faults:
        raise KeywordsError("\n".join(faults))
