"""Reads transcripts, for checking and for updating. It is strict, and reports every fault by file,
line and column, with what was probably meant."""

import csv
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from smsgw.configuration import compiler
from smsgw.configuration.compiler import Configuration
from smsgw.configuration.document import KeywordsError
from smsgw.ledger.csv_import import reference_folder
from smsgw.transcripts import checks, explanation
from smsgw.transcripts.faults import TranscriptError, TranscriptFault
from smsgw.transcripts.format import (
    NULLABLE,
    Transcript,
)
from smsgw.transcripts.source import Place, Source

STDIN = "-"
KEY_MARK = "[key]"  # pydantic's, at the end of the place of a mapping's key


@dataclass(frozen=True)
class TranscriptDocument:
    """Holds a transcript that can be run, and where each part of it is."""

    name: str  # the file, as it was given
    transcript: Transcript
    source: Source
    configuration: Configuration
    ledger: Path  # folder
    published: Mapping[str, Configuration] = field(default_factory=dict)  # by file name
    published_ledgers: Mapping[str, Path] = field(default_factory=dict)  # by folder name
    files: frozenset[Path] = frozenset()  # keywords that it names
    folder: Path | None = None
    defaults: "Defaults" = field(default_factory=lambda: Defaults())

    def line(self, conversation: int, step: int | None = None) -> int:
        place: Place = ("conversations", conversation)
        return self.source.line(place if step is None else (*place, "steps", step))


@dataclass(frozen=True)
class Defaults:
    """Holds what files use that name no ledger or keywords of their own."""

    ledger: Path = field(default_factory=reference_folder)
    keywords: str | None = None  # the text of a configuration; None for the shipped one

    @property
    def configuration(self) -> Configuration:
        """Raises KeywordsError."""
        return compiler.load_shipped() if self.keywords is None else _load(self.keywords)

    def check(self) -> None:
        """Raises KeywordsError where the configuration cannot be used."""
        _ = self.configuration


@lru_cache(maxsize=8)
def _load(text: str) -> Configuration:
    return compiler.load(text)


def read(path: Path, defaults: Defaults | None = None) -> TranscriptDocument:
    """Reads a file, or - for standard input. Raises TranscriptError."""
    name = str(path)
    try:
        octets = sys.stdin.buffer.read() if name == STDIN else path.read_bytes()
    except OSError as error:
        raise TranscriptError(
            [TranscriptFault(name, 1, 1, f"cannot be read: {error.strerror}")]
        ) from None
    return parse(decode(octets, name), name, path.parent, defaults)


def reread(document: TranscriptDocument, text: str) -> TranscriptDocument:
    """Reads the same file with another text. Raises TranscriptError."""
    return parse(text, document.name, document.folder, document.defaults)


def decode(octets: bytes, name: str) -> str:
    """Raises TranscriptError."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        before = octets[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        fault = "is not UTF-8; save the file as UTF-8"
        raise TranscriptError([TranscriptFault(name, line, column, fault)]) from None


def parse(
    text: str,
    name: str,
    folder: Path | None = None,
    defaults: Defaults | None = None,
    configuration: Configuration | None = None,
) -> TranscriptDocument:
    """Parses a transcript. `name` names its source in faults. `folder` is where the files lie that
    it names; without one it may name none. `configuration` replaces that of `defaults`. Raises
    TranscriptError."""
    reading = _Reading(Source(text, name), folder, defaults or Defaults(), configuration)
    return reading.document()


class _Reading:
    """Gathers the faults of one file."""

    def __init__(
        self,
        source: Source,
        folder: Path | None,
        defaults: Defaults,
        configuration: Configuration | None,
    ) -> None:
        self._source = source
        self._folder = folder
        self._defaults = defaults
        self._chosen = configuration
        self._faults: list[TranscriptFault] = []
        self._published: dict[str, Configuration] = {}
        self._published_ledgers: dict[str, Path] = {}
        self._files: set[Path] = set()

    def document(self) -> TranscriptDocument:
        ledger = self._ledger()
        configuration = self._configuration()
        self._read_published()
        self._find_published_ledgers()
        self._check_nulls(self._source.value, ())
        transcript = self._validate(
            {
                "nkps": _nkps(ledger),
                "keywords": sorted(
                    name
                    for each in (configuration, *self._published.values())
                    for name in each.usage
                ),
            }
        )
        if transcript is not None:
            for place, fault in checks.faults(transcript, configuration.grammar):
                self._fault(place, fault)
        if self._faults or transcript is None:
            raise TranscriptError(self._faults)
        return TranscriptDocument(
            name=self._source.name,
            transcript=transcript,
            source=self._source,
            configuration=configuration,
            ledger=ledger,
            published=self._published,
            published_ledgers=self._published_ledgers,
            files=frozenset(self._files),
            folder=self._folder,
            defaults=self._defaults,
        )

    def _fault(self, place: Place, text: str, *, of_key: bool = False) -> None:
        self._faults.append(self._source.fault(place, text, of_key=of_key))

    def _ledger(self) -> Path:
        return self._folder_at(("ledger",)) or self._defaults.ledger

    def _folder_at(self, place: Place) -> Path | None:
        path = self._file(place)
        if path is not None and not path.is_dir():
            self._fault(place, f"{path} is not a folder")
            return None
        return path

    def _configuration(self) -> Configuration:
        chosen = self._chosen or self._defaults.configuration
        return self._keywords(("keywords",)) or chosen

    def _read_published(self) -> None:
        for place in _places_of(self._source.value, "publish"):
            found = self._keywords(place)
            if found is not None:
                self._published[str(_at(self._source.value, place))] = found

    def _find_published_ledgers(self) -> None:
        for place in _places_of(self._source.value, "publish_ledger"):
            found = self._folder_at(place)
            if found is not None:
                self._published_ledgers[str(_at(self._source.value, place))] = found

    def _keywords(self, place: Place) -> Configuration | None:
        path = self._file(place)
        if path is None:
            return None
        self._files.add(path.resolve())
        try:
            return _load(path.read_text("utf-8"))
        except OSError as error:
            self._fault(place, f"{path} cannot be read: {error.strerror}")
        except (KeywordsError, UnicodeDecodeError) as error:
            self._fault(place, f"{path} cannot be used: {error}")
        return None

    def _file(self, place: Place) -> Path | None:
        """Returns what a key names, beside the transcript; None where it names nothing."""
        named = _at(self._source.value, place)
        if not isinstance(named, str) or not named.strip():
            return None
        if self._folder is None:
            fault = "names a file, and this transcript lies in no folder"
            self._fault(place, f"{place[-1]!r} {fault}")
            return None
        return self._folder / named

    def _validate(self, context: Mapping[str, Any]) -> Transcript | None:
        value = self._source.value
        if not isinstance(value, dict):
            problem = "is empty" if value is None else "is no mapping"
            self._fault((), f"the file {problem}; a transcript has at least now and conversations")
            return None
        try:
            return Transcript.model_validate(value, context=dict(context))
        except ValidationError as error:
            for each in error.errors(include_url=False):
                self._tell(each)
        return None

    def _check_nulls(self, value: Any, place: Place) -> None:
        """Refuses a key without a value, unless null means something there."""
        if isinstance(value, tuple):
            for index, each in enumerate(value):
                self._check_nulls(each, (*place, index))
        for key, each in value.items() if isinstance(value, dict) else ():
            is_named = key in NULLABLE or place[-1:] == ("number_on_file",)
            if each is None and not is_named:
                fault = f"{key!r} has no value; give it one, or leave it out"
                self._fault((*place, key), fault, of_key=True)
            self._check_nulls(each, (*place, key))

    def _tell(self, error: ErrorDetails) -> None:
        place, of_key = tuple(error["loc"]), False
        if place and place[-1] == KEY_MARK:
            place, of_key = place[:-1], True
        if error["type"] == "too_short" and _at(self._source.value, place):
            return  # its entries have faults of their own
        if error["type"] == "missing":
            self._fault(place[:-1], f"{str(place[-1])!r} is missing")
        elif error["type"] == "extra_forbidden":
            self._fault(place, explanation.unknown_key(place), of_key=True)
        else:
            self._fault(place, explanation.sentence(place, error), of_key=of_key)


def _at(value: Any, place: Place) -> Any:
    for part in place:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def _places_of(value: Any, key: str) -> list[Place]:
    """Yields the places of a key of steps."""
    conversations = _at(value, ("conversations",))
    return [
        ("conversations", index, "steps", number, key)
        for index, each in enumerate(conversations if isinstance(conversations, tuple) else ())
        for number, step in enumerate(_at(each, ("steps",)) or ())
        if isinstance(step, dict) and key in step
    ]


def _nkps(folder: Path) -> frozenset[str] | None:
    """Returns the NKPs of everybody in a ledger; None if its files cannot be read, which their
    import reports."""
    try:
        with (folder / "participants.csv").open(encoding="utf-8-sig", newline="") as lines:
            return frozenset(row["nkp"].strip() for row in csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError):
        return None
