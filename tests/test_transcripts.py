"""Every conversation under tests/transcripts as one test, and for each file that --update would
change nothing but `reply` and `also`."""

from functools import cache
from pathlib import Path

import pytest

from smsgw.transcripts import collection, reader, report, runner, update
from smsgw.transcripts.collection import Played
from smsgw.transcripts.reader import TranscriptDocument
from smsgw.transcripts.runner import Result

FOLDER = Path(__file__).parent / "transcripts"


@cache
def documents() -> list[TranscriptDocument]:
    return collection.read(collection.files([FOLDER]))


@cache
def results(number: int) -> list[list[Result]]:
    """Plays one file once, in whichever process tests it; returns its results by conversation."""
    document = documents()[number]
    played = runner.run(document)
    return [[next(played) for _ in each.steps] for each in document.transcript.conversations]


def conversations() -> list[tuple[int, int]]:
    """Files and what is in them, so that the tests of one file stand together."""
    return [
        (number, index)
        for number, document in enumerate(documents())
        for index, _ in enumerate(document.transcript.conversations)
    ]


def name(value: tuple[int, int]) -> str:
    document = documents()[value[0]]
    return f"{Path(document.name).stem}: {document.transcript.conversations[value[1]].name}"


@pytest.mark.parametrize("which", conversations(), ids=name)
def test_every_step_agrees(which: tuple[int, int]) -> None:
    number, index = which
    document = documents()[number]
    played = Played(document, index, results(number)[index])
    assert played.agrees, "\n" + "\n".join(report.lines(played))
    if index + 1 == len(document.transcript.conversations):
        _check_update(document, results(number))


def _check_update(document: TranscriptDocument, found: list[list[Result]]) -> None:
    after = update.updated(document, found)
    changed = set(after.splitlines()) - set(document.source.text.splitlines())
    assert [line for line in changed if "reply" not in line and "also" not in line] == []
    assert update.updated(reader.reread(document, after), found) == after
