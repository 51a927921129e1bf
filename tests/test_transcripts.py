"""Runs every conversation under tests/transcripts as one test, and checks for each file that
--update would change nothing but `reply` and `also`."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from smsgw.transcripts import collection, reader, report, runner, update, world
from smsgw.transcripts.collection import PlayedConversation
from smsgw.transcripts.reader import TranscriptDocument
from smsgw.transcripts.runner import Result
from tests.support import compiled

FOLDER = Path(__file__).parent / "transcripts"
NAME = re.compile(r"^- name: [\"']?(.+?)[\"']?$", re.MULTILINE)

FILES = list(collection.files([FOLDER]))
# What `make quick` replays: every keyword, and what people type. The others are `thorough`.
MAIN = {
    "asked-well",
    "calendar",
    "consent",
    "conversations",
    "every-keyword",
    "gate",
    "identity",
    "limits",
    "money",
    "offices",
    "other-messages",
    "pension",
    "rates",
    "registration",
    "sloppy-balance",
    "sloppy-registration",
    "stop",
    "what-people-send",
    "wrong-messages",
}


@cache
def document(number: int) -> TranscriptDocument:
    return reader.read(FILES[number])


@cache
def results(number: int) -> list[list[Result]]:
    """Plays one file once, in whichever process tests it; returns its results by conversation."""
    conversations = document(number).transcript.conversations
    with world.prepare(document(number)) as made:
        compiled.share(made.rt.service, made.rt.ledger.engine)
        return [list(runner.play(made, each, index)) for index, each in enumerate(conversations)]


def conversations() -> Iterator[ParameterSet]:
    """Yields conversations file by file, so that one process gets a whole file. Names are looked
    for in the text, as every process of a run does this before its first test."""
    for number, path in enumerate(FILES):
        marks = [] if path.stem in MAIN else [pytest.mark.thorough]
        found = names(number)
        assert found, f"{path} has no conversations"
        for index, name in enumerate(found):
            yield pytest.param(number, index, id=f"{path.stem}: {name}", marks=marks)


def names(number: int) -> list[str]:
    return NAME.findall(FILES[number].read_text("utf-8"))


@pytest.mark.parametrize(("number", "index"), list(conversations()))
def test_every_step_agrees(number: int, index: int) -> None:
    assert len(document(number).transcript.conversations) == len(names(number))
    played = PlayedConversation(document(number), index, results(number)[index])
    assert played.agrees, "\n" + "\n".join(report.lines(played))
    if index + 1 == len(document(number).transcript.conversations):
        _check_update(document(number), results(number))


def _check_update(document: TranscriptDocument, found: list[list[Result]]) -> None:
    after = update.rewrite(document, found)
    changed = set(after.splitlines()) - set(document.source.text.splitlines())
    assert [line for line in changed if "reply" not in line and "also" not in line] == []
    if after != document.source.text:
        assert update.rewrite(reader.reread(document, after), found) == after
