"""Plays many transcripts: the files of a folder, all read before any runs, in file order."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from smsgw.operations.supervisor import die_with_parent
from smsgw.transcripts import reader, runner
from smsgw.transcripts.faults import TranscriptError, TranscriptFault
from smsgw.transcripts.reader import Defaults, TranscriptDocument
from smsgw.transcripts.runner import Result
from smsgw.transcripts.values import did_you_mean

SUFFIXES = {".yaml", ".yml"}
AT_ONCE = 25  # conversations of a file that a process takes at a time

Part = tuple[TranscriptDocument, frozenset[str]]  # the names of conversations in it


class NothingFound(ValueError):
    """There is no such conversation. Its text says which there are."""


@dataclass(frozen=True)
class PlayedConversation:
    """Holds a conversation that was played."""

    document: TranscriptDocument
    index: int  # in its file
    results: Sequence[Result]

    @property
    def name(self) -> str:
        return self.document.transcript.conversations[self.index].name

    @property
    def kind(self) -> str | None:
        return self.document.transcript.conversations[self.index].kind

    @property
    def agrees(self) -> bool:
        return not any(each.differences for each in self.results)

    def line(self, number: int) -> int:
        """Returns the line of a step, from 1."""
        return self.document.line(self.index, number - 1)


def files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yields each file once, in the order given; those of a folder by name, without hidden ones."""
    found_files: set[Path] = set()
    for path in paths:
        for file in sorted(_within(path)) if path.is_dir() else [path]:
            if file.resolve() not in found_files:
                found_files.add(file.resolve())
                yield file


def read(paths: Iterable[Path], defaults: Defaults | None = None) -> list[TranscriptDocument]:
    """Reads all files. A file that another names as its keywords is no transcript. Raises
    TranscriptError with the faults of all."""
    documents: list[TranscriptDocument] = []
    faults: list[TranscriptFault] = []
    for path in paths:
        try:
            documents.append(reader.read(path, defaults))
        except TranscriptError as error:
            faults += error.faults
    named = {file for each in documents for file in each.files}
    faults = [each for each in faults if Path(each.file).resolve() not in named]
    if faults:
        raise TranscriptError(faults)
    return documents


def choose(documents: Sequence[TranscriptDocument], patterns: Sequence[str]) -> list[Part]:
    """Returns the conversations to play: those with a name that matches one of `patterns` (with *),
    or all if there are none. Raises NothingFound for a pattern without a match."""
    names = [[each.name for each in document.transcript.conversations] for document in documents]
    known = tuple(dict.fromkeys(name for each in names for name in each))
    for pattern in patterns:
        if not any(_fits(name, pattern) for name in known):
            hint = did_you_mean(pattern, known)
            raise NothingFound(f"no conversation is called {pattern!r}{hint}")
    return [
        (
            document,
            frozenset(
                name
                for name in each
                if not patterns or any(_fits(name, pattern) for pattern in patterns)
            ),
        )
        for document, each in zip(documents, names, strict=True)
    ]


def play(chosen: Sequence[Part], jobs: int = 1) -> Iterator[PlayedConversation]:
    """Plays in file order, however many processes take part. Raises TranscriptError, LoadError."""
    parts = list(_parts(chosen))
    for (document, names), results in zip(parts, _results(parts, jobs), strict=True):
        for index, conversation in enumerate(document.transcript.conversations):
            if conversation.name in names:
                yield PlayedConversation(
                    document, index, [next(results) for _ in conversation.steps]
                )


def _within(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not is_hidden and file.suffix.lower() in SUFFIXES and file.is_file():
            yield file


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _parts(chosen: Sequence[Part]) -> Iterator[Part]:
    for document, names in chosen:
        listed = [each.name for each in document.transcript.conversations if each.name in names]
        for first in range(0, len(listed), AT_ONCE):
            yield document, frozenset(listed[first : first + AT_ONCE])


def _results(parts: Sequence[Part], jobs: int) -> Iterator[Iterator[Result]]:
    if jobs == 1 or len(parts) < 2:
        yield from (runner.run(document, names) for document, names in parts)
        return
    with ProcessPoolExecutor(jobs, initializer=die_with_parent) as pool:
        try:
            yield from map(iter, pool.map(_run, *zip(*map(_portable, parts), strict=True)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _portable(part: Part) -> tuple[str, str, Path | None, Defaults, frozenset[str]]:
    """Returns what a process needs to read and run it for itself: a grammar does not travel."""
    document, names = part
    return document.name, document.source.text, document.folder, document.defaults, names


def _run(
    name: str, text: str, folder: Path | None, defaults: Defaults, names: frozenset[str]
) -> list[Result]:
    return list(runner.run(_parse(text, name, folder, defaults), names))


@lru_cache(maxsize=4)
def _parse(text: str, name: str, folder: Path | None, defaults: Defaults) -> TranscriptDocument:
    return reader.parse(text, name, folder, defaults)
