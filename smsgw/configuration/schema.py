"""Describes the parts of a document of keywords, as they may be written."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from grammar import normalise

AN_ID = re.compile(r"[a-z][a-z0-9_]{1,19}")
DEFAULT_BUDGET, MOST_SEGMENTS = 1, 4
STATIC, LOOKUP = "static", "lookup"

# When a keyword that changes something is asked first: with a slip in it, or with other words
# around it too.
Asked = Literal["slips", "words"]
Kind = Literal["static", "lookup"]


def key_of(cell: str) -> str:
    """Normalises a text as the first column of a table is looked up in a message."""
    return " ".join(re.findall(r"\w+", normalise(cell)))


def _a_list(value: object) -> object:
    """Makes a tuple of a list, which YAML has; strict mode makes one of nothing else."""
    return tuple(value) if isinstance(value, list) else value


ListOf = BeforeValidator(_a_list)
Texts = Mapping[str, str]  # by language
TextList = Annotated[tuple[str, ...], ListOf]
Wordings = dict[str, dict[str, str]]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Entry(Part):
    """Describes a keyword."""

    poster: str
    wordings: Wordings
    aliases: TextList = ()
    alone: bool = False
    leads: bool = False
    asked: Asked | None = None
    phrases: TextList = ()
    opt_outs: TextList = ()
    subscriptions: TextList = ()
    unless: TextList = ()
    bare: str | None = None
    budget: int = Field(DEFAULT_BUDGET, ge=1, le=MOST_SEGMENTS)
    is_enabled: bool = Field(True, alias="enabled")
    since: date | None = Field(None, alias="from")
    until: date | None = None
    kind: Kind | None = None  # of one that an operator made
    topics: dict[str, Annotated[tuple[Annotated[str, AfterValidator(key_of)], ...], ListOf]] = {}
    table: str | None = None

    def is_in_force(self, day: date) -> bool:
        started = self.since is None or self.since <= day
        return self.is_enabled and started and (self.until is None or day <= self.until)


class AnotherService(Part):
    """Describes another public service whose messages arrive here by mistake."""

    name: str
    contact: str | None = None
    words: TextList = ()
    digits: int | None = None
    niks: int | None = None
    anywhere: TextList = ()


class Secrets(Part):
    model_config = ConfigDict(extra="ignore")

    pins: TextList = ()
    passwords: TextList = ()
    mothers: TextList = ()
    banking: TextList = ()


class Answers(Part):
    """Describes what answers an open question."""

    yes: TextList = ()
    no: TextList = ()
    unsure: TextList = ()
    with_yes: TextList = ()
    with_no: TextList = ()
    with_choice: TextList = ()
    letters: dict[str, TextList] = {}
    signs: dict[str, Literal["ya", "tidak"]] = {}


class TopicPart(Part):
    """Describes what concepts mean together."""

    means: str
    needs: Annotated[TextList, Field(min_length=1)]
    any: TextList = ()
    without: TextList = ()
    hit: str
    miss: str


class UnrelatedWords(Part):
    """Describes words of matters that are none of ours."""

    words: TextList = ()
    unless: TextList = ()


class Parts(Part):
    """Describes a document, apart from each keyword and each table."""

    keywords: dict[Any, Any]
    tables: dict[Any, Any] = {}
    fillers: TextList
    courtesy: TextList = ()
    with_courtesy: TextList = ()
    doubts: TextList = ()
    addressed: TextList = ()
    signatures: TextList = ()
    labels: dict[str, TextList]
    choices: dict[str, dict[str, TextList]] = {}
    either: dict[str, Annotated[tuple[str, str], ListOf]] = {}
    secrets: Secrets = Secrets()
    services: Annotated[tuple[AnotherService, ...], ListOf] = ()
    answers: Answers = Answers()
    concepts: dict[str, TextList] = {}
    topics: dict[str, TopicPart] = {}
    everyday: TextList = ()
    function_words: TextList = ()
    unrelated: UnrelatedWords = UnrelatedWords()
    terms: dict[str, dict[str, str]] = {}
    wordings: dict[str, Wordings]
    reviewed: TextList = ()


class TableShape(Part):
    model_config = ConfigDict(extra="ignore")

    columns: TextList = ()
    rows: Annotated[tuple[Annotated[tuple[Any, ...], ListOf], ...], ListOf] = ()


def keys_of(part: type[Part]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in part.model_fields.items())


ALL_NEED = tuple(name for name, field in Parts.model_fields.items() if field.is_required())
