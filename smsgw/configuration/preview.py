"""Shows what a keyword's replies will look like and cost while they are being written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from handlers.values import Term, Value
from smsgw import gsm7
from smsgw.configuration import compiler, lint, placeholders, wording
from smsgw.configuration.compiler import Configuration, Offer
from smsgw.configuration.document import RawDocument
from smsgw.configuration.languages import LANGUAGES
from smsgw.configuration.schema import DEFAULT_BUDGET
from smsgw.configuration.wording import Wording, WordingError

DOUBLE, WIDE = "double", "wide"  # what a letter costs: two places, or 16 bits for all letters
PER_REPLIES = 1000


@dataclass(frozen=True, slots=True)
class CostRun:
    """Holds letters that cost the same; `costs` is "" if that is what letters usually cost."""

    text: str
    costs: str

    @property
    def instead(self) -> str:
        """Returns what costs nothing more."""
        return gsm7.to_gsm7(self.text)


@dataclass(frozen=True, slots=True)
class RenderedReply:
    count: gsm7.Count
    budget: int
    runs: tuple[CostRun, ...]
    dropped: tuple[str, ...]  # clauses, as they are written
    rupiah: int  # for a thousand of them

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.runs)

    @property
    def room(self) -> int:
        """Returns the units that fit the budget."""
        return gsm7.room(self.count.encoding, self.budget)

    @property
    def is_over(self) -> bool:
        return self.count.segments > self.budget


@dataclass(frozen=True, slots=True)
class WordingPreview:
    """Shows one wording in one language, rendered unless it cannot be read at all."""

    fault: str | None = None
    costly: tuple[CostRun, ...] = ()  # letters of the wording itself, each once
    ordinary: RenderedReply | None = None
    widest: RenderedReply | None = None

    @property
    def is_dear(self) -> bool:
        rendered = (self.ordinary, self.widest)
        return bool(self.costly) or any(each is not None and each.is_over for each in rendered)


@dataclass(frozen=True, slots=True)
class Preview:
    own: tuple[str, ...] = ()  # faults of this section
    others: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    usage: str | None = None
    # By wording: what it may be given, as replies show it; and by language what it looks like.
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    wordings: Mapping[str, Mapping[str, WordingPreview]] = field(default_factory=dict)

    @property
    def dear(self) -> list[tuple[str, str]]:
        """Returns the wordings and languages that cost more than their budget."""
        return [
            (name, language)
            for name, languages in self.wordings.items()
            for language, each in languages.items()
            if each.is_dear
        ]

    @property
    def dearest(self) -> int:
        """Returns the highest cost in rupiah of a thousand replies."""
        all_ = (each for languages in self.wordings.values() for each in languages.values())
        return max((each.widest.rupiah for each in all_ if each.widest), default=0)


@dataclass(frozen=True, slots=True)
class _Section:
    """Holds what all wordings of a section have in common."""

    usage: Mapping[str, str]
    budget: int
    terms: Mapping[str, Mapping[str, str]]
    rupiah: int

    def preview(self, text: object, offer: Offer, language: str) -> WordingPreview:
        if not isinstance(text, str) or not text.strip():
            return WordingPreview()
        costly = tuple(dict.fromkeys(CostRun(each, cost) for each in text if (cost := _cost(each))))
        faults = compiler.wording_faults(text, offer, self.usage, self.budget)
        fault = "; ".join(faults) or None
        try:
            wording.structure(text)
        except WordingError:
            return WordingPreview(fault, costly)
        given = (
            placeholders.samples(self.usage, offer.ordinary),
            placeholders.widest(self.usage, offer.widest),
        )
        both = (self._render(text, values, language) for values in given)
        return WordingPreview(fault, costly, *both)

    def _render(self, text: str, values: Mapping[str, Value], language: str) -> RenderedReply:
        terms = self.terms.get(language, {})
        return _render(wording.structure(text), values, self.budget, terms, self.rupiah)


def of(raw: RawDocument, name: str, rupiah: int) -> Preview:
    """Previews the keyword or the shared section `name`. `rupiah`: the price of a segment."""
    found = lint.of(raw)
    own = tuple(each for each in found.faults if lint.is_about(each, name))
    others = tuple(each for each in found.faults if each not in own)
    read = found.read
    if read is None:
        return Preview(own, others)
    entry, usage = read.entries.get(name), compiler.usage_of(read)
    budget = entry.budget if entry else DEFAULT_BUDGET
    texts = entry.wordings if entry else read.shared.get(name, {})
    section = _Section(usage, budget, read.terms, rupiah)
    offers = {
        wording: offer
        for (owner, wording), offer in _by_owner(compiler.list_offers(read))
        if owner == name
    }
    return Preview(
        own,
        others,
        tuple(each for each in found.warnings if lint.is_about(each, name)),
        usage.get(name),
        {wording: _values(offer, usage) for wording, offer in offers.items()},
        {
            wording: {
                language: section.preview(texts.get(wording, {}).get(language), offer, language)
                for language in LANGUAGES
            }
            for wording, offer in offers.items()
        },
    )


def of_published(
    configuration: Configuration, section: str, rupiah: int, own: Mapping[str, Value]
) -> dict[str, dict[str, RenderedReply]]:
    """Renders the wordings of a section as they are sent, with `own` and usual values, by name and
    language."""
    values, budget = placeholders.samples(configuration.usage, own), configuration.budget(section)
    shown: dict[str, dict[str, RenderedReply]] = {}
    for language, wordings in configuration.wordings.items():
        terms = configuration.terms.get(language, {})
        for whole, each in wordings.items():
            owner, _, name = whole.partition(".")
            if owner == section:
                rendered = _render(each, values, budget, terms, rupiah)
                shown.setdefault(name, {})[language] = rendered
    return shown


def _render(
    text: Wording,
    values: Mapping[str, Value],
    budget: int,
    terms: Mapping[str, str],
    rupiah: int,
) -> RenderedReply:
    rendered = wording.render(text, values, budget, terms)
    count = gsm7.count(rendered)
    return RenderedReply(
        count=count,
        budget=budget,
        runs=tuple(_runs(rendered)),
        dropped=tuple(wording.dropped_clauses(text, values, budget, terms)),
        rupiah=count.segments * PER_REPLIES * rupiah,
    )


def _by_owner(offers: Mapping[str, Offer]) -> Iterator[tuple[tuple[str, str], Offer]]:
    for whole, offer in offers.items():
        owner, _, wording = whole.partition(".")
        yield (owner, wording), offer


def _values(offer: Offer, usage: Mapping[str, str]) -> dict[str, str]:
    given = placeholders.samples(usage, offer.ordinary)
    names = sorted(offer.names) + sorted(wording.EVERYWHERE)
    return {name: _as_shown(given.get(name)) for name in names}


def _as_shown(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Term):
        return value.word
    return value if isinstance(value, str) else placeholders.show(value)


def _runs(text: str) -> Iterator[CostRun]:
    return (CostRun("".join(letters), cost) for cost, letters in groupby(text, _cost))


def _cost(letter: str) -> str:
    if letter in "[]{}":  # of a wording: they are its notation, and none is left in a reply
        return ""
    if letter in gsm7.EXTENSION:
        return DOUBLE
    return "" if letter in gsm7.BASIC else WIDE
