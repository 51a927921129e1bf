"""Groups unrecognised texts by shape, and proposes how the draft could recognise them.

    shape ::= { word | … | # }      … words that fewer than SEVERAL phones wrote, # a number

Fillers and thanks are set aside, and a shape that fewer than SEVERAL phones wrote is not shown, so
nothing of a single person is: no name, no number, no story.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from itertools import groupby, islice, takewhile
from typing import Any

from sqlalchemy import Row, select, tuple_

from grammar import Command, Grammar, Misread, Reason, normalise
from grammar.compiled import LONGEST_ALIAS
from grammar.suggest import similar
from handlers import CHANGING
from handlers.question import Outcome
from smsgw.backoffice.concept_proposals import ConceptMatcher, ConceptProposal, ConceptWord
from smsgw.configuration import compiler, lint, validation
from smsgw.configuration.document import Document, RawDocument
from smsgw.runtime import Runtime
from smsgw.storage.tables.messages import messages
from smsgw.storage.tables.sealed import ROW
from smsgw.storage.tables.security import Ciphertext
from smsgw.storage.transaction import Transaction

NEWEST = 10_000  # messages; most of a second's work
MIN_PHONES = 3  # phones
SHOWN = 20  # shapes
LOOKED_THROUGH = 200  # shapes, for those that the draft does not understand yet
READ_OF_EACH = 50  # texts of a shape, the commonest
HIDDEN, A_NUMBER = "…", "#"
SHORTEST_HINT = 4  # letters of a word that tells a keyword
LIKE = 0.7  # from 0 to 1, for two words that begin alike to be the same: DUITNYA, DUIT
LONGEST_SAID = 80  # characters
MAX_ID = 2**62  # no id is so high
_TOKEN = re.compile(r"[^\W_]+")
_WORD = re.compile(r"[^\W\d_]+")


class NotAccepted(Exception):
    """Says why nothing was changed."""


@dataclass(frozen=True, slots=True)
class Alias:
    """Proposes another way to write a keyword."""

    words: str
    keyword: str | None
    is_alias = True


@dataclass(frozen=True, slots=True)
class Filler:
    """Proposes a word to ignore; without it the text is read as `keyword`."""

    words: str
    keyword: str | None = None
    is_alias = False


@dataclass(frozen=True, slots=True)
class TextShape:
    tokens: tuple[str, ...]
    messages: int
    phones: int
    proposal: Alias | Filler
    concepts: Sequence[ConceptProposal] = ()  # that one of its words may join, the best first

    @property
    def text(self) -> str:
        """Returns what of it can be said by anybody."""
        return " ".join(each for each in self.tokens if _WORD.fullmatch(each))


@dataclass(frozen=True, slots=True)
class UnrecognisedShapes:
    shapes: Sequence[TextShape]
    messages: int  # that were looked at
    is_cut: bool  # there are older ones
    others: int  # messages of shapes that are not shown


Change = Alias | Filler | ConceptWord
Texts = Mapping[str, Sequence[int]]  # normal form -> the phones of its messages


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads messages by a configuration that is to understand what was not understood."""

    grammar: Grammar
    document: Document


def reader(raw: RawDocument) -> Reader:
    """Returns what reads by a configuration. Raises KeywordsError."""
    read = validation.of(raw)
    return Reader(compiler.of(read).grammar, read)


def gather(rt: Runtime, since: datetime, by: Reader, most: int = NEWEST) -> UnrecognisedShapes:
    """Gathers unrecognised messages. `by` reads by the configuration that is to understand them,
    `most` is how many of the newest messages to read."""
    grammar, read = by.grammar, by.document
    with rt.reading() as tx:
        rows = _rows(tx, since, most)
        texts = [_text(tx, row) for row in rows[:most]]
    aside = read.words.fillers | read.words.courtesy
    shapes, hints = _by_shape([row.phone_id for row in rows], texts, aside), _hints(read)
    matcher, wrote = ConceptMatcher(read), _phones_of_words(shapes)
    found = [
        TextShape(
            tokens,
            *_count(left),
            _proposal(grammar, hints, aside, tokens, left),
            matcher.propose(tokens, [*islice(left, READ_OF_EACH)], wrote),
        )
        for tokens, left in islice(_unread_shapes(grammar, shapes), SHOWN)
    ]
    others = len(texts) - sum(each.messages for each in found)
    return UnrecognisedShapes(found, len(texts), len(rows) > most, others)


def accept(raw: RawDocument, change: Change, phrase: str) -> tuple[RawDocument, str]:
    """Returns a configuration with that change, and the keyword that `said` is read as by it.
    Raises NotAccepted."""
    few = 1 if isinstance(change, Filler) else LONGEST_ALIAS
    if not phrase or not 1 <= len(change.words.split()) <= few:
        raise NotAccepted(f"1 to {few} words of letters only are needed")
    changed = _apply(raw, change)
    found = lint.of(changed)
    if found.publishable is None:
        raise NotAccepted("\n".join(found.faults))
    read = compiler.of(found.publishable).grammar.parse(phrase)
    keyword = change.keyword if isinstance(change, Alias) else read.keyword
    if keyword is None or read.keyword != keyword:
        raise NotAccepted(f"{phrase}: {read.keyword or Outcome.UNKNOWN}")
    return changed, keyword


def words_of(text: str) -> str:
    """Returns the words as they are read; "" if there is something else than words, or too many."""
    words = normalise(text).split()
    return " ".join(words) if all(map(_WORD.fullmatch, words)) and len(text) <= LONGEST_SAID else ""


def _text(tx: Transaction, row: Row[*tuple[Any, ...]]) -> str:
    return tx.opened(row.text, Ciphertext.MESSAGE, row.id, row.carrier, row.carrier_ref) or ""


def _rows(tx: Transaction, since: datetime, most: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Returns the newest unrecognised messages, and one more if there are more. It reads one range
    of an index, which holds outcomes together."""
    at = messages.c.received_at
    oldest = select(messages.c.id).where(at >= since).order_by(at).limit(1)
    begins = tx.connection.execute(oldest).scalar()
    if begins is None:
        return []
    key = tuple_(messages.c.outcome, messages.c.id)
    first, last = (tuple_(str(Outcome.UNKNOWN), each) for each in (begins, MAX_ID))
    rows = (
        select(messages.c.id, messages.c.phone_id, messages.c.text, *ROW[Ciphertext.MESSAGE])
        .where(key >= first, key <= last, messages.c.text.is_not(None))
        .order_by(messages.c.outcome.desc(), messages.c.id.desc())
        .limit(most + 1)
    )
    return tx.connection.execute(rows).all()


def _by_shape(
    phones: Sequence[int], texts: Sequence[str], aside: frozenset[str]
) -> Mapping[tuple[str, ...], Texts]:
    normal = [normalise(text) for text in texts]
    read = [_tokens(text, aside) for text in normal]
    wrote: dict[str, set[int]] = {}
    for phone, tokens in zip(phones, read, strict=False):
        for token in tokens:
            wrote.setdefault(token, set()).add(phone)
    known = {A_NUMBER} | {token for token, by in wrote.items() if len(by) >= MIN_PHONES}
    shapes: dict[tuple[str, ...], dict[str, list[int]]] = {}
    for phone, text, tokens in zip(phones, normal, read, strict=False):
        shapes.setdefault(_mask(tokens, known), {}).setdefault(text, []).append(phone)
    return shapes


def _tokens(text: str, aside: frozenset[str]) -> list[str]:
    tokens = _TOKEN.findall(text)
    shown = [
        token if _WORD.fullmatch(token) else A_NUMBER for token in tokens if token not in aside
    ]
    return [token for token, _ in groupby(shown)]


def _phones_of_words(shapes: Mapping[tuple[str, ...], Texts]) -> Mapping[str, int]:
    """Counts the phones that wrote each word that is shown."""
    phones: dict[str, set[int]] = {}
    for tokens, texts in shapes.items():
        wrote = {phone for by in texts.values() for phone in by}
        for token in tokens:
            phones.setdefault(token, set()).update(wrote)
    return {token: len(wrote) for token, wrote in phones.items()}


def _mask(tokens: Sequence[str], known: set[str]) -> tuple[str, ...]:
    shown = (token if token in known else HIDDEN for token in tokens)
    return tuple(token for token, _ in groupby(shown))


def _unread_shapes(
    grammar: Grammar, shapes: Mapping[tuple[str, ...], Texts]
) -> Iterator[tuple[tuple[str, ...], Texts]]:
    """Yields the commonest shapes first, without texts that the draft recognises. A shape without a
    word says nothing."""
    wanted = [item for item in shapes.items() if any(map(_WORD.fullmatch, item[0]))]
    several = [item for item in wanted if _count(item[1])[1] >= MIN_PHONES]
    several.sort(key=lambda item: -_count(item[1])[0])
    for tokens, texts in several[:LOOKED_THROUGH]:
        left = dict(sorted(texts.items(), key=lambda item: -len(item[1])))
        for text in [*islice(left, READ_OF_EACH)]:
            if not _is_unknown(grammar, text):
                del left[text]
        if _count(left)[1] >= MIN_PHONES:
            yield tokens, left


def _count(texts: Texts) -> tuple[int, int]:
    """Counts messages and phones."""
    return sum(map(len, texts.values())), len({phone for by in texts.values() for phone in by})


def _is_unknown(grammar: Grammar, text: str) -> bool:
    parsed = grammar.parse(text)
    return isinstance(parsed, Misread) and parsed.reason is Reason.UNKNOWN


def _proposal(
    grammar: Grammar,
    hints: Mapping[str, str],
    aside: frozenset[str],
    tokens: tuple[str, ...],
    texts: Texts,
) -> Alias | Filler:
    """Proposes no keyword if a word names one that changes something."""
    words = [each for each in tokens if _WORD.fullmatch(each)]
    hinted = [_hint(hints, word) for word in words]
    is_safe = CHANGING.isdisjoint(hinted)
    if len(words) == len(tokens) and is_safe:
        filler = next(_fillers(grammar, words), None)
        if filler is not None:
            return filler
    alias = _together(next(iter(texts)), frozenset(words), aside)
    keyword = next(filter(None, (_hint(hints, word) for word in alias.split())), None)
    return Alias(alias, keyword if is_safe else None)


def _together(text: str, words: frozenset[str], aside: frozenset[str]) -> str:
    """Returns as many adjacent words as an alias may have: an alias is found only as it is
    written."""
    written, best = _TOKEN.findall(text), list[str]()
    for start, first in enumerate(written):
        if first in words:
            run = written[start : start + LONGEST_ALIAS]
            run = list(takewhile(lambda each: each in words or each in aside, run))
            while run[-1] in aside:
                run.pop()
            best = max(best, run, key=lambda each: len(words.intersection(each)))
    return " ".join(best)


def _fillers(grammar: Grammar, words: Sequence[str]) -> Iterator[Filler]:
    """Yields words without which the rest is recognised, unless the guess would change
    something."""
    for index, word in enumerate(words):
        parsed = grammar.parse(" ".join((*words[:index], *words[index + 1 :])))
        if isinstance(parsed, Command) and parsed.word and parsed.keyword not in CHANGING:
            yield Filler(word, parsed.keyword)


def _hints(read: Document) -> Mapping[str, str]:
    """Returns words that point to a keyword, although they are not enough to write it. One of
    several keywords points to none, unless one of them changes something."""
    owners: dict[str, set[str]] = {}
    for name, entry in read.entries.items():
        for alias in (entry.poster.partition("<")[0], *entry.aliases):
            for word in _WORD.findall(normalise(alias)):
                owners.setdefault(word, set()).add(name)
    return {
        word: min(names & CHANGING or names)
        for word, names in owners.items()
        if (len(names) == 1 or names & CHANGING)
        and len(word) >= SHORTEST_HINT
        and word not in read.words.fillers
    }


def _hint(hints: Mapping[str, str], word: str) -> str | None:
    if len(word) < SHORTEST_HINT:
        return None
    same = [word] if word in hints else similar(word, hints)
    found = same or get_close_matches(word, [each for each in hints if each[0] == word[0]], 1, LIKE)
    return hints[found[0]] if found else None


def _apply(raw: RawDocument, change: Change) -> RawDocument:
    """Raises NotAccepted."""
    try:
        if isinstance(change, Filler):
            return {**raw, "fillers": [*raw["fillers"], change.words]}
        if isinstance(change, ConceptWord):
            concepts = raw["concepts"]
            words = [*dict.fromkeys((*concepts[change.concept], change.words))]
            return {**raw, "concepts": {**concepts, change.concept: words}}
        keywords = raw["keywords"]
        entry = keywords[change.keyword]
        aliases = [*dict.fromkeys((*entry.get("aliases", ()), change.words))]
        return {**raw, "keywords": {**keywords, change.keyword: {**entry, "aliases": aliases}}}
    except (KeyError, TypeError, AttributeError):
        raise NotAccepted("the draft has errors; fix them first") from None
