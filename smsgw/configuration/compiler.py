"""Compiles the published configuration: keywords as posters print them, and every reply's
wordings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property, lru_cache

from grammar import Grammar, Keyword, PosterError, Words, poster
from handlers import DECLARED, WORDINGS, notification
from handlers.custom_keyword import FOUND
from handlers.question import CustomKeyword
from handlers.values import Value, Verbatim
from smsgw import logs
from smsgw.configuration import placeholders, validation
from smsgw.configuration import wording as replies
from smsgw.configuration.document import KEPT, Document, KeywordsError, Table
from smsgw.configuration.languages import FALLBACK, LANGUAGES, REQUIRED
from smsgw.configuration.recognition import EchoDetector
from smsgw.configuration.schema import DEFAULT_BUDGET, Entry, Texts
from smsgw.configuration.wording import ReplyError, Wording

log = logs.get(__name__)


@dataclass(frozen=True)
class Configuration:
    grammar: Grammar
    usage: Mapping[str, str]  # of the keywords in force
    wordings: Mapping[str, Mapping[str, Wording]]  # by language
    budgets: Mapping[str, int]  # keyword id -> segments
    terms: Mapping[str, Mapping[str, str]]  # by language: the ledger's words
    made: Mapping[str, CustomKeyword]  # what operators made without code
    asked: frozenset[str] = frozenset()  # ids of keywords that are asked first, in doubt
    version: int = 0

    @cached_property
    def own_words(self) -> EchoDetector:
        return EchoDetector(each for texts in self.wordings.values() for each in texts.values())

    def budget(self, wording: str) -> int:
        return self.budgets.get(wording.partition(".")[0], DEFAULT_BUDGET)

    def text(self, wording: str, values: Mapping[str, Value], language: str) -> str:
        """Returns a reply as it is sent. Raises ReplyError."""
        return replies.render(
            self.wording(wording, language),
            values,
            self.budget(wording),
            self.terms.get(self.language_of(wording, language), {}),
        )

    def wording(self, name: str, language: str) -> Wording:
        """Raises ReplyError."""
        try:
            return self.wordings[self.language_of(name, language)][name]
        except KeyError:
            raise ReplyError(f"no WORDINGS of a handler name {name}") from None

    def language_of(self, wording: str, language: str) -> str:
        """Returns the language in which a phone that chose `language` gets the wording."""
        return language if wording in self.wordings.get(language, {}) else FALLBACK


@dataclass(frozen=True, slots=True)
class Offer:
    """Holds the values that a wording is given. Of a table's columns it has the widest value and
    the first."""

    names: frozenset[str] = frozenset()
    widest: Mapping[str, Value] = field(default_factory=dict)
    ordinary: Mapping[str, Value] = field(default_factory=dict)
    always: frozenset[str] = frozenset()  # shown where they are given, also within a clause


@cache
def load_shipped() -> Configuration:
    return of(validation.load_shipped())


def load(text: str, day: date | None = None) -> Configuration:
    """Reads a YAML configuration; of `day`, or (None) as if all that is enabled were in force.
    Raises KeywordsError."""
    return of(validation.read(text), day)


def load_published(text: str, day: date) -> Configuration:
    """Reads what any version of this program published. Raises KeywordsError."""
    return of(validation.read_published(text), day)


def of(read: Document, day: date | None = None) -> Configuration:
    """Raises KeywordsError."""
    grammar = grammar_of(read.entries, read.words)  # all, so that clashes are found
    usage = {name: grammar.usage(name) for name in read.entries}
    budgets = {name: entry.budget for name, entry in read.entries.items()}
    wordings, faults = _wordings(read, usage)
    validation.raise_for(faults)
    in_force = entries_in_force(read, day)
    if in_force.keys() != read.entries.keys():
        grammar = grammar_of(in_force, read.words)
        usage = {name: grammar.usage(name) for name in in_force}
    made = {
        name: _custom_keyword(read, entry)
        for name, entry in in_force.items()
        if entry.kind is not None
    }
    asked = frozenset(name for name, each in in_force.items() if each.asked is not None)
    return Configuration(grammar, usage, wordings, budgets, read.terms, made, asked)


def entries_in_force(read: Document, day: date | None) -> dict[str, Entry]:
    """Returns the entries that are in force on `day`; for None, all that are enabled."""
    return {
        name: entry
        for name, entry in read.entries.items()
        if (entry.is_enabled if day is None else entry.is_in_force(day))
    }


def faults(read: Document) -> list[str]:
    """Returns all faults: those of wordings too if a poster cannot be read."""
    _, found = _wordings(read, usage_of(read))
    try:
        grammar_of(read.entries, read.words)
    except KeywordsError as error:
        return [*str(error).splitlines(), *found]
    return found


def usage_of(read: Document) -> dict[str, str]:
    """Returns the usage of each poster that can be read."""
    usage = {}
    for name, entry in read.entries.items():
        try:
            usage[name] = poster.read(entry.poster).usage
        except PosterError:
            continue
    return usage


def grammar_of(entries: Mapping[str, Entry], words: Words) -> Grammar:
    """Returns one grammar for documents that differ in their replies only. Raises
    KeywordsError."""
    keywords = tuple(
        Keyword(
            name,
            each.poster,
            each.aliases,
            alone=each.alone,
            bare=each.bare,
            leads=each.leads,
            asked=each.asked == "words",
            phrases=each.phrases,
            opt_outs=each.opt_outs,
            subscriptions=each.subscriptions,
            unless=each.unless,
        )
        for name, each in entries.items()
    )
    others = repr(replace(words, real_words=frozenset()))
    try:
        return _grammar(_Source(keywords, words.real_words, others, words))
    except PosterError as error:
        raise KeywordsError(str(error)) from None


@dataclass(frozen=True, slots=True)
class _Source:
    """Holds what a grammar is built from. `others` is the rest of the words as they are written, as
    the order of a mapping counts."""

    keywords: tuple[Keyword, ...]
    real_words: frozenset[str]
    others: str
    words: Words = field(compare=False)


@lru_cache(maxsize=KEPT)
def _grammar(source: _Source) -> Grammar:
    return Grammar(source.keywords, source.words)


def _wordings(
    read: Document, usage: Mapping[str, str]
) -> tuple[dict[str, dict[str, Wording]], list[str]]:
    """Reads the wordings, and collects what is wrong with them."""
    texts, offers = texts_of(read), list_offers(read)
    faults = [f"{name}: no reply uses this wording" for name in texts.keys() - offers.keys()]
    faults += placeholders.declared_twice(DECLARED)
    wordings: dict[str, dict[str, Wording]] = {language: {} for language in LANGUAGES}
    for name, offer in offers.items():
        entry = read.entries.get(name.partition(".")[0])
        budget = entry.budget if entry else DEFAULT_BUDGET
        for language in LANGUAGES:
            text = (texts.get(name) or {}).get(language)
            wrong = wording_faults(text, offer, usage, budget, is_required=language in REQUIRED)
            faults += [f"{name} ({language}): {each}" for each in wrong]
            if text and text.strip() and not wrong:
                wordings[language][name] = replies.parse(text)
    return wordings, faults


def wording_faults(
    text: str | None,
    offer: Offer,
    usage: Mapping[str, str],
    budget: int,
    *,
    is_required: bool = True,
) -> list[str]:
    if not text or not text.strip():
        return ["this wording is missing"] if is_required else []
    if offer.widest or offer.always:
        return replies.faults(text, offer.names, usage, budget, offer.widest, offer.always)
    return list(_faults(text, offer.names, tuple(usage.items()), budget))


@lru_cache(maxsize=4096)
def _faults(
    text: str, names: frozenset[str], usage: tuple[tuple[str, str], ...], budget: int
) -> tuple[str, ...]:
    """Keeps what was found: a draft differs from what is published in few of its wordings."""
    return tuple(replies.faults(text, names, dict(usage), budget))


def list_offers(read: Document) -> dict[str, Offer]:
    """Returns every wording that a reply may use, with the values that it is given."""
    offers = {name: _offer_of(name, values) for name, values in WORDINGS.items()}
    for name, entry in read.entries.items():
        if entry.kind is not None:
            offers |= {f"{name}.{each}": Offer() for each in entry.wordings}
        if entry.table is not None:
            offers[f"{name}.{FOUND}"] = _offer(read.tables[entry.table])
    return offers


def _offer_of(name: str, values: tuple[str, ...]) -> Offer:
    is_notification = name.startswith(f"{notification.SECTION}.")
    always = notification.ALWAYS if is_notification else frozenset[str]()
    return Offer(frozenset(values), always=always)


def texts_of(read: Document) -> dict[str, Texts]:
    """Returns the texts by section and name, such as saldo.balance."""
    groups = ({name: entry.wordings for name, entry in read.entries.items()}, read.shared)
    return {
        f"{section}.{name}": text
        for group in groups
        for section, texts in group.items()
        for name, text in texts.items()
    }


def _offer(table: Table) -> Offer:
    first = next(iter(table.rows.values()))
    return Offer(
        frozenset(table.columns),
        widest={each: Verbatim(table.widest(each)) for each in table.columns},
        ordinary={each: Verbatim(cell) if cell else None for each, cell in first.items()},
    )


def _custom_keyword(read: Document, entry: Entry) -> CustomKeyword:
    return CustomKeyword(entry.topics, read.tables[entry.table].rows if entry.table else None)
