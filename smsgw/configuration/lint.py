"""Finds what is wrong with a configuration although every part of it can be read."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations

from grammar import Grammar, PosterError, poster
from grammar.suggest import SHORTEST, is_typo
from handlers import CHANGING
from smsgw.configuration import compiler, document, reviews, topic_lint, validation, wording
from smsgw.configuration.document import KEPT, Document, KeywordsError, RawDocument, Snapshot
from smsgw.configuration.languages import FALLBACK, OPTIONAL
from smsgw.configuration.schema import Entry, key_of
from smsgw.configuration.validation import ALWAYS
from smsgw.configuration.wording import WordingError

# A person who writes one of these wants no more SMS, whatever else is configured.
STOP_WORDS = {"STOP", "BERHENTI", "UNREG", "BATAL", "UNSUBSCRIBE"}
# Twilio answers these itself unless it is told not to, and they never arrive as a question.
CARRIERS_OWN = {"HELP", "INFO"}


@dataclass(frozen=True, slots=True)
class Findings:
    """Holds what was found. `faults` say why it may not be published, each in a sentence, and
    `warnings` what is worth a look. `read` is what can be read of it, with what is shipped in place
    of the rest."""

    faults: list[str]
    warnings: list[str]
    read: Document | None

    @property
    def publishable(self) -> Document | None:
        return None if self.faults else self.read


@dataclass(frozen=True, slots=True)
class LostValues:
    """Names values that a wording always showed, and does not always show any more."""

    place: str  # such as saldo.balance
    language: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(f"{{{name}}}" for name in self.names)
        return f"{self.place} ({self.language}) no longer always tells {names}"


@dataclass(frozen=True, slots=True)
class ActingWords:
    """Names words that now do what only others did."""

    words: str
    keyword: str

    def __str__(self) -> str:
        return f"{self.words} now changes something, as {self.keyword} does"


Doubt = LostValues | ActingWords


def check(text: str) -> Findings:
    """Checks a text that somebody brings from outside."""
    try:
        return of(document.loads(text))
    except KeywordsError as error:
        return Findings(str(error).splitlines(), [], None)


def doubts(old: Document, new: Document) -> list[Doubt]:
    """Returns what a person is asked about before `new` answers in place of `old`: it can be
    published, and may be a slip."""
    return [*_lost_values(old, new), *_acting_words(old, new)]


def of(raw: RawDocument) -> Findings:
    found = _of(Snapshot(repr(raw), raw))
    return Findings([*found.faults], [*found.warnings], found.read)


@lru_cache(maxsize=KEPT)
def _of(snapshot: Snapshot) -> Findings:
    """Keeps what was found: a draft is checked when it is saved, each time it is shown, and when it
    is published."""
    raw = snapshot.raw
    faults = validation.faults(raw)
    sound = validation.salvage(raw) if faults else raw
    try:
        read = validation.of(sound) if faults else validation.build(raw)
    except KeywordsError as error:
        return Findings([*faults, *str(error).splitlines()], [], None)
    owners = dict(_owners(read.entries))
    further = (
        *compiler.faults(read),
        *_stop_words(owners),
        *_missing_required(owners),
        *_letters(read),
        *_slips(owners),
        *_acting_within(read),
        *_shadowed_aliases(owners, read),
        *topic_lint.faults(read, None if faults else _grammar(read)),
    )
    replaced = _broken_keywords(raw, sound)
    faults += [each for each in further if not any(is_about(each, name) for name in replaced)]
    warnings = (
        *_carriers(owners),
        *_missing_optional(owners),
        *_dead_advice(read),
        *_untold_values(read),
        *unreviewed(read),
        *topic_lint.warnings(read),
    )
    return Findings(faults, list(warnings), read)


def _grammar(read: Document) -> Grammar | None:
    """Returns what reads by a document; nothing if keywords clash."""
    try:
        return compiler.grammar_of(read.entries, read.words)
    except KeywordsError:
        return None


def _lost_values(old: Document, new: Document) -> Iterator[LostValues]:
    now = compiler.texts_of(new)
    for place, texts in compiler.texts_of(old).items():
        for language, text in texts.items():
            later = now.get(place, {}).get(language)
            if later and later != text:
                names = sorted(_required_values(text) - _required_values(later))
                if names:
                    yield LostValues(place, language, tuple(names))


def _required_values(text: str) -> frozenset[str]:
    """Returns the values outside clauses, which may be dropped."""
    try:
        pieces = wording.structure(text).pieces
    except WordingError:  # of a version that was published under other rules
        return frozenset()
    return frozenset().union(*(each.names for each in pieces if not each.is_clause))


def _acting_words(old: Document, new: Document) -> Iterator[ActingWords]:
    before = dict(_owners(old.entries))
    for words, name in _owners(new.entries):
        if name in CHANGING and before.get(words) != name:
            yield ActingWords(words, name)


def is_about(fault: str, name: str) -> bool:
    """Tells whether it concerns that keyword or section."""
    own = re.escape(name)
    places = rf"^{own}[.:]|\({own}\)|\bto {own}\b|^table {own}[,:.]|\b{own}'s"
    return re.search(places, fault) is not None


def _broken_keywords(raw: RawDocument, sound: RawDocument) -> list[str]:
    """Returns keywords that are linted no further, as the shipped entry stands in for a broken
    one."""
    keywords = raw["keywords"] if isinstance(raw.get("keywords"), dict) else {}
    return [
        name
        for name, entry in sound["keywords"].items()
        if not isinstance(keywords.get(name), dict)
        or any(
            keywords[name].get(key) != entry.get(key) for key in ("poster", "aliases", "wordings")
        )
    ]


def _owners(entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Yields each way to write a keyword, with the keyword."""
    for name, entry in entries.items():
        for alias in (*_poster_keyword(entry.poster), *entry.aliases):
            yield key_of(alias), name


def _poster_keyword(text: str) -> list[str]:
    """Returns the keyword of a poster; nothing if the poster cannot be read."""
    try:
        return [poster.read(text).keyword]
    except PosterError:
        return []


@cache
def _shipped_words() -> Mapping[str, str]:
    """Returns the keyword of each shipped word."""
    entries = validation.load_shipped().entries
    return {poster.read(entry.poster).keyword: name for name, entry in entries.items()}


def _stop_words(owners: Mapping[str, str]) -> Iterator[str]:
    for word in sorted(STOP_WORDS):
        if owners.get(word) != "stop":
            has = f"belongs to {owners[word]}" if word in owners else "is missing"
            yield f"{word} {has}; whoever writes it wants no more SMS, so it must be stop's"


def _missing_required(owners: Mapping[str, str]) -> Iterator[str]:
    for word, name in _shipped_words().items():
        if name in ALWAYS and owners.get(word) != name:
            yield f"{name}: people depend on {word}; keep it as the poster or among the other words"


def _letters(read: Document) -> Iterator[str]:
    """Yields a warning for each one-letter word of a keyword that is read anywhere in a message."""
    for name, entry in read.entries.items():
        words = [] if entry.alone else [*_poster_keyword(entry.poster), *entry.aliases]
        for word in words:
            if len(key_of(word)) == 1:
                yield f"{name}: {word} is one letter, which stands in many other messages"


def _carriers(owners: Mapping[str, str]) -> Iterator[str]:
    for word in sorted(CARRIERS_OWN & owners.keys()):
        yield f"{owners[word]}: some carriers answer {word} themselves; ask yours to leave it to us"


def _missing_optional(owners: Mapping[str, str]) -> Iterator[str]:
    for word, name in _shipped_words().items():
        if name not in ALWAYS and owners.get(word) != name:
            yield f"{name}: posters and texts that are out say {word}, which it does not answer to"


def _dead_advice(read: Document) -> Iterator[str]:
    """Yields texts that tell people to send a keyword that does not exist."""
    enabled = {name: each for name, each in read.entries.items() if each.is_enabled}
    owners = dict(_owners(enabled))
    gone = [re.escape(word) for word in _shipped_words() if word not in owners]
    named = re.compile(rf"\b(?:{'|'.join(gone)})\b")
    for place, texts in compiler.texts_of(read).items() if gone else ():
        for language, text in texts.items():
            for word in dict.fromkeys(named.findall(text)):
                yield f"{place} ({language}): it says {word}, which no keyword answers to"


def _untold_values(read: Document) -> Iterator[str]:
    """Yields wordings in an optional language that do not tell all that the Indonesian one does."""
    for place, texts in compiler.texts_of(read).items():
        needed = _required_values(texts.get(FALLBACK, ""))
        for language in OPTIONAL:
            text = texts.get(language)
            missing = sorted(needed - _required_values(text)) if text else ()
            if missing:
                names = ", ".join(f"{{{name}}}" for name in missing)
                yield f"{place} ({language}): it does not always tell {names}, as {FALLBACK} does"


def unreviewed(read: Document) -> Iterator[str]:
    """Yields what nobody who speaks the language has confirmed, and what is confirmed in vain."""
    waiting: dict[str, list[str]] = {}
    every = reviews.texts_of(read)
    for mark in every.keys() - {*read.reviewed}:
        name, _, language = mark.rpartition(".")
        waiting.setdefault(language, []).append(name)
    for language, names in sorted(waiting.items()):
        yield (
            f"these wordings in {language} need a review by somebody who speaks it, who confirms "
            f"each in the console: {', '.join(sorted(names))}"
        )
    for mark in sorted({*read.reviewed} - every.keys()):
        yield f"reviewed: there is no wording {mark} in an optional language; take it off the list"


def _acting_within(read: Document) -> Iterator[str]:
    """Returns what changes something and would do so from within a sentence."""
    for name in CHANGING & read.entries.keys():
        entry = read.entries[name]
        if not entry.alone and entry.asked != "words":
            yield f"{name}: it changes something, so it is alone: true, or asked: words"


def _slips(owners: Mapping[str, str]) -> Iterator[str]:
    words = sorted(word for word in owners if " " not in word and len(word) >= SHORTEST)
    changing = {word for word in words if owners[word] in CHANGING}
    for one, other in combinations(words, 2):
        is_asked = one in changing or other in changing
        if is_asked and owners[one] != owners[other] and is_typo(one, other):
            yield (
                f"{one} ({owners[one]}) and {other} ({owners[other]}) are one slip apart, "
                "and one of them changes something"
            )


def _shadowed_aliases(owners: Mapping[str, str], read: Document) -> Iterator[str]:
    """Yields aliases that are never reached, because something else is looked for first."""
    phrases = [word for each in read.words.services for word in each.words]
    for alias, name in owners.items():
        if alias in read.words.either:
            yield f"{alias} ({name}) is never reached: it is asked about under either"
        for phrase in phrases:
            if f"{alias} ".startswith(f"{phrase} "):
                yield f"{alias} ({name}) is never reached: {phrase} belongs to another service"
